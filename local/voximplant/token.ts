import { type KeyObject, verify } from "node:crypto";
import { type PlatformCode } from "./error.ts";

/** The claims of a token. The stand-in stores these, never the token. */
export interface TokenClaims {
  readonly kid: string;
  readonly iss: number;
  readonly iat: number;
  readonly exp: number;
  readonly sub?: unknown;
  readonly jti?: unknown;
}

type Verification =
  | { readonly accepted: true; readonly claims: TokenClaims }
  | { readonly accepted: false; readonly code: PlatformCode; readonly detail: string };

/** Finds the key of a `kid`, and the accounts that it may act for: its own and its children. */
type FindKey = (
  kid: string,
) => { readonly publicKey: KeyObject; readonly accountIds: readonly number[] } | undefined;

const MAX_LIFETIME_SECONDS = 3600;

/**
 * Checks a token by the platform's documented rules. It uses node:crypto and no code of the
 * product, so that it does not share a fault of the product. It is as strict as the documentation:
 * `iss` is a number, and a clock may be ahead by `skewSeconds`.
 * https://voximplant.com/docs/guides/managementapi/authorization
 */
export function verifyToken(
  token: string,
  options: { readonly findKey: FindKey; readonly nowSeconds: number; readonly skewSeconds: number },
): Verification {
  const parts = token.split(".");
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    return refuse(447, "not three parts");
  }
  if (!parts.every(isBase64url)) return refuse(447, "not base64url");
  const { alg, kid, crit } = decode(header);
  const { iss, iat, exp, sub, jti } = decode(payload);
  if (alg !== "RS256") return refuse(447, "alg is not RS256");
  // A verifier must refuse a token with an extension that it does not understand:
  // RFC 7515, section 4.1.11.
  if (crit !== undefined) return refuse(447, "crit names extensions that are not known");
  if (typeof kid !== "string") return refuse(447, "no kid");
  if (typeof iss !== "number" || !Number.isInteger(iss)) return refuse(447, "iss is not a number");
  if (typeof iat !== "number" || typeof exp !== "number") {
    return refuse(447, "iat and exp are not both numbers");
  }
  const key = options.findKey(kid);
  if (key === undefined) return refuse(433, "no such key");
  // node:crypto would check another kind of signature for another kind of key, whatever `alg` says.
  if (key.publicKey.asymmetricKeyType !== "rsa") return refuse(100, "the key is not an RSA key");
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify("RSA-SHA256", signed, key.publicKey, Buffer.from(signature, "base64url"))) {
    return refuse(100, "the signature is wrong");
  }
  if (!key.accountIds.includes(iss)) return refuse(100, "iss is neither the key's account nor a child of it");
  if (exp - iat > MAX_LIFETIME_SECONDS) return refuse(454, "exp - iat is over 3600");
  if (iat > options.nowSeconds + options.skewSeconds) return refuse(455, "iat is in the future");
  if (exp <= options.nowSeconds) return refuse(456, "exp has passed");
  return { accepted: true, claims: { kid, iss, iat, exp, sub, jti } };
}

/**
 * Whether the part is in canonical form: without padding, and with the unused bits of the last
 * character 0. So a token has only one spelling.
 */
function isBase64url(part: string): boolean {
  return part !== "" && Buffer.from(part, "base64url").toString("base64url") === part;
}

function refuse(code: PlatformCode, detail: string): Verification {
  return { accepted: false, code, detail };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A JSON object, or an empty one if the part is not JSON in UTF-8 or has a member twice. Missing
 * fields are refused next.
 */
function decode(part: string): Record<string, unknown> {
  try {
    const text = utf8.decode(Buffer.from(part, "base64url"));
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || namesIn(text) !== membersOf(value)) return {};
    return { ...value };
  } catch {
    return {};
  }
}

/**
 * How many members the text of a JSON value has: each is a string before a colon. If a name occurs
 * twice, JSON.parse keeps the last member, and another parser may keep the first. The token would
 * have two meanings: RFC 7515, section 4, and RFC 7519, section 4.
 */
function namesIn(json: string): number {
  return [...json.matchAll(/"(?:[^"\\]|\\.)*"\s*(:?)/g)].filter(([, colon]) => colon === ":").length;
}

/** How many members a parsed JSON value has, with those of the values in it. */
function membersOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const values: unknown[] = Object.values(value);
  return (
    (Array.isArray(value) ? 0 : values.length) + values.reduce<number>((sum, one) => sum + membersOf(one), 0)
  );
}
