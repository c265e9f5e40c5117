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
  readonly wildcard: ReadonlyMap<number, readonly WildcardCandidate[]>;
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

/**
 * The runs of four characters in a text, each as a 16-bit number. An ARN can match a pattern only if it contains every
 * fragment of the pattern that has no wildcard in it, so a pattern needs to be tried only where its rarest one occurs: ten
 * thousand wildcards cost a decision about as much as ten. Two fragments may have one number; that costs a try, no more.
 */
function fragmentsOf(text: string): number[] {
  const fragments: number[] = [];
  for (let end = 4; end <= text.length; end++) {
    let number = 0;
    for (let i = end - 4; i < end; i++) number = (number * 31 + text.charCodeAt(i)) & 0xffff;
    fragments.push(number);
  }
  return fragments;
}

function fileByRarestFragment(candidates: readonly WildcardCandidate[]): Map<number, WildcardCandidate[]> {
  const fragments = candidates.map(({ pattern }) => pattern.arn.split(/[*?]/).flatMap(fragmentsOf));
  const uses = new Uint32Array(0x10000);
  const usesOf = (number: number) => uses[number] ?? 0;
  for (const numbers of fragments) for (const number of numbers) uses[number] = usesOf(number) + 1;

  const filed = new Map<number, WildcardCandidate[]>();
  candidates.forEach((candidate, i) => {
    // There always is one: `:iam` stands in every ARN of a principal.
    const rarest = fragments[i]?.reduce((a, b) => (usesOf(b) < usesOf(a) ? b : a)) ?? 0;
    file(filed, rarest, candidate);
  });
  return filed;
}

function file<K, T>(index: Map<K, T[]>, key: K, value: T): void {
  const values = index.get(key);
  if (values) values.push(value);
  else index.set(key, [value]);
}
