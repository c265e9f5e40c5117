/**
 * Everything that can keep a request from getting a token, in the order of the pipeline. Values, not exceptions:
 * lib/http/response.ts turns each into one answer, and the compiler sees to it that none is forgotten.
 *
 * `detail` says exactly what was wrong. It goes into the audit record; the caller gets it only where the answer is
 * about the caller's own words (`invalid_request`).
 */
export type VendFailure =
  | { readonly reason: "not_found"; readonly detail: string }
  | { readonly reason: "method_not_allowed"; readonly allow: string; readonly detail: string }
  | { readonly reason: "unauthenticated"; readonly detail: string }
  | { readonly reason: "invalid_request"; readonly detail: string }
  | { readonly reason: "access_denied"; readonly detail: string }
  | { readonly reason: "ttl_too_long"; readonly maxTtlSeconds: number; readonly detail: string }
  | {
      readonly reason: "signing_key_unavailable";
      readonly retryAfterSeconds: number;
      readonly detail: string;
    }
  | { readonly reason: "internal_error"; readonly detail: string };
