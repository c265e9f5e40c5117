import { describe, expect, it } from "vitest";
import { parseGrants } from "../../lib/grants/parse.ts";
import { roleArn } from "../fakes/policy.ts";

const worker = roleArn("worker");

/** The messages about a file with one value changed. YAML reads JSON. */
function messagesFor(path: string, value: unknown): string[] {
  const file: object = {
    serviceAccounts: { calls: { secret: "s", accountId: 1 } },
    grants: [{ principals: [{ arn: worker }], serviceAccounts: ["calls"] }],
    tests: [{ principal: worker, serviceAccount: "calls", expect: "allowed" }],
  };
  const steps = path.split(".");
  const last = steps.pop() ?? "";
  let place = file as Record<string, unknown>;
  for (const step of steps) place = place[step] as Record<string, unknown>;
  place[last] = value;
  const parsed = parseGrants(JSON.stringify(file), "grants.yml");
  return "problems" in parsed ? parsed.problems.map(({ message }) => message) : [];
}

const ttl = "must be a whole number of seconds from 30 to 3600";
const secret =
  "must be the name of a Secrets Manager secret (not its ARN): 1 to 512 of A-Z, a-z, 0-9 and /_+=.@-";
const account = "must be the id of a Voximplant account: a whole number, without quotes";
const child = "must be the id of a child account: a whole number, without quotes";
const keyId = "must be the id of a Voximplant key, as GetKeys shows it";
const uniqueId = "must be the unique id of a role (AROA…) or a user (AIDA…), as `aws iam get-role` shows it";
const organisation = "must be the id of an AWS organisation: o- and 10 to 32 of a-z and 0-9";
const pattern = "must be the name of a method: 1 to 64 letters, digits, _ and the wildcards * and ?";
const method = "must be the name of a method, without wildcards";
const time = "must be a time with its offset, as 2026-12-31T18:00:00+01:00";
const until =
  "must be the grant's last day in UTC, such as 2026-12-31, or a time with its offset, such as 2026-12-31T18:00:00+01:00";

describe("a field of the grants file", () => {
  it.each<[path: string, value: unknown, message: string]>([
    [
      "serviceAccounts",
      [],
      "serviceAccounts must be a mapping from names to service accounts ({} for none), not an empty list",
    ],
    ["serviceAccounts", { calls: 5 }, "calls must be a mapping with at least a `secret`, not the number 5"],
    ["serviceAccounts.calls.secret", "", `secret ${secret}, not the text ""`],
    ["serviceAccounts.calls.secret", "a b", `secret ${secret}, not the text "a b"`],
    ["serviceAccounts.calls.secret", 5, `secret ${secret}, not the number 5`],
    ["serviceAccounts.calls.maxTtlSeconds", 29, `maxTtlSeconds ${ttl}, not the number 29`],
    ["serviceAccounts.calls.maxTtlSeconds", 3601, `maxTtlSeconds ${ttl}, not the number 3601`],
    ["serviceAccounts.calls.maxTtlSeconds", 60.5, `maxTtlSeconds ${ttl}, not the number 60.5`],
    ["serviceAccounts.calls.maxTtlSeconds", true, `maxTtlSeconds ${ttl}, not the boolean true`],
    ["serviceAccounts.calls.accountId", 0, `accountId ${account}, not the number 0`],
    ["serviceAccounts.calls.accountId", "1", `accountId ${account}, not the text "1"`],
    ["serviceAccounts.calls.unmanagedKeys", "x", 'unmanagedKeys must be a list of key ids, not the text "x"'],
    ["serviceAccounts.calls.unmanagedKeys", ["a b"], `unmanagedKeys[0] ${keyId}, not the text "a b"`],
    ["serviceAccounts.calls.unmanagedKeys", [5], `unmanagedKeys[0] ${keyId}, not the number 5`],
    [
      "serviceAccounts.calls.unknownKeys",
      "all",
      'unknownKeys must be "report" or "delete", not the text "all"',
    ],
    ["serviceAccounts.calls.claims", "all", 'claims must be "standard" or "minimal", not the text "all"'],
    ["grants", {}, "grants must be a list of grants ([] for none), not a mapping"],
    ["grants", [5], "grants[0] must be a mapping with `principals` and `serviceAccounts`, not the number 5"],
    ["grants.0.principals", "x", 'principals must be a list of ARNs, not the text "x"'],
    ["grants.0.principals", [], "principals must name at least one role or user, not an empty list"],
    [
      "grants.0.principals",
      [5],
      "principals[0] must be an ARN, or a mapping with `arn` and `uniqueId`, not the number 5",
    ],
    ["grants.0.principals.0.arn", 5, "arn must be the ARN of an IAM role or user, not the number 5"],
    ["grants.0.principals.0.uniqueId", "AIDX", `uniqueId ${uniqueId}, not the text "AIDX"`],
    ["grants.0.principals.0.uniqueId", "xAROAEXAMPLE", `uniqueId ${uniqueId}, not the text "xAROAEXAMPLE"`],
    ["grants.0.principals.0.uniqueId", 5, `uniqueId ${uniqueId}, not the number 5`],
    [
      "grants.0.serviceAccounts",
      "calls",
      'serviceAccounts must be a list of names from the serviceAccounts of this file, not the text "calls"',
    ],
    [
      "grants.0.serviceAccounts",
      [],
      "serviceAccounts must name at least one service account, not an empty list",
    ],
    [
      "grants.0.serviceAccounts",
      [5],
      "serviceAccounts[0] must be the name of a service account (quote a number), not the number 5",
    ],
    ["grants.0.maxTtlSeconds", 3601, `maxTtlSeconds ${ttl}, not the number 3601`],
    ["grants.0.childAccountIds", 5, "childAccountIds must be a list of account ids, not the number 5"],
    ["grants.0.childAccountIds", [0], `childAccountIds[0] ${child}, not the number 0`],
    ["grants.0.childAccountIds", ["1"], `childAccountIds[0] ${child}, not the text "1"`],
    ["grants.0.principalOrgId", "o-", `principalOrgId ${organisation}, not the text "o-"`],
    [
      "grants.0.principalOrgId",
      "xo-a1b2c3d4e5",
      `principalOrgId ${organisation}, not the text "xo-a1b2c3d4e5"`,
    ],
    ["grants.0.principalOrgId", 5, `principalOrgId ${organisation}, not the number 5`],
    ["grants.0.methods", "Get*", 'methods must be a list of methods, not the text "Get*"'],
    [
      "grants.0.methods",
      [],
      "methods must name at least one method (without methods the grant gives tokens), not an empty list",
    ],
    ["grants.0.methods", ["a.b"], `methods[0] ${pattern}, not the text "a.b"`],
    ["grants.0.methods", [5], `methods[0] ${pattern}, not the number 5`],
    ["grants.0.until", "2026-13-01", `until ${until}, not the text "2026-13-01"`],
    ["grants.0.until", 5, `until ${until}, not the number 5`],
    ["tests", {}, "tests must be a list of tests, not a mapping"],
    [
      "tests",
      [5],
      "tests[0] must be a mapping with `principal`, `serviceAccount` and `expect`, not the number 5",
    ],
    ["tests.0.principal", 5, "principal must be the ARN of one IAM role or user, not the number 5"],
    ["tests.0.serviceAccount", 5, "serviceAccount must be the name of a service account, not the number 5"],
    ["tests.0.uniqueId", "AROA", `uniqueId ${uniqueId}, not the text "AROA"`],
    ["tests.0.uniqueId", 5, `uniqueId ${uniqueId}, not the number 5`],
    ["tests.0.principalOrgId", "own", `principalOrgId ${organisation}, not the text "own"`],
    ["tests.0.principalOrgId", 5, `principalOrgId ${organisation}, not the number 5`],
    ["tests.0.ttlSeconds", 29, `ttlSeconds ${ttl}, not the number 29`],
    ["tests.0.accountId", 0, `accountId ${child}, not the number 0`],
    ["tests.0.method", "Get*", `method ${method}, not the text "Get*"`],
    ["tests.0.method", 5, `method ${method}, not the number 5`],
    ["tests.0.at", "2026-12-31", `at ${time}, not the text "2026-12-31"`],
    ["tests.0.at", 5, `at ${time}, not the number 5`],
    ["tests.0.expect", "yes", 'expect must be "allowed" or "denied", not the text "yes"'],
  ])("is refused with what it must be: %s = %j", (path, value, message) => {
    expect(messagesFor(path, value)).toEqual([message]);
  });

  it.each(["Calls", "a_b", "a".repeat(65)])("is refused as the name of a service account: %s", (name) => {
    expect(messagesFor("serviceAccounts", { calls: { secret: "s" }, [name]: { secret: "t" } })).toEqual([
      `the name "${name}" must be 1 to 64 of a-z, 0-9 and -`,
    ]);
  });

  it.each([
    ["serviceAccounts.calls.secret", "a".repeat(512)],
    ["serviceAccounts.calls.secret", "voximplant/${stage}/calls_+=.@-"],
    ["grants.0.maxTtlSeconds", 30],
    ["grants.0.maxTtlSeconds", 3600],
    ["grants.0.methods", ["*", "Get?", "SQ_AddQueue"]],
  ])("is accepted at its limits: %s", (path, value) => {
    expect(messagesFor(path, value)).toEqual([]);
  });

  it("is refused one character over its limit", () => {
    expect(messagesFor("serviceAccounts.calls.secret", "a".repeat(513))).toHaveLength(1);
    expect(messagesFor("grants.0.methods", ["a".repeat(65)])).toHaveLength(1);
  });
});
