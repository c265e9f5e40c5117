import type { Caller } from "../caller/caller.ts";
import { hasWildcard, matchesPrincipal, splitPrincipalArn, type PrincipalArn } from "./arn-like.ts";
import type { Grant, Policy, PrincipalPattern, ServiceAccount } from "./policy.ts";

/** One principal of one grant. */
export interface Candidate {
  readonly grant: Grant;
  readonly pattern: PrincipalPattern;
}

type WildcardCandidate = Candidate & { readonly parts: PrincipalArn };

/** A policy arranged for deciding: made once, when the function starts. */
export interface GrantIndex {
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>;
  /** By the principal's ARN. Maps, never objects: `constructor` is a legal service account. */
  readonly exact: ReadonlyMap<string, readonly Candidate[]>;
  /** By a fragment that every ARN the pattern matches must contain; see {@link fragmentsOf}. */
  readonly wildcard: ReadonlyMap<string, readonly WildcardCandidate[]>;
}

export function indexGrants(policy: Policy): GrantIndex {
  const exact = new Map<string, Candidate[]>();
  const wildcards: WildcardCandidate[] = [];
  for (const grant of policy.grants) {
    for (const pattern of grant.principals) {
      if (!hasWildcard(pattern.arn)) {
        file(exact, pattern.arn, { grant, pattern });
        continue;
      }
      const parts = splitPrincipalArn(pattern.arn);
      if (!parts) throw new Error(`${pattern.source}: ${pattern.arn} is not the ARN of a role or user`);
      wildcards.push({ grant, pattern, parts });
    }
  }
  return {
    serviceAccounts: new Map(policy.serviceAccounts.map((account) => [account.name, account])),
    exact,
    wildcard: fileByRarestFragment(wildcards),
  };
}

/** Every principal of every grant that means this caller by ARN. Pins and organisations are not looked at here. */
export function candidatesFor(index: GrantIndex, caller: Caller): Candidate[] {
  const found: Candidate[] = [...(index.exact.get(caller.principal) ?? [])];
  if (index.wildcard.size === 0) return found;
  for (const fragment of new Set(fragmentsOf(caller.principal))) {
    for (const candidate of index.wildcard.get(fragment) ?? []) {
      if (matchesPrincipal(candidate.parts, caller)) found.push(candidate);
    }
  }
  return found;
}

const FRAGMENT_LENGTH = 4;

/**
 * The runs of four characters in an ARN that hold no wildcard. An ARN can match a pattern only if it contains all of the
 * pattern's fragments, so a pattern needs to be tried only where its rarest one occurs: ten thousand wildcards cost a
 * decision about as much as ten.
 */
function fragmentsOf(arn: string): string[] {
  const fragments: string[] = [];
  for (let start = 0; start + FRAGMENT_LENGTH <= arn.length; start++) {
    fragments.push(arn.slice(start, start + FRAGMENT_LENGTH));
  }
  return fragments;
}

function fileByRarestFragment(candidates: readonly WildcardCandidate[]): Map<string, WildcardCandidate[]> {
  const literal = candidates.map(({ pattern }) =>
    fragmentsOf(pattern.arn).filter((fragment) => !hasWildcard(fragment)),
  );
  const uses = new Map<string, number>();
  for (const fragment of literal.flat()) uses.set(fragment, (uses.get(fragment) ?? 0) + 1);

  const filed = new Map<string, WildcardCandidate[]>();
  candidates.forEach((candidate, i) => {
    // There always is one: the `iam:` of the ARN.
    const rarest = (literal[i] ?? []).reduce(
      (a, b) => ((uses.get(b) ?? 0) < (uses.get(a) ?? 0) ? b : a),
      "iam:",
    );
    file(filed, rarest, candidate);
  });
  return filed;
}

function file<T>(index: Map<string, T[]>, key: string, value: T): void {
  const values = index.get(key);
  if (values) values.push(value);
  else index.set(key, [value]);
}
