import { describe, expect, it } from "vitest";
import { diffPolicies, hasGain } from "../../lib/grants/diff.ts";
import { changesOf } from "../../lib/grants/diff-changes.ts";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";
import { rulesOf } from "../../lib/grants/rules.ts";
import { accountText, changeText, exceptText, principalText } from "../../lib/operator/diff-words.ts";
import { NOW } from "../fakes/policy.ts";

const ACCOUNTS = `serviceAccounts:
  calls: { secret: s, accountId: 1 }
  history: { secret: t, accountId: 1 }
`;

function read(name: string, text: string) {
  const parsed = parseGrants(text, name);
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed;
}

/** The grants of a file, one a line from line 5 on. */
const file = (grants: readonly string[]) =>
  grants.length === 0
    ? `${ACCOUNTS}grants: []\n`
    : `${ACCOUNTS}grants:\n${grants.map((grant) => `  - { ${grant} }\n`).join("")}`;

/** Each change as one line of text: who, what, and at which line and column of which file. */
function diffOf(oldText: string, newText: string): string[] {
  const [before, after] = [read("old", oldText), read("new", newText)];
  const { differences, serviceAccounts } = diffPolicies(before.policy, after.policy, NOW);
  const at = ({ side, path }: { side: "old" | "new"; path: readonly (string | number)[] }) => {
    const { file, line, column } = (side === "old" ? before : after).place({ path, message: "" });
    return `${file}:${line} ${wordAt(side === "old" ? oldText : newText, line, column)}`;
  };
  return [
    ...serviceAccounts.map((change) => `${change.name} | ${accountText(change)} | ${at(change.place)}`),
    ...differences.flatMap((difference) => {
      const who = `${difference.serviceAccount} ${principalText(difference.principal).replaceAll("arn:aws:iam::111122223333:", "")}`;
      const except = exceptText(difference).replaceAll("arn:aws:iam::111122223333:", "");
      return difference.changes.map(
        (change) => `${who} | ${changeText(change)}${except && ` (${except})`} | ${at(change.place)}`,
      );
    }),
  ];
}

function wordAt(text: string, line: number, column: number): string {
  return /^"?[^,}\n]*/.exec(text.split("\n")[line - 1]?.slice(column - 1) ?? "")?.[0].trim() ?? "";
}

const between = (old: readonly string[], current: readonly string[]) => diffOf(file(old), file(current));

const to = (names: string, rest = "", serviceAccounts = "calls") => {
  const arns = names.split(" ").map((name) => `"arn:aws:iam::111122223333:role/${name}"`);
  return `principals: [${arns.join(", ")}], serviceAccounts: [${serviceAccounts}]${rest}`;
};
const arn = (name: string) => `"arn:aws:iam::111122223333:role/${name}"`;

it("fails rather than lists no change, if it compares too few conditions of two rules", () => {
  const [rule] = rulesOf(read("grants.yml", file([to("a")])).policy, NOW);
  if (!rule) throw new Error("one rule");
  const rules = { gains: [rule], losses: [], was: [rule], is: [rule], successors: [rule] };
  expect(() => changesOf({ ...rules, knewCallers: true, knowsCallers: true })).toThrow(
    "grants.yml:5 gives more, but no condition differs",
  );
});

describe("a diff names", () => {
  it.each<[string, string[], string[], string[]]>([
    [
      "a new principal",
      [to("a")],
      [to("a b", ", childAccountIds: [7, 8], maxTtlSeconds: 900"), to("a", ", childAccountIds: [7, 8]")],
      [
        "calls role/a | more child accounts: 7, 8 | new:5 [7",
        `calls role/b | gained: tokens of at most 900 s, child accounts 7, 8 | new:5 ${arn("b")}]`,
      ],
    ],
    [
      "a principal that is gone",
      [to("a b", ", until: 2026-12-31")],
      [to("a", ", until: 2026-12-31")],
      [`calls role/b | lost: tokens of at most 3600 s, until 2026-12-31 | old:5 ${arn("b")}]`],
    ],
    [
      "a new service account for a known principal",
      [to("a")],
      [to("a", "", "calls, history")],
      ["history role/a | gained: tokens of at most 3600 s | new:5 history]"],
    ],
    [
      "a service account that a principal no longer has",
      [to("a", "", "calls, history")],
      [to("a")],
      ["history role/a | lost: tokens of at most 3600 s | old:5 history]"],
    ],
    [
      "a longer lifetime",
      [to("a", ", maxTtlSeconds: 300")],
      [to("a", ", maxTtlSeconds: 900")],
      ["calls role/a | longer: 300 s → 900 s | new:5 900"],
    ],
    [
      "a shorter lifetime, of all accounts in one entry",
      [to("a", ", maxTtlSeconds: 900, childAccountIds: [7]")],
      [to("a", ", maxTtlSeconds: 300, childAccountIds: [7]")],
      ["calls role/a | shorter: 900 s → 300 s | new:5 300"],
    ],
    [
      "a limit that is gone, at its grant",
      [to("a", ", maxTtlSeconds: 300")],
      [to("a")],
      ['calls role/a | longer: 300 s → 3600 s | new:5 { principals: ["arn:aws:iam::111122223333:role/a"]'],
    ],
    [
      "a later end",
      [to("a", ", until: 2026-12-31")],
      [to("a", ", until: 2027-01-31T12:00:00Z")],
      ["calls role/a | later: until 2026-12-31 → until 2027-01-31T12:00:00Z | new:5 2027-01-31T12:00:00Z"],
    ],
    [
      "no end any more",
      [to("a", ", until: 2026-12-31")],
      [to("a")],
      [
        'calls role/a | later: until 2026-12-31 → no end | new:5 { principals: ["arn:aws:iam::111122223333:role/a"]',
      ],
    ],
    [
      "an end where there was none",
      [to("a")],
      [to("a", ", until: 2026-12-31")],
      ["calls role/a | sooner: no end → until 2026-12-31 | new:5 2026-12-31"],
    ],
    [
      "a lifetime and an end at once",
      [to("a", ", maxTtlSeconds: 300, until: 2026-12-31")],
      [to("a", ", maxTtlSeconds: 900, until: 2027-12-31")],
      [
        "calls role/a | longer: 300 s → 900 s, until 2027-12-31 | new:5 900",
        "calls role/a | later: until 2026-12-31 → until 2027-12-31 | new:5 2027-12-31",
      ],
    ],
    [
      "a lifetime that lasts longer than before, between two ends",
      [to("a", ", maxTtlSeconds: 300"), to("a", ", maxTtlSeconds: 900, until: 2026-12-31")],
      [to("a", ", maxTtlSeconds: 300"), to("a", ", maxTtlSeconds: 900, until: 2027-12-31")],
      ["calls role/a | longer: 300 s → 900 s, until 2027-12-31 | new:6 900"],
    ],
    [
      "more and fewer child accounts",
      [to("a", ", childAccountIds: [7, 8]")],
      [to("a", ", childAccountIds: [8, 9]")],
      [
        "calls role/a | more child accounts: 9 | new:5 [8",
        "calls role/a | fewer child accounts: 7 | new:5 [8",
      ],
    ],
    [
      "a lifetime of child accounts alone",
      [to("a", ", maxTtlSeconds: 900"), to("a", ", maxTtlSeconds: 300, childAccountIds: [7, 8]")],
      [to("a", ", maxTtlSeconds: 900"), to("a", ", maxTtlSeconds: 600, childAccountIds: [7, 8]")],
      ["calls role/a | longer: 300 s → 600 s (child accounts 7, 8) | new:6 600"],
    ],
    [
      "more and fewer methods",
      [to("a", ', methods: ["Get*", StartScenarios]')],
      [to("a", ', methods: ["GetCall*", StartScenarios, StopScenario]')],
      [
        'calls role/a | more methods: StopScenario | new:5 ["GetCall*"',
        'calls role/a | fewer methods: Get* | new:5 ["GetCall*"',
      ],
    ],
    [
      "a child account and an end of calls",
      [to("a", ', methods: ["Get*"]')],
      [to("a", ', methods: ["Get*"], childAccountIds: [7], until: 2026-12-31')],
      [
        "calls role/a | more child accounts: 7 (calls of Get*), until 2026-12-31 | new:5 [7]",
        "calls role/a | sooner: no end → until 2026-12-31 (calls of Get*) | new:5 2026-12-31",
      ],
    ],
    [
      "calls in place of tokens, and the other way round",
      [to("a"), to("b", ", methods: [GetRules]")],
      [to("a", ", methods: [GetRules]"), to("b")],
      [
        "calls role/a | more methods: GetRules | new:5 [GetRules]",
        "calls role/a | lost: tokens of at most 3600 s | old:5 calls]",
        "calls role/b | gained: tokens of at most 3600 s | new:6 calls]",
        "calls role/b | fewer methods: GetRules | old:6 [GetRules]",
      ],
    ],
    [
      "calls of a new principal",
      [],
      [to("a", ', methods: ["Get*", StartScenarios], maxTtlSeconds: 30')],
      [`calls role/a | gained: calls of Get*, StartScenarios | new:5 ${arn("a")}]`],
    ],
    [
      "a narrower pattern as a loss",
      [to("x-*")],
      [to("x-1 x-2 x-3 x-4")],
      [
        `calls role/x-* | lost: tokens of at most 3600 s (still has: role/x-1, role/x-2, role/x-3 and 1 more) | old:5 ${arn("x-*")}]`,
      ],
    ],
    [
      "a wider pattern as a gain",
      [to("x-?")],
      [to("x-*")],
      [`calls role/x-* | gained: tokens of at most 3600 s (had before: role/x-?) | new:5 ${arn("x-*")}]`],
    ],
    [
      "what a wider pattern no longer gives as much of",
      [to("x-*", ", maxTtlSeconds: 300"), to("x-1", ", maxTtlSeconds: 900, childAccountIds: [7]")],
      [to("x-*", ", maxTtlSeconds: 300")],
      [
        `calls role/x-1 | shorter: 900 s → 300 s | old:6 900`,
        `calls role/x-1 | fewer child accounts: 7 | old:6 [7]`,
      ],
    ],
    [
      "a pin as a loss of everybody else",
      [`principals: [${arn("a")}], serviceAccounts: [calls]`],
      [`principals: [{ arn: ${arn("a")}, uniqueId: AROAEXAMPLEID }], serviceAccounts: [calls]`],
      [
        `calls role/a | lost: tokens of at most 3600 s (still has: role/a (only AROAEXAMPLEID)) | old:5 ${arn("a")}]`,
      ],
    ],
    [
      "another organisation as a loss and a gain",
      [to("a", ", principalOrgId: o-aaaaaaaaaa")],
      [to("a", ", principalOrgId: o-bbbbbbbbbb")],
      [
        `calls role/a (organisation o-aaaaaaaaaa) | lost: tokens of at most 3600 s | old:5 ${arn("a")}]`,
        `calls role/a (organisation o-bbbbbbbbbb) | gained: tokens of at most 3600 s | new:5 ${arn("a")}]`,
      ],
    ],
    [
      "a pinned principal of an organisation",
      [],
      [
        `principals: [{ arn: ${arn("a")}, uniqueId: AROAEXAMPLEID }], serviceAccounts: [calls], principalOrgId: o-aaaaaaaaaa`,
      ],
      [
        `calls role/a (only AROAEXAMPLEID, organisation o-aaaaaaaaaa) | gained: tokens of at most 3600 s | new:5 { arn: ${arn("a")}`,
      ],
    ],
    [
      "a grant that was over and lives again",
      [to("a", ", until: 2026-11-01")],
      [to("a", ", until: 2026-12-01")],
      [`calls role/a | gained: tokens of at most 3600 s, until 2026-12-01 | new:5 ${arn("a")}]`],
    ],
  ])("%s", (_, old, current, expected) => {
    expect(between(old, current)).toEqual(expected);
  });

  it("two principals by service account and name", () => {
    expect(between([], [to("b a", "", "history, calls")]).map((line) => line.split(" | ")[0])).toEqual([
      "calls role/a",
      "calls role/b",
      "history role/a",
      "history role/b",
    ]);
  });
});

describe("a diff names nothing", () => {
  it.each<[string, string[], string[]]>([
    [
      "for another order",
      [to("a b"), to("c", ", childAccountIds: [7, 8]")],
      [to("c", ", childAccountIds: [8, 7]"), to("b a")],
    ],
    [
      "for a grant in two parts",
      [to("a b", "", "calls, history")],
      [to("a", "", "calls, history"), to("b", "", "history"), to("b")],
    ],
    ["for a grant within another", [to("x-*")], [to("x-*"), to("x-1", ", maxTtlSeconds: 300")]],
    ["for a pattern that says the same", [to("?*")], [to("*?")]],
    ["for a default that is written out", [to("a")], [to("a", ", maxTtlSeconds: 3600, childAccountIds: []")]],
    [
      "for a time in another zone",
      [to("a", ", until: 2026-12-31")],
      [to("a", ", until: 2027-01-01T01:00:00+01:00")],
    ],
    ["for a grant that is over", [to("a"), to("b", ", until: 2026-11-01")], [to("a")]],
    [
      "for a long lifetime that a grant cannot give any more, because it ends in a minute",
      [to("a", ", maxTtlSeconds: 300"), to("a", ", maxTtlSeconds: 900, until: 2026-11-24T12:01:00Z")],
      [to("a", ", maxTtlSeconds: 300")],
    ],
    [
      "for a lifetime of calls, which are not longer for it",
      [to("a", ", methods: [GetRules], maxTtlSeconds: 60")],
      [to("a", ", methods: [GetRules]")],
    ],
    [
      "for a method that a pattern matches",
      [to("a", ', methods: ["Get*"]')],
      [to("a", ', methods: ["Get*", "GetCall?"]')],
    ],
  ])("%s", (_, old, current) => {
    expect(between(old, current)).toEqual([]);
  });

  it("for comments and tests", () => {
    const text = file([to("a")]);
    const test = `{ principal: ${arn("a")}, serviceAccount: calls, expect: allowed }`;
    expect(diffOf(text, `# Reviewed.\n${text}tests:\n  - ${test}\n`)).toEqual([]);
  });

  it("of a sensitive method to a wildcard: it never matched one", () => {
    expect(between([to("a", ', methods: ["*"]')], [to("a", ', methods: ["*", CreateKey]')])).toEqual([
      'calls role/a | more methods: CreateKey | new:5 ["*"',
    ]);
  });
});

describe("of service accounts, a diff names", () => {
  const grants = `grants:\n  - { ${to("a")} }\n`;
  const accounts = (calls: string, more = "") => `serviceAccounts:\n  calls: { ${calls} }\n${more}${grants}`;

  it.each<[string, string, string, string[], boolean]>([
    ["another secret", "secret: s", "secret: t", ["calls | secret: s → t | new:2 t"], true],
    [
      "an account that was open",
      "secret: s",
      "secret: s, accountId: 1",
      ["calls | accountId: none → 1 | new:2 1"],
      false,
    ],
    [
      "an account that is open now",
      "secret: s, accountId: 1",
      "secret: s",
      ["calls | accountId: 1 → none | new:2 { secret: s"],
      true,
    ],
    [
      "another account",
      "secret: s, accountId: 1",
      "secret: s, accountId: 2",
      ["calls | accountId: 1 → 2 | new:2 2"],
      true,
    ],
    [
      "other claims",
      "secret: s",
      "secret: s, claims: minimal",
      ["calls | claims: standard → minimal | new:2 minimal"],
      false,
    ],
    [
      "unmanaged keys",
      "secret: s",
      "secret: s, unmanagedKeys: [b, a]",
      ["calls | unmanagedKeys: none → a, b | new:2 [b"],
      false,
    ],
    [
      "unmanaged keys in another order",
      "secret: s, unmanagedKeys: [a, b]",
      "secret: s, unmanagedKeys: [b, a, b]",
      [],
      false,
    ],
    [
      "unknown keys",
      "secret: s",
      "secret: s, unknownKeys: delete",
      ["calls | unknownKeys: report → delete | new:2 delete"],
      false,
    ],
    [
      "a longer lifetime for its callers, at its own line",
      "secret: s, maxTtlSeconds: 300",
      "secret: s, maxTtlSeconds: 900",
      ["calls role/a | longer: 300 s → 900 s | new:2 900"],
      true,
    ],
    [
      "a shorter lifetime for its callers",
      "secret: s, maxTtlSeconds: 900",
      "secret: s, maxTtlSeconds: 300",
      ["calls role/a | shorter: 900 s → 300 s | new:2 300"],
      false,
    ],
  ])("%s", (_, old, current, expected, gain) => {
    expect(diffOf(accounts(old), accounts(current))).toEqual(expected);
    const [before, after] = [read("old", accounts(old)), read("new", accounts(current))];
    expect(hasGain(diffPolicies(before.policy, after.policy, NOW))).toBe(gain);
  });

  it("one that is added or removed, sorted by name; without grants nobody gains by it", () => {
    const [before, after] = [
      accounts("secret: s", "  zeta: { secret: z }\n"),
      accounts("secret: s", "  alpha: { secret: a }\n"),
    ];
    expect(diffOf(before, after)).toEqual([
      "alpha | added | new:3 { secret: a",
      "zeta | removed | old:3 { secret: z",
    ]);
    expect(hasGain(diffPolicies(read("old", before).policy, read("new", after).policy, NOW))).toBe(false);
  });

  it("no gain by another secret that no grant gives", () => {
    const [before, after] = ["s", "t"].map(
      (secret) => read("g", `serviceAccounts:\n  calls: { secret: ${secret} }\ngrants: []\n`).policy,
    );
    if (!before || !after) throw new Error("two policies");
    const diff = diffPolicies(before, after, NOW);
    expect(diff.serviceAccounts).toHaveLength(1);
    expect(hasGain(diff)).toBe(false);
  });
});

it.each<[string, string[], string[], boolean]>([
  ["a gain", [], [to("a")], true],
  ["a loss", [to("a")], [], false],
  ["both", [to("a")], [to("b")], true],
  ["nothing", [to("a")], [to("a")], false],
])("tells whether somebody gains: %s", (_, old, current, gain) => {
  const [before, after] = [read("old", file(old)), read("new", file(current))];
  expect(hasGain(diffPolicies(before.policy, after.policy, NOW))).toBe(gain);
});
