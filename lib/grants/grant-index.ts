import type { Caller } from "../caller/caller.ts";
import { hasWildcard, matchesPrincipal, splitPrincipalArn, type PrincipalArn } from "./arn-like.ts";
import type { Candidate } from "./conditions.ts";
import type { Policy, ServiceAccount } from "./policy.ts";

/** A policy arranged for deciding: made once, when the function starts. */
export interface GrantIndex {
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>;
  /** By the principal's ARN. Maps, never objects: `constructor` is a legal service account. */
  readonly exact: ReadonlyMap<string, readonly Candidate[]>;
  /** Each of them is tried for each caller. */
  readonly wildcards: readonly (Candidate & { readonly parts: PrincipalArn })[];
}

export function indexGrants(policy: Policy): GrantIndex {
  const candidates = policy.grants.flatMap((grant) =>
    grant.principals.map((pattern): Candidate => ({ grant, pattern })),
  );
  return {
    serviceAccounts: new Map(policy.serviceAccounts.map((account) => [account.name, account])),
    exact: groupByArn(candidates.filter(({ pattern }) => !hasWildcard(pattern.arn))),
    wildcards: candidates
      .filter(({ pattern }) => hasWildcard(pattern.arn))
      .map(({ grant, pattern }) => {
        const parts = splitPrincipalArn(pattern.arn);
        if (!parts) throw new Error(`${pattern.source}: ${pattern.arn} is not the ARN of a role or user`);
        return { grant, pattern, parts };
      }),
  };
}

/**
 * Every principal of every grant whose ARN matches the caller's. The other conditions are not
 * checked here.
 */
export function candidatesFor(index: GrantIndex, caller: Caller): Candidate[] {
  return [
    ...(index.exact.get(caller.principal) ?? []),
    ...index.wildcards.filter(({ parts }) => matchesPrincipal(parts, caller)),
  ];
}

function groupByArn(candidates: readonly Candidate[]): Map<string, Candidate[]> {
  const groups = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const group = groups.get(candidate.pattern.arn);
    if (group) group.push(candidate);
    else groups.set(candidate.pattern.arn, [candidate]);
  }
  return groups;
}
