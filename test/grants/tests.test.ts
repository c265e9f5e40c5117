import { describe, expect, it } from "vitest";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";
import { describeFailure, hasPassed, runTests, untestedGrants } from "../../lib/grants/tests.ts";
import { callerOf, grant, NOW, policy, roleArn } from "../fakes/policy.ts";

const file = (tests: string) => `serviceAccounts:
  calls: { secret: s, accountId: 1, maxTtlSeconds: 900 }
grants:
  - principals:
      - { arn: "arn:aws:iam::111122223333:role/pinned", uniqueId: AROAPINNED }
      - arn:aws:iam::111122223333:role/worker
    serviceAccounts: [calls]
    childAccountIds: [7]
    until: 2026-12-31
  - principals: [arn:aws:iam::111122223333:role/dialer]
    serviceAccounts: [calls]
    methods: [StartScenarios]
tests:
${tests}
`;
const ask = (name: string, rest: string) =>
  `  - { principal: "arn:aws:iam::111122223333:role/${name}", serviceAccount: calls, ${rest} }`;

function resultsOf(...tests: string[]) {
  const parsed = parseGrants(file(tests.join("\n")), "grants.yml");
  if (!("policy" in parsed)) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return { ...parsed, results: runTests(parsed.policy, parsed.tests, NOW) };
}

describe("a test of the grants file", () => {
  it.each([
    ["worker", "expect: allowed"],
    ["worker", "ttlSeconds: 900, expect: allowed"],
    ["worker", "ttlSeconds: 901, expect: denied"],
    ["worker", "accountId: 7, expect: allowed"],
    ["worker", "accountId: 8, expect: denied"],
    ["worker", "method: StartScenarios, expect: denied"],
    ["worker", 'at: "2027-01-01T00:00:00Z", expect: denied'],
    ["worker", 'at: "2026-12-31T23:00:00Z", expect: allowed'],
    ["path/worker", "expect: allowed"],
    ["pinned", "expect: denied"],
    ["pinned", "uniqueId: AROAPINNED, expect: allowed"],
    ["dialer", "expect: denied"],
    ["dialer", "method: StartScenarios, expect: allowed"],
    ["dialer", "method: startscenarios, expect: denied"],
  ])("asks as %s: %s", (name, rest) => {
    const { results } = resultsOf(ask(name, rest));
    expect(results.map(hasPassed)).toEqual([true]);
  });

  it("that fails says what was expected, what is, and which grants decide it", () => {
    const { results, policy } = resultsOf(
      ask("worker", "expect: denied"),
      ask("intern", "expect: allowed"),
      ask("dialer", "method: StartScenarios, expect: denied"),
    );
    expect(results.map(hasPassed)).toEqual([false, false, false]);
    expect(results.map((result) => describeFailure(result, policy, NOW))).toEqual([
      [
        "expected denied, is allowed: 300 s, by grants.yml:4",
        "These grants fit:",
        "  grants.yml:4, at most 900 s",
        "    arn:aws:iam::111122223333:role/worker (line 6)",
      ],
      [
        "expected allowed, is denied: no grant names arn:aws:iam::111122223333:role/intern",
        "No grant fits. The nearest:",
        "  grants.yml:4, at most 900 s",
        "    arn:aws:iam::111122223333:role/worker (line 6)",
        "    - is for the role worker, the caller is intern",
        "  grants.yml:10, at most 900 s",
        "    arn:aws:iam::111122223333:role/dialer",
        "    - is for the role dialer, the caller is intern",
        "    - allows calls of StartScenarios but no token",
      ],
      [
        "expected denied, is allowed: a call, by grants.yml:10",
        "These grants fit:",
        "  grants.yml:10, at most 900 s",
        "    arn:aws:iam::111122223333:role/dialer",
      ],
    ]);
    expect(results.map(({ test }) => test.line)).toEqual([14, 15, 16]);
  });

  it("that fails lists three of the grants that fit, first the one that decides", () => {
    const grants = [60, 90, 300, 120, 240].map((maxTtlSeconds) =>
      grant([roleArn("worker*")], ["calls"], { maxTtlSeconds }),
    );
    const many = policy(...grants);
    const failing = { caller: callerOf(roleArn("worker")), request: { serviceAccount: "calls" } };
    const [result] = runTests(many, [{ ...failing, expect: "denied", line: 1, column: 1 }], NOW);
    const sources = [grants[2], grants[4], grants[3]].map((one) => one?.source ?? "");
    expect(result && describeFailure(result, many, NOW)).toEqual([
      `expected denied, is allowed: 300 s, by ${sources[0] ?? ""}`,
      "These grants fit:",
      `  ${sources[0] ?? ""}, at most 300 s`,
      `    ${roleArn("worker*")}`,
      `  ${sources[1] ?? ""}, at most 240 s`,
      `    ${roleArn("worker*")}`,
      `  ${sources[2] ?? ""}, at most 120 s`,
      `    ${roleArn("worker*")}`,
      "  and 2 more",
    ]);
  });

  it("that fails explains the moment that it asks for", () => {
    const { results, policy } = resultsOf(ask("worker", 'at: "2027-01-01T00:00:00Z", expect: allowed'));
    const lines = results.flatMap((result) => describeFailure(result, policy, NOW));
    expect(lines).toContainEqual(expect.stringMatching(/^ +- is over since 2027-01-01T00:00:00Z$/));
  });

  it("that fails in a file without grants says that none names the caller", () => {
    const text = file(ask("worker", "expect: allowed")).replace(/^grants:[^]*?(?=^tests:)/m, "grants: []\n");
    const parsed = parseGrants(text, "grants.yml");
    if (!("policy" in parsed)) throw new Error("not a grants file");
    const [result] = runTests(parsed.policy, parsed.tests, NOW);
    expect(result && describeFailure(result, parsed.policy, NOW)).toEqual([
      "expected allowed, is denied: no grant names arn:aws:iam::111122223333:role/worker",
    ]);
  });

  it.each([
    [ask("work*", "expect: denied"), "a test asks for one role or user: write its name out"],
    [
      '  - { principal: "arn:aws:iam::111122223333:root", serviceAccount: calls, expect: denied }',
      "an account is refused",
    ],
    [
      ask("worker", "expect: denied").replace("calls", "cals"),
      'there is no service account "cals" in this file (did you mean "calls"?)',
    ],
    [ask("worker", "expect: refused"), 'must be "allowed" or "denied"'],
    [ask("worker", "at: 2026-12-31, expect: denied"), "must be a time with its offset"],
    [ask("worker", "method: Get*, expect: denied"), "without wildcards"],
    [ask("worker", "method: GetRules, ttlSeconds: 60, expect: denied"), "a call of a method has no lifetime"],
    [ask("worker", "sessionName: x, expect: denied"), 'unknown field "sessionName"'],
    [ask("worker", "ttlSeconds: 60"), "lacks expect"],
  ])("is refused where it would prove nothing: %s", (test, message) => {
    const parsed = parseGrants(file(test), "grants.yml");
    const problems = "problems" in parsed ? parsed.problems.map(formatProblem) : [];
    expect(problems).toEqual([expect.stringMatching(/^grants\.yml:14:\d+: /)]);
    expect(problems[0]).toContain(message);
  });
});

describe("a grant without a test", () => {
  const untested = (...tests: string[]) => {
    const { policy, tests: parsed } = resultsOf(...tests);
    return untestedGrants(policy, parsed, NOW).map(({ source }) => source);
  };

  it("is one whose loss no passing test would notice", () => {
    expect(untested(ask("worker", "accountId: 8, expect: denied"))).toEqual([
      "grants.yml:4",
      "grants.yml:10",
    ]);
    expect(untested(ask("worker", "expect: allowed"))).toEqual(["grants.yml:10"]);
    expect(
      untested(ask("worker", "expect: allowed"), ask("dialer", "method: StartScenarios, expect: allowed")),
    ).toEqual([]);
  });

  it("is not held by a refusal, nor by a test that fails", () => {
    expect(
      untested(ask("worker", "accountId: 8, expect: denied"), ask("intern", "expect: allowed")),
    ).toHaveLength(2);
  });
});
