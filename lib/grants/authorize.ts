import type { Caller } from "../caller/caller.ts";
import type { EpochMs } from "../epoch.ts";
import { hasWildcard, matchesPrincipal, splitPrincipalArn, type PrincipalArn } from "./arn-like.ts";
import { type Candidate, isFor, maxTtlOf, type Question, unmetConditions, wantedTtl } from "./conditions.ts";
import { groupBy } from "./group-by.ts";
import type { AccessRequest, Allowance, Denial, Entitlement, Policy, ServiceAccount } from "./policy.ts";

/** A policy prepared for decisions: made once, when the function starts. */
export interface GrantIndex {
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>;
  /**
   * By the principal's ARN. This field and `serviceAccounts` are Maps. An object would always find
   * something for `constructor`, which is a legal name of a service account.
   */
  readonly exact: ReadonlyMap<string, readonly Candidate[]>;
  /** Every one is compared with every caller. */
  readonly wildcards: readonly (Candidate & { readonly parts: PrincipalArn })[];
}

export function indexGrants(policy: Policy): GrantIndex {
  const candidates = policy.grants.flatMap((grant) =>
    grant.principals.map((pattern): Candidate => ({ grant, pattern })),
  );
  return {
    serviceAccounts: new Map(policy.serviceAccounts.map((account) => [account.name, account])),
    exact: groupBy(
      candidates.filter(({ pattern }) => !hasWildcard(pattern.arn)),
      ({ pattern }) => pattern.arn,
    ),
    wildcards: candidates
      .filter(({ pattern }) => hasWildcard(pattern.arn))
      .map(({ grant, pattern }) => {
        const parts = splitPrincipalArn(pattern.arn);
        if (!parts) throw new Error(`${pattern.source}: ${pattern.arn} is not the ARN of a role or user`);
        return { grant, pattern, parts };
      }),
  };
}

/** The principals, in all grants, that match the caller's ARN. Ignores the other conditions. */
export function candidatesFor(index: GrantIndex, caller: Caller): Candidate[] {
  return [
    ...(index.exact.get(caller.principal) ?? []),
    ...index.wildcards.filter(({ parts }) => matchesPrincipal(parts, caller)),
  ];
}

/**
 * Decides whether a caller may get a token of a service account, and for how long, or whether the
 * vendor may call a method for the caller. Denies by default. If several grants fit the request,
 * the most generous decides; their order in the file does not matter.
 */
export function authorize(
  index: GrantIndex,
  caller: Caller,
  request: AccessRequest,
  now: EpochMs,
): Allowance | Denial {
  const serviceAccount = index.serviceAccounts.get(request.serviceAccount);
  if (!serviceAccount) {
    return denied(`there is no service account ${JSON.stringify(request.serviceAccount)}`);
  }

  const candidates = candidatesFor(index, caller);
  if (candidates.length === 0) return denied(`no grant names ${caller.principal}`);

  const fitting = candidates.filter(
    (candidate) => unmetConditions(candidate, { caller, request, now }).length === 0,
  );
  const best = fitting.sort(
    (a, b) => maxTtlOf(b, serviceAccount, now) - maxTtlOf(a, serviceAccount, now) || rank(a, b),
  )[0];
  if (!best) return denied(whyNoneFits(candidates, { caller, request, now }));

  const maxTtlSeconds = maxTtlOf(best, serviceAccount, now);
  const ttlSeconds = wantedTtl(request, maxTtlSeconds);
  if (!(ttlSeconds <= maxTtlSeconds)) {
    const detail = `${ttlSeconds} s asked, ${best.grant.source} gives at most ${maxTtlSeconds} s`;
    return { reason: "ttl_too_long", maxTtlSeconds, detail };
  }
  return {
    serviceAccount,
    ttlSeconds,
    ...(request.accountId === undefined ? {} : { accountId: request.accountId }),
    grant: best.grant.source,
    pattern: best.pattern.arn,
    ...(best.grant.until === undefined ? {} : { until: best.grant.until }),
  };
}

/** Everything that a caller may have, sorted by name. `GET /v1/service-accounts` returns it. */
export function listEntitlements(index: GrantIndex, caller: Caller, now: EpochMs): Entitlement[] {
  const entitlements = new Map<string, Entitlement>();
  for (const candidate of candidatesFor(index, caller)) {
    if (!isFor(candidate, caller, now)) continue;
    for (const name of candidate.grant.serviceAccounts) {
      const serviceAccount = index.serviceAccounts.get(name);
      if (!serviceAccount) continue;
      const known = entitlements.get(name);
      const { methods, childAccountIds } = candidate.grant;
      const maxTtlSeconds = methods ? 0 : maxTtlOf(candidate, serviceAccount, now);
      const longest = Math.max(known?.maxTtlSeconds ?? 0, maxTtlSeconds);
      entitlements.set(name, {
        name,
        ...(longest > 0 && { maxTtlSeconds: longest }),
        childAccountIds: union(known?.childAccountIds, childAccountIds).sort((a, b) => a - b),
        methods: union(known?.methods, methods).sort(),
      });
    }
  }
  return [...entitlements.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function union<Item>(known: readonly Item[] = [], more: readonly Item[] = []): Item[] {
  return [...new Set([...known, ...more])];
}

/**
 * Orders equally generous grants, so that the audit record always names the same one: an exact
 * principal comes first, then the earlier line of the file.
 */
function rank(a: Candidate, b: Candidate): number {
  return (
    Number(hasWildcard(a.pattern.arn)) - Number(hasWildcard(b.pattern.arn)) ||
    // The shorter text has the smaller line number: `grants.yml:9` comes before `grants.yml:14`.
    a.pattern.source.length - b.pattern.source.length ||
    compare(a.pattern.source, b.pattern.source) ||
    compare(a.pattern.arn, b.pattern.arn)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

const REASONS_LISTED = 3;

function whyNoneFits(candidates: readonly Candidate[], question: Question): string {
  const reasons = candidates
    .map((candidate) => ({ candidate, unmet: unmetConditions(candidate, question) }))
    .sort((a, b) => a.unmet.length - b.unmet.length || rank(a.candidate, b.candidate))
    .slice(0, REASONS_LISTED)
    .map(({ candidate, unmet }) => `${candidate.grant.source} ${unmet.join(" and ")}`);
  const more = candidates.length - reasons.length;
  return `${question.caller.principal} matches, but ${reasons.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

function denied(detail: string): Denial {
  return { reason: "access_denied", detail };
}
