import { describe, expect, expectTypeOf, it } from "vitest";
import {
  type Condition,
  conditions,
  type ConditionsOf,
  coversGrant,
  isFor,
  unmetConditions,
} from "../../lib/grants/conditions.ts";
import type { Grant, PrincipalPattern } from "../../lib/grants/policy.ts";
import type { GrantsFile } from "../../lib/grants/schema.ts";
import { callerOf, grant, roleArn, NOW } from "../fakes/policy.ts";

/** Checked by the compiler: an @ts-expect-error above a line that compiles is itself an error. */
describe("the table of conditions", () => {
  it("does not compile without an entry for a field of a grant", () => {
    const { childAccountIds, ...incomplete } = conditions;
    expect(childAccountIds).toBeDefined();
    // @ts-expect-error childAccountIds has no entry
    incomplete satisfies ConditionsOf<Grant, PrincipalPattern>;
  });

  it("does not compile without an entry for a field that a grant or its principals gain", () => {
    interface LaterGrant extends Grant {
      readonly weekdays?: string;
    }
    interface LaterPattern extends PrincipalPattern {
      readonly tag?: string;
    }
    // @ts-expect-error weekdays has no entry
    conditions satisfies ConditionsOf<LaterGrant, PrincipalPattern>;
    // @ts-expect-error tag has no entry
    conditions satisfies ConditionsOf<Grant, LaterPattern>;
    conditions satisfies ConditionsOf<Grant, PrincipalPattern>;
  });

  it("does not compile with an unmet that reads another part of the question than it names", () => {
    // @ts-expect-error unmet reads the request
    const ofCaller = { ...conditions.serviceAccounts, reads: "caller" } satisfies Condition;
    // @ts-expect-error unmet reads the caller
    const ofRequest = { ...conditions.principalOrgId, reads: "request" } satisfies Condition;
    expect([ofCaller.reads, ofRequest.reads]).toEqual(["caller", "request"]);
  });

  it("knows every field that a grant may have in the file", () => {
    type FileGrant = GrantsFile["grants"][number];
    expectTypeOf<keyof FileGrant>().toEqualTypeOf<Exclude<keyof Grant, "source">>();
    type FilePattern = Exclude<FileGrant["principals"][number], string>;
    expectTypeOf<keyof FilePattern>().toEqualTypeOf<Exclude<keyof PrincipalPattern, "source">>();
  });
});

const caller = callerOf(roleArn("intern"), { uniqueId: "AROAINTERN", org: "o-own0000000" });
const question = { caller, request: { serviceAccount: "calls", accountId: 7 }, now: NOW };

type Name = keyof typeof conditions;

/** For each condition: a grant that fits the question, with one field that does not. */
const spoilt = {
  arn: [of({ arn: roleArn("extern") }), "caller"],
  uniqueId: [of({ arn: roleArn("intern"), uniqueId: "AROAOTHER" }), "caller"],
  principalOrgId: [of({ arn: roleArn("intern") }, { principalOrgId: "o-other00000" }), "caller"],
  serviceAccounts: [of({ arn: roleArn("intern") }, { serviceAccounts: ["history"] }), "request"],
  childAccountIds: [of({ arn: roleArn("intern") }, { childAccountIds: [8] }), "request"],
  methods: [of({ arn: roleArn("intern") }, { methods: ["*"] }), "request"],
  until: [of({ arn: roleArn("intern") }, { until: NOW + 29_999 }), "now"],
  maxTtlSeconds: [of({ arn: roleArn("intern") }, { maxTtlSeconds: 60 }), "request"],
} satisfies Record<Name, [Grant, Condition["reads"]]>;
const cases = Object.entries<[Grant, Condition["reads"]]>(spoilt).map(([name, [g, reads]]) => ({
  name: name as Name,
  g,
  reads,
}));

function of(principal: Omit<PrincipalPattern, "source">, fields: Partial<Grant> = {}): Grant {
  return grant([principal], ["calls"], { childAccountIds: [7], ...fields });
}

function candidate(g: Grant) {
  const [pattern] = g.principals;
  if (!pattern) throw new Error("a grant has a principal");
  return { grant: g, pattern };
}

describe("a grant with one condition unmet", () => {
  // `authorize` checks the lifetime later: see the condition maxTtlSeconds.
  it.each(cases.filter(({ name }) => name !== "maxTtlSeconds"))(
    "$name: does not fit, for one reason",
    ({ g }) => {
      expect(unmetConditions(candidate(g), question)).toHaveLength(1);
    },
  );

  it.each(cases)("$name: is for the caller only if the condition reads the request", ({ name, g, reads }) => {
    expect(conditions[name].reads).toBe(reads);
    expect(isFor(candidate(g), caller, NOW)).toBe(reads === "request");
  });
});

describe("a grant covers another", () => {
  const plain = of({ arn: roleArn("intern") });
  it("that is the same", () => {
    expect(coversGrant(plain, { ...plain })).toBe(true);
  });

  it.each(cases)("only if $name does", ({ g }) => {
    expect(coversGrant(g, plain)).toBe(false);
  });

  it("only if one of its principals meets all conditions, not two of them half each", () => {
    const halves = grant(
      [{ arn: roleArn("intern"), uniqueId: "AROAOTHER" }, { arn: roleArn("x*") }],
      ["calls"],
      { childAccountIds: [7] },
    );
    expect(coversGrant(halves, plain)).toBe(false);
  });
});

it("a pattern that is not the ARN of a role or user fits nobody", () => {
  expect(unmetConditions(candidate(of({ arn: "*" })), question)).toEqual([
    "is for *, which is neither a role nor a user",
  ]);
});

describe("a condition that is not met says why", () => {
  const at = { caller, now: NOW };
  const tokens = candidate(of({ arn: roleArn("intern") }));
  const calls = candidate(of({ arn: roleArn("intern") }, { methods: ["StartScenarios", "GetCall*"] }));
  const ending = (ms: number) => candidate(of({ arn: roleArn("intern") }, { until: NOW + ms }));

  it.each([
    ["a token", calls, {}, "allows calls of StartScenarios, GetCall* but no token"],
    ["a call", tokens, { method: "StartScenarios" }, "allows tokens but no calls"],
    [
      "a call",
      calls,
      { method: "CreateKey" },
      "allows calls of StartScenarios, GetCall*, but not of CreateKey",
    ],
    ["a token", ending(0), {}, "is over since 2026-11-24T12:00:00Z"],
    ["a token", ending(-1000), {}, "is over since 2026-11-24T11:59:59Z"],
    ["a token", ending(1000), {}, "ends at 2026-11-24T12:00:01Z, in less than 30 s"],
  ])("to %s: %#", (_, given, request, reason) => {
    expect(unmetConditions(given, { ...at, request: { serviceAccount: "calls", ...request } })).toEqual([
      reason,
    ]);
  });

  it.each([
    ["a call by the first pattern", calls, { method: "StartScenarios" }],
    ["a call by the second pattern", calls, { method: "GetCallHistory" }],
    ["a token", tokens, {}],
    ["a token 30 s before the end", ending(30_000), {}],
  ])("and not if it is met: %s", (_, given, request) => {
    expect(unmetConditions(given, { ...at, request: { serviceAccount: "calls", ...request } })).toEqual([]);
  });
});

describe("a grant covers another by its methods and its end", () => {
  const give = (fields: Partial<Grant>) => of({ arn: roleArn("intern") }, fields);

  it.each<[wide: Partial<Grant>, narrow: Partial<Grant>, boolean]>([
    [{ methods: ["Get*"] }, { methods: ["GetCall*", "GetRules"] }, true],
    [{ methods: ["GetCall*", "GetRules"] }, { methods: ["GetRules"] }, true],
    [{ methods: ["Get*"] }, { methods: ["GetRules", "StartScenarios"] }, false],
    [{ methods: ["GetRules"] }, { methods: ["Get*"] }, false],
    [{}, { methods: ["GetRules"] }, false],
    [{ methods: ["*"] }, {}, false],
    [{}, { until: NOW }, true],
    [{ until: NOW }, {}, false],
    [{ until: NOW }, { until: NOW }, true],
    [{ until: NOW + 1 }, { until: NOW }, true],
    [{ until: NOW }, { until: NOW + 1 }, false],
  ])("%j and %j: %s", (wide, narrow, expected) => {
    expect(coversGrant(give(wide), give(narrow))).toBe(expected);
  });
});
