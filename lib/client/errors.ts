import type { ErrorCode } from "../http/wire.ts";

/**
 * Why there is no token. Stable: programs may switch on it.
 *
 * The codes of docs/openapi.yaml come from the vendor or API Gateway. The others come from this
 * client.
 */
export type TokenErrorCode =
  | ErrorCode
  /** An option is wrong, or a request would go to a foreign address. Nothing was sent. */
  | "invalid_options"
  /** The AWS SDK's credential chain found nothing, or failed. */
  | "no_credentials"
  /** The AWS credentials have expired, and the chain has no newer ones. */
  | "credentials_expired"
  /** API Gateway refuses the signature's time, even after the correction by the server's `Date`. */
  | "clock_skew"
  /** No answer: connection refused or reset, name not found, TLS. */
  | "network"
  /** No answer in time. */
  | "timeout"
  /** The answer is not the vendor's: not JSON, too large, a redirect, a field missing. */
  | "invalid_response";

export interface TokenErrorDetails {
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  /** The server's `Retry-After`, in seconds. */
  readonly retryAfterSeconds?: number | undefined;
  readonly mayHaveTakenEffect?: boolean | undefined;
  readonly cause?: unknown;
}

/**
 * Why there is no token, or no answer to a call. Text, fields and cause never hold a token or an
 * AWS secret.
 */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  /**
   * True if the method that you asked for may have run. Always false for methods named Get…, and
   * for requests of a token: repeating them does no harm.
   */
  readonly mayHaveTakenEffect: boolean;

  constructor(code: TokenErrorCode, message: string, details: TokenErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.requestId = details.requestId;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.mayHaveTakenEffect = details.mayHaveTakenEffect ?? false;
  }

  /**
   * Whether the same call may succeed later: after 429, 5xx, or no answer. False if the call may
   * have taken effect already, and for `response_too_large`.
   */
  get retryable(): boolean {
    const { code, status = 0 } = this;
    if (this.mayHaveTakenEffect || code === "response_too_large") return false;
    return code === "network" || code === "timeout" || status === 429 || status >= 500;
  }

  /** The caller is refused. The call fails until a grant, a policy or the credentials change. */
  get denied(): boolean {
    return DENIALS[this.code];
  }
}

/** The value of {@link TokenError.denied} for each code. */
const DENIALS: Readonly<Record<TokenErrorCode, boolean>> = {
  access_denied: true,
  not_authorized: true,
  unauthenticated: true,
  ttl_too_long: true,
  invalid_request: false,
  not_found: false,
  method_not_allowed: false,
  throttled: false,
  internal_error: false,
  signing_key_unavailable: false,
  platform_unavailable: false,
  response_too_large: false,
  platform_timeout: false,
  invalid_options: false,
  no_credentials: false,
  credentials_expired: false,
  clock_skew: false,
  network: false,
  timeout: false,
  invalid_response: false,
};
