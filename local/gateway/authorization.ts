import { createHash } from "node:crypto";
import { headerOf, type RawRequest } from "../exchange.ts";
import { forbidden, missingToken, type Refusal } from "./refusal.ts";

/** The signature's parts as the request states them. Nothing is verified yet. */
export interface Authorization {
  readonly accessKeyId: string;
  /** The credential's scope: `20261124`, `us-east-1`, `execute-api`, `aws4_request`. */
  readonly scope: readonly [date: string, region: string, service: string, terminator: string];
  /** In lower case, sorted, each once: a signature over another order does not match. */
  readonly signedHeaders: readonly string[];
  /** Hexadecimal. */
  readonly signature: string;
  readonly signedAt: Date;
  readonly sessionToken?: string;
  /** Only in a presigned URL: how long it is valid, in seconds. */
  readonly expiresSeconds?: number;
}

/** The parts that the request has. Some may be missing. */
interface Parts {
  readonly Credential: string | undefined;
  readonly SignedHeaders: string | undefined;
  readonly Signature: string | undefined;
  readonly Date: string | undefined;
  readonly sessionToken?: string;
  readonly expiresSeconds?: number;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
/** The access key, whatever it is, and the four parts of the scope. */
const CREDENTIAL = /^(.+)\/([^/]*)\/([^/]*)\/([^/]*)\/([^/]*)$/;
const MAX_EXPIRES_SECONDS = 604_800;

/**
 * A sender must not repeat these headers: RFC 9110, section 5.3. A server that reads the first of
 * two and a server that reads the last see different requests. What API Gateway does is not
 * documented, so the stand-in refuses them.
 */
const ONCE = ["authorization", "x-amz-date", "date", "x-amz-security-token"];

/**
 * Reads the `Authorization` header or the query of a presigned URL. AWS documents them as
 * alternatives, so both at once are refused.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
 */
export function readAuthorization(request: RawRequest): Authorization | Refusal {
  const names = request.headers.map(([name]) => name.toLowerCase());
  const repeated = ONCE.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (repeated !== undefined) return incomplete(`The header '${repeated}' must not be repeated.`);
  const header = headerOf(request, "authorization");
  const query = new URL(request.target, "http://localhost").searchParams;
  const parameters = [...query.keys()].filter((name) => /^x-amz-/i.test(name));
  if (new Set(parameters).size < parameters.length) {
    return incomplete("A parameter of the signature must not be repeated in the query.");
  }
  const isPresigned = query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature");
  if (header !== undefined && isPresigned) {
    return incomplete("The signature must be in the Authorization header or in the query, not in both.");
  }
  if (header !== undefined) return fromHeader(request, header);
  if (isPresigned) return fromQuery(query);
  return missingToken;
}

function fromHeader(request: RawRequest, header: string): Authorization | Refusal {
  // AWS names the header by its hash, because a header of another scheme may hold a password.
  const digest = createHash("sha256").update(header).digest("base64");
  const [scheme, ...rest] = header.split(/\s+/);
  const fields = rest.join("").split(",");
  if (scheme !== ALGORITHM || fields.some((field) => !field.includes("="))) {
    return incomplete(
      `Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '${digest}'.`,
    );
  }
  const pairs = fields.map((field) => field.split(/=(.*)/s));
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    return incomplete("Authorization header must not repeat a parameter.");
  }
  const { Credential, SignedHeaders, Signature } = Object.fromEntries(pairs) as Partial<
    Record<string, string>
  >;
  const Date = headerOf(request, "x-amz-date") ?? headerOf(request, "date");
  const sessionToken = headerOf(request, "x-amz-security-token");
  const parts = {
    Credential,
    SignedHeaders,
    Signature,
    Date,
    ...(sessionToken !== undefined && { sessionToken }),
  };
  return (
    complete(parts) ??
    incomplete(
      `${missing(parts).map(explainHeader).join(" ")} (Hashed with SHA-256 and encoded with Base64) Authorization=${digest}`,
    )
  );
}

function explainHeader(part: string): string {
  return part === "Date"
    ? "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
    : `Authorization header requires '${part}' parameter.`;
}

function fromQuery(query: URLSearchParams): Authorization | Refusal {
  const get = (name: string) => query.get(`X-Amz-${name}`) ?? undefined;
  const sessionToken = get("Security-Token");
  const expiresSeconds = Number(get("Expires"));
  const parts = {
    Credential: get("Credential"),
    SignedHeaders: get("SignedHeaders"),
    Signature: get("Signature"),
    Date: get("Date"),
    expiresSeconds,
    ...(sessionToken !== undefined && { sessionToken }),
  };
  if (get("Algorithm") !== ALGORITHM || !(expiresSeconds > 0 && expiresSeconds <= MAX_EXPIRES_SECONDS)) {
    return incomplete(
      `AWS query-string parameters must include 'X-Amz-Algorithm' ${ALGORITHM} and 'X-Amz-Expires' from 1 to ${MAX_EXPIRES_SECONDS}. Re-examine the query-string parameters.`,
    );
  }
  const names = missing(parts).map((part) => `'X-Amz-${part}'`);
  return (
    complete(parts) ??
    incomplete(
      `AWS query-string parameters must include ${names.join(", ")}. Re-examine the query-string parameters.`,
    )
  );
}

function incomplete(message: string): Refusal {
  return forbidden("IncompleteSignatureException", message);
}

function complete(parts: Parts): Authorization | undefined {
  const { Credential = "", SignedHeaders, Signature, sessionToken, expiresSeconds } = parts;
  const credential = CREDENTIAL.exec(Credential);
  const signedAt = parseDate(parts.Date);
  if (!credential || SignedHeaders === undefined || Signature === undefined || !signedAt) return undefined;
  const [, accessKeyId = "", day = "", region = "", service = "", terminator = ""] = credential;
  return {
    accessKeyId,
    scope: [day, region, service, terminator],
    signedHeaders: [...new Set(SignedHeaders.toLowerCase().split(";"))].sort(),
    signature: Signature,
    signedAt,
    ...(sessionToken !== undefined && { sessionToken }),
    ...(expiresSeconds !== undefined && { expiresSeconds }),
  };
}

function missing(parts: Parts): string[] {
  return [
    ...(CREDENTIAL.test(parts.Credential ?? "") ? [] : ["Credential"]),
    ...(parts.Signature === undefined ? ["Signature"] : []),
    ...(parts.SignedHeaders === undefined ? ["SignedHeaders"] : []),
    ...(parseDate(parts.Date) === undefined ? ["Date"] : []),
  ];
}

/** `20261124T034402Z`, as in `X-Amz-Date`, or any date of RFC 9110, as in `Date`. */
function parseDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const date = new Date(second === undefined ? text : `${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** `20261124T034402Z` */
export function amzDate(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d{3}/g, "");
}
