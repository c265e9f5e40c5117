import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorize, indexGrants } from "../../lib/grants/authorize.ts";
import { type Candidate, type Question, unmetConditions } from "../../lib/grants/conditions.ts";
import { type Difference, diffPolicies } from "../../lib/grants/diff.ts";
import type { Grant, Policy } from "../../lib/grants/policy.ts";
import { isFailure } from "../../lib/outcome.ts";
import { AT_LENGTH, runs } from "../fakes/at-length.ts";
import {
  callers,
  grantFields,
  grants,
  policies,
  questionsOf,
  requests,
} from "../fakes/policy-arbitraries.ts";
import { grant, NOW } from "../fakes/policy.ts";

/** Under a policy, what becomes of a request, so that more is better, and what the token is of. */
function outcomesOf(policy: Policy) {
  const index = indexGrants(policy);
  return ({ caller, request, now }: Question) => {
    const decision = authorize(index, caller, request, now);
    if (isFailure(decision)) {
      return { worth: decision.reason === "ttl_too_long" ? decision.maxTtlSeconds : 0, of: "nothing" };
    }
    const { secret, claims, accountId } = decision.serviceAccount;
    return { worth: 10_000 + decision.ttlSeconds, of: JSON.stringify([secret, claims, accountId]) };
  };
}

/** Finds the changes for the caller of a question and its service account. */
function indexChanges(differences: readonly Difference[]) {
  const entries = differences.map(({ serviceAccount, principal, changes }) => {
    // Each condition about the caller is a field of the grant or of its principal. If one were left
    // out here, a change for other callers would count as a change for this one.
    const named = grant([], [serviceAccount]);
    const rule = { grant: { ...named, ...principal }, pattern: { source: named.source, ...principal } };
    return { changes, rule: rule as Candidate };
  });
  return (question: Question) => {
    const about = { ...question, request: { serviceAccount: question.request.serviceAccount } };
    return entries.flatMap(({ rule, changes }) => (unmetConditions(rule, about).length === 0 ? changes : []));
  };
}

const withMinimalClaims = (policy: Policy): Policy => ({
  ...policy,
  serviceAccounts: policy.serviceAccounts.map((account) => ({ ...account, claims: "minimal" })),
});

/**
 * The policy, with some grants removed, added or changed in one field, and with other service
 * accounts or without.
 */
const edited = (policy: Policy): fc.Arbitrary<Policy> =>
  fc
    .tuple(
      fc.tuple(
        ...policy.grants.map((grant) =>
          fc.oneof(
            { weight: 3, arbitrary: fc.constant([grant]) },
            fc.constant([]),
            fc.tuple(grants, fc.constantFrom(...grantFields)).map(([other, field]) => [
              // An undefined field of the other grant leaves this one without it, as a file
              // would.
              JSON.parse(JSON.stringify({ ...grant, [field]: other[field] })) as Grant,
            ]),
          ),
        ),
      ),
      fc.array(grants, { maxLength: 2 }),
      fc.oneof(
        { weight: 2, arbitrary: fc.constant(policy) },
        policies,
        fc.constant(withMinimalClaims(policy)),
      ),
    )
    .map(([kept, added, { serviceAccounts }]) => ({ serviceAccounts, grants: [...kept.flat(), ...added] }));

const pairs = policies.chain((before) =>
  fc.oneof(policies, { weight: 3, arbitrary: edited(before) }).map((after) => [before, after] as const),
);

const moments = [0, 1, 370_999, 371_000, 100_000_000].map((later) => NOW + later);

/** Requests of anybody, and those that a grant of either policy answers. */
const pairsAndQuestions = pairs.chain(([before, after]) => {
  const anybody = fc.record({ caller: callers, request: requests, now: fc.constantFrom(...moments) });
  const all = [...before.grants, ...after.grants].flatMap(questionsOf);
  const fitting =
    all.length === 0
      ? anybody
      : fc
          .tuple(fc.constantFrom(...all), fc.constantFrom(...moments))
          .map(([question, now]) => ({ ...question, now }));
  return fc.tuple(
    fc.constant([before, after] as const),
    fc.array(fc.oneof(anybody, { weight: 3, arbitrary: fitting }), { minLength: 20, maxLength: 20 }),
  );
});

describe("a diff of two policies", () => {
  it("names everybody whose request is decided differently, as a gain or as a loss", () => {
    const numRuns = AT_LENGTH ? 2000 : 200;
    const seen = { gains: 0, losses: 0, others: 0, same: 0 };
    fc.assert(
      fc.property(pairsAndQuestions, ([[before, after], questions]) => {
        const { differences, serviceAccounts } = diffPolicies(before, after, NOW);
        const changesFor = indexChanges(differences);
        const [outcomeBefore, outcomeAfter] = [outcomesOf(before), outcomesOf(after)];
        for (const question of questions) {
          const [was, is] = [outcomeBefore(question), outcomeAfter(question)];
          if (was.worth < is.worth) {
            seen.gains++;
            expect(changesFor(question)).toContainEqual(expect.objectContaining({ gain: true }));
          } else if (was.worth > is.worth) {
            seen.losses++;
            expect(changesFor(question)).toContainEqual(expect.objectContaining({ gain: false }));
          } else if (was.of !== is.of) {
            seen.others++;
            expect(serviceAccounts.map(({ name }) => name)).toContain(question.request.serviceAccount);
          } else {
            seen.same++;
          }
        }
      }),
      { numRuns },
    );
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(numRuns / 10);
  });

  it("names nothing where the same stands in another order", () => {
    const reordered = policies.chain((policy) =>
      fc.tuple(
        fc.constant(policy),
        fc.shuffledSubarray([...policy.grants], { minLength: policy.grants.length }).map((shuffled) => ({
          serviceAccounts: policy.serviceAccounts.toReversed(),
          grants: shuffled.map((grant) => ({
            ...grant,
            source: "elsewhere",
            principals: grant.principals.toReversed(),
            serviceAccounts: grant.serviceAccounts.toReversed(),
            childAccountIds: grant.childAccountIds.toReversed(),
            ...(grant.methods && { methods: grant.methods.toReversed() }),
          })),
        })),
      ),
    );
    fc.assert(
      fc.property(reordered, ([policy, other]) => {
        expect(diffPolicies(policy, other, NOW)).toEqual({ differences: [], serviceAccounts: [] });
      }),
      runs(500),
    );
  });

  it("has a change in each entry, and mirrors it if the policies are swapped", () => {
    fc.assert(
      fc.property(pairs, ([before, after]) => {
        const { differences } = diffPolicies(before, after, NOW);
        for (const { changes } of differences) expect(changes.length).toBeGreaterThan(0);
        const directions = (entries: readonly Difference[], reversed: boolean) =>
          entries.map(({ serviceAccount, principal, changes }) => [
            serviceAccount,
            principal,
            new Set(changes.map(({ gain }) => gain !== reversed)),
          ]);
        expect(directions(diffPolicies(after, before, NOW).differences, true)).toEqual(
          directions(differences, false),
        );
      }),
      runs(500),
    );
  });

  it("names nothing that a caller written out in full has before and after alike", () => {
    // Where no pattern has a wildcard, no pin and no organisation, the diff is exact.
    const plain = policies.map((policy) => ({
      ...policy,
      grants: policy.grants.map(({ principalOrgId, ...rest }) => ({
        ...rest,
        principals: rest.principals.map(({ source }, i) => ({
          source,
          arn: `arn:aws:iam::111122223333:role/${"abc"[(i + (principalOrgId?.length ?? 0)) % 3] ?? "a"}`,
        })),
      })),
    }));
    let named = 0;
    fc.assert(
      fc.property(plain, plain, (before, after) => {
        const [outcomeBefore, outcomeAfter] = [outcomesOf(before), outcomesOf(after)];
        for (const { serviceAccount, principal } of diffPolicies(before, after, NOW).differences) {
          named++;
          const questions = [...before.grants, ...after.grants]
            .flatMap(questionsOf)
            .filter(({ caller, request }) => {
              return caller.principal === principal.arn && request.serviceAccount === serviceAccount;
            })
            .flatMap(({ caller, request }) => {
              // The longest lifetime shows the maximum. `Startx`, `Getx` and `x` are what `Start?`,
              // `Get*` and `*` match beyond the methods that are named.
              const { serviceAccount, accountId } = request;
              const child = accountId === undefined ? {} : { accountId };
              const more = [
                request,
                { serviceAccount, ...child, ttlSeconds: 3600 },
                ...["Startx", "Getx", "x"].map((method) => ({ serviceAccount, ...child, method })),
              ];
              return more.flatMap((asked) => moments.map((now) => ({ caller, request: asked, now })));
            });
          const differs = questions.some((question) => {
            return outcomeBefore(question).worth !== outcomeAfter(question).worth;
          });
          expect(differs).toBe(true);
        }
      }),
      runs(200),
    );
    expect(named).toBeGreaterThan(50);
  });
});
