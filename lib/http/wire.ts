/**
 * What travels between the vendor and its callers; docs/openapi.yaml describes it. The
 * client may import no other file of lib/http/.
 */

/** The routes. Parameters stand in braces, as in OpenAPI and in API Gateway. */
export const routes = {
  vendToken: { method: "POST", path: "/v1/service-accounts/{serviceAccount}/token" },
  callMethod: { method: "POST", path: "/v1/service-accounts/{serviceAccount}/methods/{method}" },
  listEntitlements: { method: "GET", path: "/v1/service-accounts" },
} as const;

/** The path that vends a token of a service account. The name is not percent-encoded. */
export function tokenPath(serviceAccount: string): string {
  return routes.vendToken.path.replace("{serviceAccount}", () => serviceAccount);
}

/** The path for a call of a method. Neither name is percent-encoded. */
export function methodPath(serviceAccount: string, method: string): string {
  return routes.callMethod.path
    .replace("{serviceAccount}", () => serviceAccount)
    .replace("{method}", () => method);
}

/**
 * Limits of a token's lifetime in seconds: see docs/grants.md. Voximplant refuses an `exp` more
 * than 3600 after `iat` (error 454).
 */
export const MIN_TTL_SECONDS = 30;
export const MAX_TTL_SECONDS = 3600;
/**
 * A token's `iat` is this many seconds before its signature, because Voximplant refuses an `iat` in
 * the future (error 455), and its clock may be behind. So the longest token is valid for 3595 s.
 */
export const BACKDATE_SECONDS = 5;

/**
 * How long the vendor waits for Voximplant in a call of a method, in milliseconds. The time is for
 * all attempts together. There is a second attempt if the platform refuses the token and there is
 * another key. The value must be below the 29 s that API Gateway waits, so that the caller learns
 * whether the method may have run. Clients must wait longer than this value.
 */
export const CALL_DEADLINE_MS = 25_000;

/** The request of `vendToken`. Without any field, the body is empty. */
export interface TokenRequestBody {
  readonly ttl_seconds?: number | undefined;
  readonly account_id?: number | undefined;
}

/** The answer of `vendToken`. A field that RFC 6749 §5.1 defines has the name that it has there. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: "Bearer";
  /** Seconds from the answer to the token's `exp`. */
  readonly expires_in: number;
  /** The token's `exp`, RFC 3339 in UTC, whole seconds. */
  readonly expires_at: string;
  readonly service_account: string;
  /** The Voximplant account the token is for: its `iss`. */
  readonly account_id: number;
}

/** The answer of `listEntitlements`. */
export interface EntitlementsResponse {
  readonly principal: string;
  readonly service_accounts: readonly {
    readonly name: string;
    /** False if the caller's grants allow only calls of methods. */
    readonly tokens: boolean;
    /** The longest lifetime of a token; absent if `tokens` is false. */
    readonly max_ttl_seconds?: number | undefined;
    readonly child_account_ids: readonly number[];
    /** Patterns of the methods that the vendor calls for the caller; absent if there are none. */
    readonly methods?: readonly string[] | undefined;
  }[];
}

/** Every answer that is not 2xx, including API Gateway's own, but not the platform's. */
export interface ErrorResponse {
  readonly error: ErrorCode;
  readonly error_description: string;
  readonly request_id: string;
}

/** Every value of `error`. */
export const ERROR_CODES = [
  "invalid_request",
  "ttl_too_long",
  "unauthenticated",
  "access_denied",
  /** Refused by API Gateway: signature, clock, IAM or resource policy, unknown route. */
  "not_authorized",
  "not_found",
  "method_not_allowed",
  "throttled",
  "internal_error",
  "signing_key_unavailable",
  "platform_unavailable",
  "response_too_large",
  "platform_timeout",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
