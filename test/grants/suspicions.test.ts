import { describe, expect, it } from "vitest";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";

const ORG = ", principalOrgId: o-a1b2c3d4e5";

function warningsOf(...grants: string[]): string[] {
  const text = `serviceAccounts:
  a: { secret: voximplant/a, accountId: 1 }
  b: { secret: voximplant/b, accountId: 1 }
grants:
${grants.map((grant) => `  - { ${grant} }\n`).join("")}  - { principals: ["arn:aws:iam::999999999999:role/owner"], serviceAccounts: [a, b] }
`;
  const result = parseGrants(text, "g");
  if ("problems" in result) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result.warnings.map(formatProblem);
}

const to = (name: string, rest = "") =>
  `principals: ["arn:aws:iam::111122223333:${name}"], serviceAccounts: [a]${rest}`;

it.each([
  [
    "a partition that looks like a typing error",
    'principals: ["arn:aws-chn:iam::111122223333:role/x"], serviceAccounts: [a]',
    ['g:5:20: "aws-chn" is not a known partition of AWS (did you mean "aws-cn"?)'],
  ],
  ["every role", to("role/*"), ["g:5:20: matches every role of the account, including those created later"]],
  ["every user", to("user/*"), ["g:5:20: matches every user of the account, including those created later"]],
  [
    "every role by question marks",
    to("role/?*"),
    ["g:5:20: matches every role of the account, including those created later"],
  ],
  [
    "a wildcard that spans accounts",
    `principals: ["arn:aws:iam::*:role/x"], serviceAccounts: [a]${ORG}`,
    [
      "g:5:20: the wildcard spans accounts: anyone who can create a role of this name in one of them gets the grant",
    ],
  ],
  [
    "an unpinned user",
    to("user/ops/alice"),
    ["g:5:20: has no uniqueId (AIDA…): add it, or a user created later with this name gets the grant"],
  ],
  [
    "an SSO role without a wildcard",
    to("role/AWSReservedSSO_Admin_0123456789abcdef"),
    [
      "g:5:20: IAM Identity Center puts random characters at the end of this role's name, and they change when the role is created again: write AWSReservedSSO_Admin_*",
    ],
  ],
  [
    "an SSO role without any suffix",
    to("role/AWSReservedSSO_Admin"),
    [
      "g:5:20: IAM Identity Center puts random characters at the end of this role's name, and they change when the role is created again: write AWSReservedSSO_Admin_*",
    ],
  ],
  [
    "an SSO role whose last word looks like a suffix",
    to("role/AWSReservedSSO_Team_cafe"),
    [
      "g:5:20: IAM Identity Center puts random characters at the end of this role's name, and they change when the role is created again: write AWSReservedSSO_Team_cafe_*",
    ],
  ],
  [
    "a service-linked role",
    to("role/AWSServiceRoleForAutoScaling_x"),
    [
      "g:5:20: looks like a service-linked role: only an AWS service can use it, and some end in random characters",
    ],
  ],
  [
    "a path",
    to("role/service-role/x"),
    [
      "g:5:20: the path service-role/ is ignored, because API Gateway does not report it: the grant is for arn:aws:iam::111122223333:role/x",
    ],
  ],
  [
    "values that appear twice in a list",
    `principals: ["arn:aws:iam::111122223333:role/x", "arn:aws:iam::111122223333:role/x"], serviceAccounts: [a, a], childAccountIds: [1, 2, 1]`,
    [
      "g:5:56: arn:aws:iam::111122223333:role/x appears twice in this list",
      "g:5:114: a appears twice in this list",
      "g:5:142: 1 appears twice in this list",
    ],
  ],
])("warns of %s", (_, grant, warnings) => {
  expect(warningsOf(grant)).toEqual(warnings);
});

it.each([
  ["an ordinary role", to("role/x")],
  ["a wildcard in a role's name", to("role/x-*")],
  [
    "a pinned user",
    'principals: [{ arn: "arn:aws:iam::111122223333:user/alice", uniqueId: AIDAEXAMPLEID }], serviceAccounts: [a]',
  ],
  ["a wildcard for users below a path, which no id could pin", to("user/ops/*")],
  ["an SSO role with a wildcard", to("role/AWSReservedSSO_Admin_*")],
  ["an SSO role with question marks", to("role/AWSReservedSSO_Admin_????????????????")],
  ["a service-linked role with a wildcard", to("role/AWSServiceRoleForAutoScaling*")],
])("does not warn of %s", (_, grant) => {
  expect(warningsOf(grant)).toEqual([]);
});

it("warns about service accounts without a grant and about a shared secret", () => {
  const result = parseGrants(
    `serviceAccounts:
  a: { secret: voximplant/a, accountId: 1 }
  b: { secret: voximplant/a, accountId: 1 }
grants:
  - { principals: ["arn:aws:iam::999999999999:role/owner"], serviceAccounts: [a] }
`,
    "g",
  );
  expect("warnings" in result && result.warnings.map(formatProblem)).toEqual([
    "g:3:3: no grant names b",
    "g:3:16: the same secret as a: a token of either allows everything that a token of the other allows",
  ]);
});

it("warns about a service account without accountId, and says what to add", () => {
  const result = parseGrants(
    `serviceAccounts:
  a:
    secret: voximplant/a
  b: { secret: voximplant/b, accountId: 1234567 }
grants:
  - { principals: ["arn:aws:iam::999999999999:role/owner"], serviceAccounts: [a, b] }
`,
    "g",
  );
  expect("warnings" in result && result.warnings.map(formatProblem)).toEqual([
    "g:2:3: a has no accountId, so a key of any Voximplant account is used: add the line " +
      "`accountId: <account_id of the credentials file>`; with it, vending, import, bootstrap and " +
      "rotation refuse a key of another account",
  ]);
});

describe("a redundant grant", () => {
  const found = (line: number, by: number) =>
    `g:${line}:5: is redundant: the grant of g:${by} gives the same or more`;
  const narrow = to("role/nightly-report", ", maxTtlSeconds: 300, childAccountIds: [1]");
  it.each([
    ["is reported if it stands twice", narrow, true],
    [
      "is reported if a wildcard gives the same",
      to("role/nightly-*", ", maxTtlSeconds: 300, childAccountIds: [1]"),
      true,
    ],
    ["is reported if another grant gives more", to("role/*-report", ", childAccountIds: [2, 1]"), true],
    [
      "is not reported if the other lifetime is shorter",
      to("role/nightly-*", ", maxTtlSeconds: 299, childAccountIds: [1]"),
      false,
    ],
    [
      "is not reported if the other grant lacks a child account",
      to("role/nightly-*", ", maxTtlSeconds: 300"),
      false,
    ],
    [
      "is not reported if the other grant lacks its service account",
      to("role/nightly-*", ", childAccountIds: [1]").replace("[a]", "[b]"),
      false,
    ],
    [
      "is not reported if the other grant requires an organisation",
      to("role/nightly-*", `, childAccountIds: [1]${ORG}`),
      false,
    ],
    [
      "is not reported if the other grant is for users",
      to("user/nightly-*", ", childAccountIds: [1]"),
      false,
    ],
    [
      "is not reported if the other grant is for another name",
      to("role/nightly", ", childAccountIds: [1]"),
      false,
    ],
    [
      "is not reported if the other grant is pinned",
      'principals: [{ arn: "arn:aws:iam::111122223333:role/nightly-*", uniqueId: AROAEXAMPLEID }], serviceAccounts: [a], childAccountIds: [1]',
      false,
    ],
  ])("%s", (_, other, redundant) => {
    const expectation = redundant ? expect : expect.not;
    expect(warningsOf(other, narrow)).toEqual(expectation.arrayContaining([found(6, 5)]));
    // The other way round it is the same grant, except that of two equal ones the lower is
    // reported.
    const [line, by] = other === narrow ? [6, 5] : [5, 6];
    expect(warningsOf(narrow, other)).toEqual(expectation.arrayContaining([found(line, by)]));
  });

  it("is reported only if all of its principals are covered", () => {
    const two =
      'principals: ["arn:aws:iam::111122223333:role/a1", "arn:aws:iam::111122223333:role/b1"], serviceAccounts: [a]';
    expect(warningsOf(two, to("role/a*"))).toEqual([]);
    expect(warningsOf(two, to("role/?2*"))).toEqual([]);
    for (const wide of ["role/*1", "role/?1", "role/?1*"]) {
      expect(warningsOf(two, to(wide))).toEqual([
        "g:5:5: is redundant: the grant of g:6 gives the same or more",
      ]);
    }
  });

  it("is reported if the other grant has the same pin or none", () => {
    const pinned =
      'principals: [{ arn: "arn:aws:iam::111122223333:role/x", uniqueId: AROAEXAMPLEID }], serviceAccounts: [a]';
    expect(warningsOf(pinned, pinned)).toEqual([
      "g:6:5: is redundant: the grant of g:5 gives the same or more",
    ]);
    expect(warningsOf(pinned, to("role/x"))).toEqual([
      "g:5:5: is redundant: the grant of g:6 gives the same or more",
    ]);
  });

  it("is reported if the other grant requires the same organisation or none", () => {
    const ours = to("role/x", ORG);
    expect(warningsOf(ours, to("role/x*", ORG))).toEqual([found(5, 6)]);
    expect(warningsOf(ours, to("role/x*"))).toEqual([found(5, 6)]);
    expect(warningsOf(to("role/x*", ORG.replace("o-a", "o-b")), ours)).toEqual([]);
  });

  it("is reported only if all of its service accounts are covered", () => {
    const both = to("role/x").replace("[a]", "[a, b]");
    expect(warningsOf(both, to("role/x*"))).toEqual([]);
    expect(warningsOf(to("role/x"), both)).toEqual([found(5, 6)]);
    const wide =
      'principals: ["arn:aws:iam::111122223333:role/y", "arn:aws:iam::111122223333:role/x?"], serviceAccounts: [a]';
    expect(warningsOf(to("role/x?"), wide)).toEqual([found(5, 6)]);
  });

  it("is not the wider of two because a question mark matches a star", () => {
    expect(warningsOf(to("role/x-*"), to("role/x-?"))).toEqual([
      "g:6:5: is redundant: the grant of g:5 gives the same or more",
    ]);
  });
});

describe("a method of a grant", () => {
  const methods = (list: string) => warningsOf(to("role/x", `, methods: [${list}]`));

  it.each([
    ["StartScenarios", []],
    ['"GetCall*", StartScenarios', []],
    [
      "CreateKey",
      [
        "CreateKey changes or returns keys, roles, users or credentials: the caller can give itself access that lasts",
      ],
    ],
    [
      "StartScenarios, deletekey",
      [
        "deletekey changes or returns keys, roles, users or credentials: the caller can give itself access that lasts",
      ],
    ],
    ["StartScenario", ['Voximplant has no known method StartScenario (did you mean "StartScenarios"?)']],
    ["Xyzzy", ["Voximplant has no known method Xyzzy"]],
    [
      '"Xyzzy*"',
      ["Xyzzy* matches no known method of Voximplant (a wildcard never matches a sensitive method)"],
    ],
    [
      '"CreateKe?"',
      ["CreateKe? matches no known method of Voximplant (a wildcard never matches a sensitive method)"],
    ],
    ["StartScenarios, StartScenarios", ["StartScenarios appears twice in this list"]],
  ])("is warned about in its own place: %s", (list, messages) => {
    const place = list.startsWith("StartScenarios, ") ? /^g:5:105: / : /^g:5:89: /;
    expect(methods(list)).toEqual(messages.map((message) => expect.stringContaining(message) as string));
    for (const warning of methods(list)) expect(warning).toMatch(place);
  });
});

describe("the end of a grant", () => {
  const at = Date.UTC(2026, 11, 1);
  const endingAt = (until: string, now: number) => {
    const text = `serviceAccounts: { a: { secret: a, accountId: 1 } }
grants:
  - principals: ["arn:aws:iam::111122223333:role/x"]
    serviceAccounts: [a]
    until: ${until}
`;
    const result = parseGrants(text, "g", "local", now);
    if ("problems" in result) throw new Error(result.problems.map(formatProblem).join("\n"));
    return result.warnings.map(formatProblem);
  };

  it.each([
    ["2026-11-30", "g:5:12: the grant is over since 2026-12-01T00:00:00Z: remove it"],
    ["2026-12-01T00:00:01Z", "g:5:12: the grant ends at 2026-12-01T00:00:01Z, within a day"],
    ["2026-12-02T00:00:00Z", "g:5:12: the grant ends at 2026-12-02T00:00:00Z, in 1 day"],
    ["2026-12-14", "g:5:12: the grant ends at 2026-12-15T00:00:00Z, in 14 days"],
    ["2026-12-15T00:00:00.001Z", undefined],
  ])("is warned about 14 days ahead and after: %s", (until, warning) => {
    expect(endingAt(until, at)).toEqual(warning === undefined ? [] : [warning]);
  });
});

it("a name that only contains that of an SSO role or of a service-linked role is not warned about", () => {
  expect(warningsOf(to("role/my-AWSReservedSSO_Admin_0123456789abcdef"))).toEqual([]);
  expect(warningsOf(to("role/my-AWSServiceRoleForSupport"))).toEqual([]);
});

it("an SSO role keeps its name in the advice, whatever hexadecimal text is in it", () => {
  const [warning] = warningsOf(to("role/AWSReservedSSO_ab_cd_0123456789abcdef"));
  expect(warning).toContain("write AWSReservedSSO_ab_cd_*");
});

it("a third service account with the secret of two others is said to share that of the first", () => {
  const result = parseGrants(
    `serviceAccounts:
  a: { secret: s, accountId: 1 }
  b: { secret: s, accountId: 1 }
  c: { secret: s, accountId: 1 }
grants:
  - { principals: ["arn:aws:iam::111122223333:role/x"], serviceAccounts: [a, b, c] }
`,
    "g",
  );
  const warnings = "warnings" in result ? result.warnings.map(({ message }) => message.slice(0, 20)) : [];
  expect(warnings).toEqual(["the same secret as a", "the same secret as a"]);
});
