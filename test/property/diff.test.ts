import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorize, indexGrants } from "../../lib/grants/authorize.ts";
import { matchesPrincipal, splitPrincipalArn } from "../../lib/grants/arn-like.ts";
import type { Question } from "../../lib/grants/conditions.ts";
import { type Difference, diffPolicies } from "../../lib/grants/diff.ts";
import { methodOf, type Policy } from "../../lib/grants/policy.ts";
import { runs } from "../fakes/at-length.ts";
import { NOW } from "../fakes/policy.ts";
import { callers, grants, policies, questionsOf, requests } from "../fakes/policy-arbitraries.ts";

/** What a decision gives: the lifetime, or the maximum of a refusal; 0 for no access. */
function given(policy: Policy, { caller, request, now }: Question): number {
  const decision = authorize(indexGrants(policy), caller, request, now);
  if (!("reason" in decision)) return decision.ttlSeconds;
  return decision.reason === "ttl_too_long" ? -decision.maxTtlSeconds : 0;
}

function isAbout(
  { caller, request }: Question,
  { pattern, principalOrgId, serviceAccount }: Difference,
): boolean {
  const parts = pattern && splitPrincipalArn(pattern.arn);
  return (
    serviceAccount === request.serviceAccount &&
    parts !== undefined &&
    matchesPrincipal(parts, caller) &&
    (pattern?.uniqueId ?? caller.uniqueId) === caller.uniqueId &&
    (principalOrgId ?? caller.organizationId) === caller.organizationId
  );
}

const isAllowed = (result: number) => result > 0;

/** Two policies that share most of their grants, and a question of anybody or of one of the grants. */
const changes = fc
  .record({ policy: policies, added: fc.array(grants, { maxLength: 3 }), removed: fc.nat(), other: policies })
  .map(({ policy, added, removed, other }): [Policy, Policy] => [
    policy,
    {
      serviceAccounts: removed % 2 === 0 ? policy.serviceAccounts : other.serviceAccounts,
      grants: [...policy.grants.filter((_, i) => i !== removed % (policy.grants.length + 1)), ...added],
    },
  ]);
const moments = fc.constantFrom(NOW - 1, NOW, NOW + 1_000, NOW + 400_000, NOW + 86_400_000);
const cases = changes.chain(([before, after]) => {
  const anybody = fc.record({ caller: callers, request: requests, now: moments });
  const all = [...before.grants, ...after.grants];
  const fitting =
    all.length === 0
      ? anybody
      : fc
          .tuple(fc.constantFrom(...all).map(questionsOf), fc.nat(), moments)
          .chain(([questions, at, now]) => {
            const question = questions[at % questions.length];
            return question ? fc.constant({ ...question, now }) : anybody;
          });
  return fc.tuple(
    fc.constant(before),
    fc.constant(after),
    fc.oneof(anybody, { weight: 3, arbitrary: fitting }),
  );
});

describe("the difference between two policies", () => {
  it("names every request whose decision differs, on the side of its gain or loss", () => {
    let differing = 0;
    fc.assert(
      fc.property(cases, ([before, after, question]) => {
        const [old, recent] = [given(before, question), given(after, question)];
        if (old === recent) return;
        differing += 1;
        const named = diffPolicies(before, after).filter((difference) => isAbout(question, difference));
        expect(named.length).toBeGreaterThan(0);
        if (!isAllowed(old) && isAllowed(recent)) expect(named.some(({ isGain }) => isGain)).toBe(true);
        if (isAllowed(old) && !isAllowed(recent)) expect(named.some(({ isGain }) => !isGain)).toBe(true);
        expect(methodOf(question.request) === undefined || Math.abs(recent) <= 60).toBe(true);
      }),
      runs(5_000),
    );
    expect(differing).toBeGreaterThan(50);
  });

  it("is empty for equal files in any order", () => {
    const shuffled = policies.chain((policy) =>
      fc.tuple(
        fc.constant(policy),
        fc.record({
          serviceAccounts: fc.constant(policy.serviceAccounts.toReversed()),
          grants: fc.shuffledSubarray([...policy.grants], { minLength: policy.grants.length }),
        }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([policy, reordered]) => {
        expect(diffPolicies(policy, reordered)).toEqual([]);
      }),
      runs(1_000),
    );
  });

  it("swaps gains and losses with the files", () => {
    fc.assert(
      fc.property(changes, ([before, after]) => {
        const count = (differences: Difference[], gain: boolean) =>
          differences.filter(({ isGain, pattern }) => pattern !== undefined && isGain === gain).length;
        const [there, back] = [diffPolicies(before, after), diffPolicies(after, before)];
        expect(count(there, true)).toBe(count(back, false));
        expect(count(there, false)).toBe(count(back, true));
      }),
      runs(1_000),
    );
  });
});
