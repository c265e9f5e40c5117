import { createHash } from "node:crypto";
import { headerOf, type RawRequest } from "../listen.ts";
import { forbidden, missingToken, type Refusal } from "./refusal.ts";

/** What a request says of its own signature; nothing of it is believed yet. */
export interface Authorization {
  readonly accessKeyId: string;
  /** Of the credential's scope: `20261124`, `us-east-1`, `execute-api`, `aws4_request`. */
  readonly scope: readonly [date: string, region: string, service: string, terminator: string];
  /** In lower case, in the order in which they are signed. */
  readonly signedHeaders: readonly string[];
  /** Hexadecimal. */
  readonly signature: string;
  readonly signedAt: Date;
  readonly sessionToken?: string;
  /** Only in a presigned URL: how long it is valid, in seconds. */
  readonly expiresSeconds?: number;
}

const ALGORITHM = "AWS4-HMAC-SHA256";

/** Reads the `Authorization` header or, failing that, the query of a presigned URL. */
export function readAuthorization(request: RawRequest): Authorization | Refusal {
  const header = headerOf(request, "authorization");
  const query = new URL(request.target, "http://localhost").searchParams;
  if (header !== undefined) return readHeader(request, header);
  if (query.has("X-Amz-Algorithm")) return readQuery(query);
  return missingToken;
}

function readHeader(request: RawRequest, header: string): Authorization | Refusal {
  // AWS says which header it was by its hash: a header with another scheme may hold a credential.
  const digest = createHash("sha256").update(header).digest("base64");
  const fields = new Map<string, string>();
  const [scheme, ...rest] = header.split(/\s+/);
  for (const part of rest.join("").split(",")) {
    const [name = "", value] = part.split(/=(.*)/s);
    if (value === undefined || scheme !== ALGORITHM) {
      return forbidden(
        "IncompleteSignatureException",
        `Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '${digest}'.`,
      );
    }
    fields.set(name, value);
  }
  const token = headerOf(request, "x-amz-security-token");
  return assemble(
    {
      credential: fields.get("Credential"),
      signature: fields.get("Signature"),
      signedHeaders: fields.get("SignedHeaders"),
      date: headerOf(request, "x-amz-date") ?? headerOf(request, "date"),
    },
    (missing) =>
      `${missing.map((name) => (name === "date" ? "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header." : `Authorization header requires '${name}' parameter.`)).join(" ")} (Hashed with SHA-256 and encoded with Base64) Authorization=${digest}`,
    token === undefined ? {} : { sessionToken: token },
  );
}

function readQuery(query: URLSearchParams): Authorization | Refusal {
  const token = query.get("X-Amz-Security-Token");
  const expires = Number(query.get("X-Amz-Expires") ?? Number.NaN);
  if (query.get("X-Amz-Algorithm") !== ALGORITHM || !(expires > 0 && expires <= 604_800)) {
    return forbidden(
      "IncompleteSignatureException",
      `AWS query-string parameters must include 'X-Amz-Algorithm' ${ALGORITHM} and 'X-Amz-Expires' from 1 to 604800. Re-examine the query-string parameters.`,
    );
  }
  return assemble(
    {
      credential: query.get("X-Amz-Credential") ?? undefined,
      signature: query.get("X-Amz-Signature") ?? undefined,
      signedHeaders: query.get("X-Amz-SignedHeaders") ?? undefined,
      date: query.get("X-Amz-Date") ?? undefined,
    },
    (missing) =>
      `AWS query-string parameters must include ${missing.map((name) => `'X-Amz-${name === "date" ? "Date" : name}'`).join(", ")}. Re-examine the query-string parameters.`,
    { expiresSeconds: expires, ...(token !== null && { sessionToken: token }) },
  );
}

function assemble(
  parts: {
    readonly credential: string | undefined;
    readonly signature: string | undefined;
    readonly signedHeaders: string | undefined;
    readonly date: string | undefined;
  },
  explain: (missing: string[]) => string,
  extra: { readonly sessionToken?: string; readonly expiresSeconds?: number },
): Authorization | Refusal {
  const { credential, signature, signedHeaders, date } = parts;
  const signedAt = parseDate(date);
  // The access key comes first, whatever it contains; the scope is the last four.
  const scope = (credential ?? "").split("/").slice(-4);
  const accessKeyId = (credential ?? "").split("/").slice(0, -4).join("/");
  const [day, region, service, terminator] = scope;
  if (
    signature === undefined ||
    signedHeaders === undefined ||
    signedAt === undefined ||
    day === undefined ||
    region === undefined ||
    service === undefined ||
    terminator === undefined ||
    accessKeyId === ""
  ) {
    const missing = [
      ...(accessKeyId === "" ? ["Credential"] : []),
      ...(signature === undefined ? ["Signature"] : []),
      ...(signedHeaders === undefined ? ["SignedHeaders"] : []),
      ...(signedAt === undefined ? ["date"] : []),
    ];
    return forbidden("IncompleteSignatureException", explain(missing));
  }
  return {
    accessKeyId,
    scope: [day, region, service, terminator],
    signedHeaders: signedHeaders.toLowerCase().split(";"),
    signature,
    signedAt,
    ...extra,
  };
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
