import type { Caller } from "../caller/caller.ts";
import { hasWildcard } from "./arn-like.ts";
import { type Candidate, isFor, maxTtlOf, unmetConditions, wantedTtl } from "./conditions.ts";
import { candidatesFor, type GrantIndex } from "./grant-index.ts";
import type { Allowance, Denial, Entitlement, TokenRequest } from "./policy.ts";

export { indexGrants, type GrantIndex } from "./grant-index.ts";

/**
 * Decides whether a caller may have a token of a service account, and for how long. Deny by
 * default. Of several grants the most generous that fits the request decides, whatever their order
 * in the file.
 */
export function authorize(index: GrantIndex, caller: Caller, request: TokenRequest): Allowance | Denial {
  const serviceAccount = index.serviceAccounts.get(request.serviceAccount);
  if (!serviceAccount) {
    return denied(`there is no service account ${JSON.stringify(request.serviceAccount)}`);
  }

  const candidates = candidatesFor(index, caller);
  if (candidates.length === 0) return denied(`no grant names ${caller.principal}`);

  const fitting = candidates.filter(
    (candidate) => unmetConditions(candidate, { caller, request }).length === 0,
  );
  const best = fitting.sort(
    (a, b) => maxTtlOf(b, serviceAccount) - maxTtlOf(a, serviceAccount) || rank(a, b),
  )[0];
  if (!best) return denied(whyNoneFits(candidates, caller, request));

  const maxTtlSeconds = maxTtlOf(best, serviceAccount);
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
  };
}

/** All that a caller may have, by name: what `GET /v1/service-accounts` answers. */
export function listEntitlements(index: GrantIndex, caller: Caller): Entitlement[] {
  const entitlements = new Map<string, Entitlement>();
  for (const candidate of candidatesFor(index, caller)) {
    if (!isFor(candidate, caller)) continue;
    for (const name of candidate.grant.serviceAccounts) {
      const serviceAccount = index.serviceAccounts.get(name);
      if (!serviceAccount) continue;
      const known = entitlements.get(name);
      const ids = new Set([...(known?.childAccountIds ?? []), ...candidate.grant.childAccountIds]);
      entitlements.set(name, {
        name,
        maxTtlSeconds: Math.max(known?.maxTtlSeconds ?? 0, maxTtlOf(candidate, serviceAccount)),
        childAccountIds: [...ids].sort((a, b) => a - b),
      });
    }
  }
  return [...entitlements.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Between equally generous grants, for the audit record: the exact principal, then the one further
 * up in the file.
 */
function rank(a: Candidate, b: Candidate): number {
  return (
    Number(hasWildcard(a.pattern.arn)) - Number(hasWildcard(b.pattern.arn)) ||
    // Of `grants.yml:9` and `grants.yml:14` the shorter is the smaller line.
    a.pattern.source.length - b.pattern.source.length ||
    compare(a.pattern.source, b.pattern.source) ||
    compare(a.pattern.arn, b.pattern.arn)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

const REASONS_LISTED = 3;

function whyNoneFits(candidates: readonly Candidate[], caller: Caller, request: TokenRequest): string {
  const reasons = candidates
    .map((candidate) => ({ candidate, unmet: unmetConditions(candidate, { caller, request }) }))
    .sort((a, b) => a.unmet.length - b.unmet.length || rank(a.candidate, b.candidate))
    .slice(0, REASONS_LISTED)
    .map(({ candidate, unmet }) => `${candidate.grant.source} ${unmet.join(" and ")}`);
  const more = candidates.length - reasons.length;
  return `${caller.principal} matches, but ${reasons.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

function denied(detail: string): Denial {
  return { reason: "access_denied", detail };
}
