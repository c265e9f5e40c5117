import type { Caller } from "../caller/caller.ts";
import { matchesGlob, matchesPrincipal, splitPrincipalArn } from "./arn-like.ts";
import type { Candidate } from "./grant-index.ts";
import type { ServiceAccount, TokenRequest } from "./policy.ts";
import { DEFAULT_TTL_SECONDS, MAX_TTL_SECONDS } from "./policy.ts";

/**
 * What stands between a caller whose ARN matched and what a grant gives, each condition by itself: undefined where it is
 * met, else why not. The decision and its explanation are made from these same functions.
 */

/**
 * The caller's ARN is one that the pattern means. {@link candidatesFor} has seen to this before a decision; an explanation
 * also looks at the grants where it is not so.
 */
export function unmetPrincipal({ pattern }: Candidate, caller: Caller): string | undefined {
  const wanted = splitPrincipalArn(pattern.arn);
  if (!wanted || matchesPrincipal(wanted, caller)) return undefined;
  if (wanted.kind !== caller.kind) return `is for a ${wanted.kind}, the caller is a ${caller.kind}`;
  if (wanted.partition !== caller.partition) {
    return `is for partition ${wanted.partition}, the caller is in ${caller.partition}`;
  }
  const reasons = [
    ...(matchesGlob(wanted.accountId, caller.accountId)
      ? []
      : [`is for account ${wanted.accountId}, the caller is of ${caller.accountId}`]),
    ...(matchesGlob(wanted.name, caller.name)
      ? []
      : [`is for the ${wanted.kind} ${wanted.name}, the caller is ${caller.name}`]),
  ];
  return reasons.join(" and ");
}

/** The pinned role or user itself, not another one made later under the same name. */
export function unmetPin({ pattern }: Candidate, caller: Caller): string | undefined {
  if (pattern.uniqueId === undefined || pattern.uniqueId === caller.uniqueId) return undefined;
  return `is pinned to ${pattern.uniqueId}, the caller is ${caller.uniqueId ?? "without a unique id"}`;
}

export function unmetOrganization({ grant }: Candidate, caller: Caller): string | undefined {
  if (grant.principalOrgId === undefined || grant.principalOrgId === caller.organizationId) return undefined;
  return `asks for organisation ${grant.principalOrgId}, the caller is of ${caller.organizationId ?? "none"}`;
}

export function unmetServiceAccount({ grant }: Candidate, request: TokenRequest): string | undefined {
  if (grant.serviceAccounts.includes(request.serviceAccount)) return undefined;
  return `is for ${grant.serviceAccounts.join(", ")}`;
}

export function unmetChildAccount({ grant }: Candidate, request: TokenRequest): string | undefined {
  if (request.accountId === undefined || grant.childAccountIds.includes(request.accountId)) return undefined;
  const ids = grant.childAccountIds.join(", ");
  return ids === "" ? "lists no child accounts" : `lists only the child accounts ${ids}`;
}

/** Seconds: the grant, the service account and the platform each set a limit. */
export function maxTtlOf({ grant }: Candidate, serviceAccount: ServiceAccount): number {
  return Math.min(grant.maxTtlSeconds, serviceAccount.maxTtlSeconds, MAX_TTL_SECONDS);
}

/** Seconds: what is asked for, or 300, or the maximum where that is lower. */
export function wantedTtl(request: TokenRequest, maxTtlSeconds: number): number {
  return request.ttlSeconds ?? Math.min(DEFAULT_TTL_SECONDS, maxTtlSeconds);
}
