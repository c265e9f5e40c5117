import { NOW } from "../fakes/policy.ts";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { Caller } from "../../lib/caller/caller.ts";
import { matchesGlob, matchesPrincipal, splitPrincipalArn } from "../../lib/grants/arn-like.ts";
import { authorize, indexGrants, listEntitlements } from "../../lib/grants/authorize.ts";
import { explain } from "../../lib/grants/explain.ts";
import { grantsJsonSchema } from "../../lib/grants/schema.ts";
import { parseGrants } from "../../lib/grants/parse.ts";
import type { Grant, Policy, AccessRequest } from "../../lib/grants/policy.ts";
import { findRedundantGrants } from "../../lib/grants/suspicions.ts";
import { type Condition, conditions, type Question } from "../../lib/grants/conditions.ts";
import { isFailure } from "../../lib/outcome.ts";
import { runs } from "../fakes/at-length.ts";
import { fits, givesMethod, longestLifetime } from "../security/oracle.ts";
import {
  callers,
  grants,
  policies,
  policiesAndQuestions,
  policiesOfTwins,
  questionsOf,
  requests,
} from "../fakes/policy-arbitraries.ts";

const decide = (policy: Policy, caller: Caller, request: AccessRequest) =>
  authorize(indexGrants(policy), caller, request, NOW);

/** Whether a decision is a token and of what lifetime, or why it is none. */
const outcomeOf = (policy: Policy, { caller, request }: Question) => {
  const decision = decide(policy, caller, request);
  return isFailure(decision) ? decision.reason : decision.ttlSeconds;
};

/** The longest lifetime by the rules of docs/grants.md, or undefined. */
function documentedMaximum(policy: Policy, caller: Caller, request: AccessRequest): number | undefined {
  const serviceAccounts = Object.fromEntries(policy.serviceAccounts.map((one) => [one.name, one]));
  return longestLifetime({ ...policy, serviceAccounts }, caller, request, NOW);
}

/** Without this, a property could hold only because no random grant has the condition. */
describe("the random policies and questions", () => {
  const cases = fc.sample(policiesAndQuestions, { numRuns: 500, seed: 1 });

  it.each(Object.entries<Condition>(conditions))("meet and break the condition %s", (name, condition) => {
    const met = cases.flatMap(([policy, question]) =>
      policy.grants.flatMap((grant) =>
        grant.principals
          .filter((pattern) => name in { ...grant, ...pattern })
          .map((pattern) => condition.unmet({ grant, pattern }, question) === undefined),
      ),
    );
    // `authorize` checks the lifetime later: see the condition maxTtlSeconds.
    expect(new Set(met)).toEqual(new Set(name === "maxTtlSeconds" ? [true] : [true, false]));
  });
});

describe("the decision", () => {
  it("never depends on the order of grants, principals, service accounts or child accounts", () => {
    const shuffled = policies.chain((policy) =>
      fc.tuple(
        fc.constant(policy),
        fc
          .tuple(
            ...policy.grants.map((grant) =>
              fc.record({
                principals: fc.shuffledSubarray([...grant.principals], {
                  minLength: grant.principals.length,
                }),
                serviceAccounts: fc.shuffledSubarray([...grant.serviceAccounts], {
                  minLength: grant.serviceAccounts.length,
                }),
              }),
            ),
          )
          .map((parts) => policy.grants.map((grant, i): Grant => ({ ...grant, ...parts[i] })))
          .chain((reordered) => fc.shuffledSubarray(reordered, { minLength: reordered.length })),
      ),
    );
    fc.assert(
      fc.property(shuffled, callers, requests, ([policy, reordered], caller, request) => {
        const other = { serviceAccounts: policy.serviceAccounts.toReversed(), grants: reordered };
        const [a, b] = [decide(policy, caller, request), decide(other, caller, request)];
        // The detail lists the names of a grant as the file does.
        expect({ ...b, detail: "" }).toEqual({ ...a, detail: "" });
        expect(listEntitlements(indexGrants(other), caller, NOW)).toEqual(
          listEntitlements(indexGrants(policy), caller, NOW),
        );
      }),
    );
  });

  it("never gets worse with one more grant, nor better with one grant less", () => {
    fc.assert(
      fc.property(policies, grants, callers, requests, (policy, added, caller, request) => {
        const more = { ...policy, grants: [...policy.grants, added] };
        const [before, after] = [decide(policy, caller, request), decide(more, caller, request)];
        if (!isFailure(before)) {
          expect(after).not.toHaveProperty("reason");
          expect("ttlSeconds" in after && after.ttlSeconds).toBeGreaterThanOrEqual(before.ttlSeconds);
        }
        if (isFailure(before) && before.reason === "ttl_too_long" && isFailure(after)) {
          expect(after).toMatchObject({ reason: "ttl_too_long" });
        }
      }),
    );
  });

  it("never depends on the session name", () => {
    fc.assert(
      fc.property(policies, callers, requests, fc.string(), (policy, caller, request, sessionName) => {
        expect(decide(policy, { ...caller, sessionName }, request)).toEqual(decide(policy, caller, request));
      }),
    );
  });

  it("allows exactly what the list of entitlements contains", () => {
    fc.assert(
      fc.property(policies, callers, requests, (policy, caller, request) => {
        const entitlement = listEntitlements(indexGrants(policy), caller, NOW).find(
          ({ name }) => name === request.serviceAccount,
        );
        const { serviceAccount } = request;
        const maximum = entitlement?.maxTtlSeconds;
        const shortest = { serviceAccount, ttlSeconds: 30 };
        expect(isFailure(decide(policy, caller, shortest))).toBe(maximum === undefined);
        if (maximum !== undefined) {
          const longest = { serviceAccount, ttlSeconds: maximum };
          expect(decide(policy, caller, longest)).not.toHaveProperty("reason");
          expect(decide(policy, caller, { serviceAccount, ttlSeconds: maximum + 1 })).toHaveProperty(
            "reason",
          );
        }
        if ("method" in request) {
          const called = { serviceAccount, method: request.method };
          const listed = givesMethod(entitlement?.methods ?? [], request.method);
          expect(isFailure(decide(policy, caller, called))).toBe(!listed);
        }
        // The list has one set of child accounts for tokens and calls.
        if (!isFailure(decide(policy, caller, request)) && request.accountId !== undefined) {
          expect(entitlement?.childAccountIds).toContain(request.accountId);
        }
      }),
    );
  });

  it("equals the decision in its explanation", () => {
    fc.assert(
      fc.property(policies, callers, requests, (policy, caller, request) => {
        const explanation = explain(policy, caller, request, NOW);
        expect(explanation.decision).toEqual(decide(policy, caller, request));
        const fitting = explanation.grants.filter(({ unmet }) => unmet.length === 0);
        const maximum = documentedMaximum(policy, caller, request);
        if (request.serviceAccount !== "toString") expect(fitting.length > 0).toBe(maximum !== undefined);
        if (fitting.length > 0) {
          expect(Math.max(...fitting.map(({ maxTtlSeconds }) => maxTtlSeconds))).toBe(maximum);
        }
      }),
    );
  });

  it("is explained by grants that fit if it allows access, and by none if it denies access", () => {
    fc.assert(
      fc.property(policiesAndQuestions, ([policy, { caller, request }]) => {
        const decision = decide(policy, caller, request);
        const { grants: explained } = explain(policy, caller, request, NOW);
        const fitting = explained.filter(({ unmet }) => unmet.length === 0);
        if (!isFailure(decision)) {
          expect(fitting.map(({ source }) => source)).toContain(decision.grant);
        }
        expect(fitting.length > 0).toBe(!isFailure(decision) || decision.reason === "ttl_too_long");
        for (const { unmet } of explained) expect(unmet).not.toContain("");
      }),
      runs(1000),
    );
  });

  it("stays the same without the grants that are reported as redundant", () => {
    fc.assert(
      fc.property(policiesAndQuestions, ([policy, question]) => {
        const redundant = findRedundantGrants(policy.grants, indexGrants(policy));
        const fewer = { ...policy, grants: policy.grants.filter((grant) => !redundant.has(grant)) };
        expect(outcomeOf(fewer, question)).toBe(outcomeOf(policy, question));
      }),
      runs(1000),
    );
  });

  it("stays the same without a grant that is reported as redundant beside an equal one", () => {
    let found = 0;
    fc.assert(
      fc.property(policiesOfTwins, (policy) => {
        const redundant = findRedundantGrants(policy.grants, indexGrants(policy));
        for (const grant of redundant.keys()) {
          found++;
          const fewer = { ...policy, grants: policy.grants.filter((other) => other !== grant) };
          for (const question of questionsOf(grant)) {
            expect(outcomeOf(fewer, question)).toBe(outcomeOf(policy, question));
          }
        }
      }),
      runs(400),
    );
    expect(found).toBeGreaterThan(50);
  });
});

describe("matchesGlob", () => {
  const letters = fc.constantFrom("a", "b", "/", ":", "*", "?");
  const pattern = fc.string({ unit: letters, maxLength: 10 });
  const text = fc.string({ unit: letters, maxLength: 12 });

  it("agrees with a naive implementation", () => {
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        expect(matchesGlob(p, t)).toBe(fits(p, t));
      }),
      runs(5000),
    );
  });

  it("agrees with a naive implementation on a text that fits", () => {
    const fitting = pattern.chain((p) =>
      fc
        .tuple(...Array.from(p, (c) => (c === "*" ? text : c === "?" ? letters : fc.constant(c))))
        .map((parts) => [p, parts.join("")] as const),
    );
    fc.assert(
      fc.property(fitting, ([p, t]) => {
        expect(matchesGlob(p, t)).toBe(true);
      }),
    );
  });

  it("lets an ARN without wildcards match only itself", () => {
    fc.assert(
      fc.property(callers, callers, (one, other) => {
        const itself = splitPrincipalArn(one.principal);
        expect(itself && matchesPrincipal(itself, one)).toBe(true);
        expect(itself && matchesPrincipal(itself, other)).toBe(one.principal === other.principal);
      }),
    );
  });

  it.each([
    ["*".repeat(100), "a".repeat(10_000), true],
    [`${"*a".repeat(100)}b`, "a".repeat(10_000), false],
    [`${"*a".repeat(100)}*`, "a".repeat(10_000), true],
    [`${"a*".repeat(100)}b`, "a".repeat(10_000), false],
    [`${"*?".repeat(100)}b`, "a".repeat(10_000), false],
    [`${"*ab".repeat(100)}c`, "ab".repeat(5000), false],
  ])("returns at once on hostile text (%#)", (p, t, expected) => {
    expect(matchesGlob(p, t)).toBe(expected);
  });
});

describe("parseGrants", () => {
  /** The policy as a file says it: without the lines it came from. */
  const withoutSources = (policy: Policy) =>
    JSON.parse(
      JSON.stringify(policy, (key, value: unknown) => (key === "source" ? undefined : value)),
    ) as Policy;
  const fileOf = (policy: Policy) => {
    const { serviceAccounts, grants } = withoutSources(policy);
    return {
      serviceAccounts: Object.fromEntries(serviceAccounts.map(({ name, ...fields }) => [name, fields])),
      grants: grants.map(({ until, ...grant }) => ({
        ...grant,
        ...(until !== undefined && { until: new Date(until).toISOString() }),
        principals: grant.principals.map((pattern) => (pattern.uniqueId ? pattern : pattern.arn)),
      })),
    };
  };
  const validate = new Ajv({ strict: true, keywords: ["markdownDescription"] }).compile(grantsJsonSchema());

  it("parses every policy back", () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const parsed = parseGrants(stringify(fileOf(policy)), "grants.yml");
        expect("policy" in parsed && withoutSources(parsed.policy)).toEqual(withoutSources(policy));
      }),
    );
  });

  it("never throws, and gives every problem a place", () => {
    const broken = fc
      .tuple(
        policies,
        fc.nat(),
        fc.nat(20),
        fc.oneof(fc.string(), fc.constantFrom("*", "&", "{", "- ", ": ", "\t", "null")),
      )
      .map(([policy, at, length, put]) => {
        const text = stringify(fileOf(policy));
        const start = at % (text.length + 1);
        return text.slice(0, start) + put + text.slice(start + length);
      });
    fc.assert(
      fc.property(fc.oneof(broken, fc.string()), (text) => {
        const parsed = parseGrants(text, "grants.yml");
        const places = "problems" in parsed ? parsed.problems : parsed.warnings;
        if ("problems" in parsed) expect(places.length).toBeGreaterThan(0);
        const lines = text.split(/\r?\n|\r/);
        for (const { line, column, message } of places) {
          expect(message).not.toBe("");
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeGreaterThanOrEqual(1);
        }
      }),
      runs(1000),
    );
  });

  it("accepts no file that grants.schema.json refuses", () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const file = fileOf(policy);
        expect([validate(file), validate.errors]).toEqual([true, null]);
      }),
    );
  });
});
