import { describe, expect, it } from "vitest";
import { type Difference, diffPolicies } from "../../lib/grants/diff.ts";
import type { Grant, Policy } from "../../lib/grants/policy.ts";
import { grant, NOW, roleArn, serviceAccount } from "../fakes/policy.ts";

const accounts = [serviceAccount("calls", { maxTtlSeconds: 900 }), serviceAccount("history")];
const policyOf = (...grants: Grant[]): Policy => ({ serviceAccounts: accounts, grants });
const worker = (fields: Partial<Grant> = {}, who = roleArn("worker")) => grant([who], ["calls"], fields);

const short = ({ change, isGain, pattern, serviceAccount: name, detail }: Difference) =>
  `${isGain ? "+" : "-"} ${change} ${pattern?.arn.split("/").at(-1) ?? "*"} ${name}: ${detail}`;
const diff = (before: Policy, after: Policy) => diffPolicies(before, after).map(short);

describe("the difference between two policies", () => {
  it.each<[string, Grant[], Grant[], string[]]>([
    ["nothing", [worker()], [worker()], []],
    ["a new principal", [], [worker()], ["+ gained worker calls: tokens of up to 900 s"]],
    ["a principal less", [worker()], [], ["- lost worker calls: tokens of up to 900 s"]],
    [
      "a longer lifetime",
      [worker({ maxTtlSeconds: 60 })],
      [worker({ maxTtlSeconds: 300 })],
      ["+ longer worker calls: 60 s → 300 s"],
    ],
    [
      "a shorter lifetime",
      [worker({ maxTtlSeconds: 300 })],
      [worker({ maxTtlSeconds: 60 })],
      ["- shorter worker calls: 300 s → 60 s"],
    ],
    [
      "a lifetime above the service account's",
      [worker({ maxTtlSeconds: 900 })],
      [worker({ maxTtlSeconds: 3600 })],
      [],
    ],
    [
      "no end any more",
      [worker({ until: NOW })],
      [worker()],
      ["+ later worker calls: 2026-11-24T12:00:00Z → no end"],
    ],
    [
      "an end",
      [worker()],
      [worker({ until: NOW })],
      ["- sooner worker calls: no end → 2026-11-24T12:00:00Z"],
    ],
    [
      "another child account",
      [worker({ childAccountIds: [7] })],
      [worker({ childAccountIds: [7, 8] })],
      ["+ more child accounts worker calls: 8"],
    ],
    [
      "a child account less",
      [worker({ childAccountIds: [7, 8] })],
      [worker({ childAccountIds: [8] })],
      ["- fewer child accounts worker calls: 7"],
    ],
    [
      "another method",
      [worker({ methods: ["GetRules"] })],
      [worker({ methods: ["GetRules", "CreateKey"] })],
      ["+ more methods worker calls: CreateKey"],
    ],
    [
      "a narrower method",
      [worker({ methods: ["Get*"] })],
      [worker({ methods: ["GetRules"] })],
      ["- fewer methods worker calls: Get*"],
    ],
    [
      "methods instead of tokens",
      [worker()],
      [worker({ methods: ["GetRules"] })],
      ["+ gained worker calls: calls of GetRules", "- lost worker calls: tokens of up to 900 s"],
    ],
    [
      "a narrower pattern",
      [worker({}, roleArn("work*"))],
      [worker()],
      ["- lost work* calls: tokens of up to 900 s"],
    ],
    [
      "a wider pattern",
      [worker()],
      [worker({}, roleArn("work*"))],
      ["+ gained work* calls: tokens of up to 900 s"],
    ],
    [
      "a pattern that another one covers",
      [worker({}, roleArn("*"))],
      [worker({}, roleArn("*")), worker()],
      [],
    ],
    [
      "one grant in two",
      [grant([roleArn("a"), roleArn("b")], ["calls", "history"])],
      [grant([roleArn("b")], ["history", "calls"]), grant([roleArn("a")], ["calls", "history"])],
      [],
    ],
    [
      "a pin",
      [worker()],
      [grant([{ arn: roleArn("worker"), uniqueId: "AROAX" }], ["calls"])],
      ["- lost worker calls: tokens of up to 900 s"],
    ],
    [
      "an organisation",
      [worker()],
      [worker({ principalOrgId: "o-x" })],
      ["- lost worker calls: tokens of up to 900 s"],
    ],
    [
      "two things at once",
      [worker({ maxTtlSeconds: 60, childAccountIds: [7] })],
      [worker({ maxTtlSeconds: 90 })],
      ["+ longer worker calls: 60 s → 90 s", "- fewer child accounts worker calls: 7"],
    ],
  ])("has %s", (_, before, after, expected) => {
    expect(diff(policyOf(...before), policyOf(...after))).toEqual(expected);
  });

  it("has the line of the new file for a gain, and of the old file for a loss", () => {
    const before = policyOf(worker({ source: "old.yml:4" }));
    const after = policyOf(grant([roleArn("other")], ["calls"], { source: "new.yml:9" }));
    expect(diffPolicies(before, after).map(({ source }) => source)).toEqual(["new.yml:9", "old.yml:4"]);
  });

  it("has the maximum of a service account, and the service account that is gone", () => {
    const before = policyOf(worker({ maxTtlSeconds: 3600 }));
    const longer = { ...before, serviceAccounts: [serviceAccount("calls", { maxTtlSeconds: 1800 })] };
    expect(diff(before, longer)).toEqual(["+ longer worker calls: 900 s → 1800 s"]);
    expect(diff(before, { serviceAccounts: [], grants: [] })).toEqual([
      "- lost worker calls: tokens of up to 900 s",
    ]);
  });

  it("has what changes for every token of a service account", () => {
    const [, history] = accounts;
    const changed = serviceAccount("calls", {
      maxTtlSeconds: 900,
      secret: "other",
      accountId: 7,
      claims: "minimal",
    });
    const after = { serviceAccounts: [changed, ...(history ? [history] : [])], grants: [] };
    expect(diff(policyOf(), after)).toEqual([
      "- changed * calls: accountId: none → 7",
      "- changed * calls: claims: standard → minimal",
      "- changed * calls: secret: voximplant/calls → other",
    ]);
  });

  it("lists gains before losses", () => {
    const before = policyOf(worker({}, roleArn("a")));
    const after = policyOf(worker({}, roleArn("b")));
    expect(diff(before, after)).toEqual([
      "+ gained b calls: tokens of up to 900 s",
      "- lost a calls: tokens of up to 900 s",
    ]);
  });
});
