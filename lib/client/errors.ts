import type { ErrorCode } from "../http/wire.ts";

/**
 * Why there is no token. Stable: programs may switch on it.
 *
 * The codes of the wire contract are the service's (or API Gateway's) own answer; the rest are about the way there.
 */
export type TokenErrorCode =
  | ErrorCode
  /** The options given to the provider are wrong; nothing was tried. */
  | "invalid_options"
  /** The AWS SDK's credential chain found nothing, or failed. */
  | "no_credentials"
  /** API Gateway says that the AWS credentials have expired, and asking the chain again brought none that work. */
  | "credentials_expired"
  /** API Gateway refuses the time of the signature, even after it was corrected by the server's `Date`. */
  | "clock_skew"
  /** No answer: connection refused or reset, name not found, TLS. */
  | "network"
  /** No answer in time. */
  | "timeout"
  /** An answer that this client cannot have come from the service: not JSON, too large, a redirect, a field missing. */
  | "invalid_response";

export interface TokenErrorDetails {
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  /** What the server asked for in `Retry-After`, where that was longer than the caller was willing to wait. */
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** The one error of this library's token side. Its text, fields and cause never hold a token or an AWS secret. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: TokenErrorCode, message: string, details: TokenErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.requestId = details.requestId;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** Whether the same call may succeed later, with nothing changed: 429, 5xx, and no answer at all. */
  get retryable(): boolean {
    const { code, status = 0 } = this;
    return code === "network" || code === "timeout" || status === 429 || status >= 500;
  }

  /** A policy refuses the call. Trying again does not help until the policy is changed. */
  get denied(): boolean {
    return DENIALS.has(this.code);
  }
}

const DENIALS: ReadonlySet<TokenErrorCode> = new Set([
  "access_denied",
  "not_authorized",
  "unauthenticated",
  "ttl_too_long",
]);

/**
 * Text of a server made fit for an error message: its first line, at most 300 characters, no control characters, and
 * nothing that looks like a JWT. API Gateway's answer to a wrong signature quotes the canonical request, with the caller's
 * session token in it, from the second line on.
 */
export function quotable(text: string): string {
  const [line = ""] = text.trim().split(/[\r\n]/);
  return line
    .replace(/eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, "[token]")
    .replace(/\p{Cc}/gu, " ")
    .slice(0, 300)
    .trim();
}
