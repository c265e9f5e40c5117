import type { Entitlement, ServiceAccount } from "./grants/policy.ts";
import type { TokenClaims } from "./token/claims.ts";

/**
 * What a request comes to. Values, not exceptions: lib/http/response.ts turns each into one HTTP
 * answer.
 */
export type Outcome = TokenVended | EntitlementsListed | VendFailure;

export interface TokenVended {
  readonly reason: "token_vended";
  readonly token: string;
  readonly claims: TokenClaims;
  /** Whole seconds from now to the token's `exp`. */
  readonly expiresIn: number;
  readonly serviceAccount: ServiceAccount;
}

export interface EntitlementsListed {
  readonly reason: "entitlements_listed";
  readonly principal: string;
  readonly entitlements: readonly Entitlement[];
}

/**
 * Everything that can keep a request from its answer, in the order of the pipeline.
 *
 * `detail` says exactly what was wrong and goes into the audit record. The caller sees it only
 * where it is about the caller's own words: `invalid_request`.
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
  | {
      readonly reason: "internal_error";
      /** Set where the fault has a metric, an alarm and a section of the runbook of its own. */
      readonly fault?: "wrong_account_key";
      readonly detail: string;
    };
