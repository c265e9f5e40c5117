import type { NotACaller } from "./caller/caller.ts";
import type { Denial, Entitlement, ServiceAccount } from "./grants/policy.ts";
import type { KeyUnavailable } from "./keys/signing-keys.ts";
import type { TokenClaims } from "./token/claims.ts";
import type { CallFailure, PlatformAnswer } from "./voximplant/forward.ts";

/** The result of a request. lib/http/response.ts turns each into one HTTP answer. */
export type Outcome = TokenVended | MethodCalled | EntitlementsListed | VendFailure;

export interface TokenVended {
  readonly reason: "token_vended";
  readonly token: string;
  readonly claims: TokenClaims;
  /** Whole seconds from now to the token's `exp`. */
  readonly expiresIn: number;
  readonly serviceAccount: ServiceAccount;
}

/** The platform has answered, with a result or with an error of its own. */
export interface MethodCalled {
  readonly reason: "method_called";
  readonly answer: PlatformAnswer;
}

export interface EntitlementsListed {
  readonly reason: "entitlements_listed";
  readonly principal: string;
  readonly entitlements: readonly Entitlement[];
}

/**
 * Every failure of a request, in the order of the pipeline. Each step returns either its
 * value, which has no `reason`, or one of these: see {@link isFailure}.
 *
 * `detail` says exactly what is wrong and goes into the audit record. The caller sees it only for
 * `invalid_request`, where it is about the caller's own input.
 */
export type VendFailure =
  | { readonly reason: "not_found"; readonly detail: string }
  | { readonly reason: "method_not_allowed"; readonly allow: string; readonly detail: string }
  | NotACaller
  | { readonly reason: "invalid_request"; readonly detail: string }
  | Denial
  | KeyUnavailable
  | CallFailure
  | {
      readonly reason: "internal_error";
      /** Set for a fault that has its own metric, alarm and section of docs/runbook.md. */
      readonly fault?: "wrong_account_key";
      readonly detail: string;
    };

/** Whether a step of the pipeline failed. */
export function isFailure<Result extends object>(
  result: Result,
): result is Extract<Result, { readonly reason: string }> {
  return "reason" in result;
}
