import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parseGrants } from "../../lib/grants/parse.ts";
import type { Policy } from "../../lib/grants/policy.ts";

function parsed(text: string): { policy: Policy; warnings: string[] } {
  const result = parseGrants(text, "conf/grants.yml");
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return {
    policy: result.policy,
    warnings: result.warnings.map((w) => `${w.line}:${w.column}: ${w.message}`),
  };
}

const file = (grants: string) => `serviceAccounts:
  outbound-calls: { secret: voximplant/outbound-calls }
grants:
${grants}`;

describe("a valid file", () => {
  it("becomes a policy with all defaults and the lines of its parts", () => {
    const { policy } = parsed(`serviceAccounts:
  outbound-calls:
    secret: voximplant/outbound-calls
  constructor:
    secret: b
    maxTtlSeconds: 900
    claims: minimal
    accountId: 1234567
    unmanagedKeys: [ab1b5bd0-3d2c-4b5c-9d2e-000000000000]
    unknownKeys: delete
grants:
  - principals:
      - arn:aws:iam::111122223333:role/billing-worker
      - { arn: "arn:aws:iam::*:role/nightly-*", uniqueId: AROAEXAMPLEID }
    serviceAccounts: [outbound-calls, constructor]
    maxTtlSeconds: 300
    childAccountIds: [7654321]
    principalOrgId: o-a1b2c3d4e5
  - { principals: ["arn:aws-cn:iam::111122223333:user/ops/alice"], serviceAccounts: [outbound-calls] }
`);
    expect(policy).toEqual({
      serviceAccounts: [
        {
          name: "outbound-calls",
          secret: "voximplant/outbound-calls",
          maxTtlSeconds: 3600,
          claims: "standard",
          unmanagedKeys: [],
          unknownKeys: "report",
        },
        {
          name: "constructor",
          secret: "b",
          maxTtlSeconds: 900,
          claims: "minimal",
          accountId: 1234567,
          unmanagedKeys: ["ab1b5bd0-3d2c-4b5c-9d2e-000000000000"],
          unknownKeys: "delete",
        },
      ],
      grants: [
        {
          source: "grants.yml:12",
          principals: [
            { source: "grants.yml:13", arn: "arn:aws:iam::111122223333:role/billing-worker" },
            { source: "grants.yml:14", arn: "arn:aws:iam::*:role/nightly-*", uniqueId: "AROAEXAMPLEID" },
          ],
          serviceAccounts: ["outbound-calls", "constructor"],
          maxTtlSeconds: 300,
          childAccountIds: [7654321],
          principalOrgId: "o-a1b2c3d4e5",
        },
        {
          source: "grants.yml:19",
          principals: [{ source: "grants.yml:19", arn: "arn:aws-cn:iam::111122223333:user/ops/alice" }],
          serviceAccounts: ["outbound-calls"],
          maxTtlSeconds: 3600,
          childAccountIds: [],
        },
      ],
    } satisfies Policy);
    expect(JSON.parse(JSON.stringify(policy))).toStrictEqual(policy);
  });

  it("is accepted if it is the sample at the root", async () => {
    const { policy, warnings } = parsed(await readFile(new URL("../../grants.yml", import.meta.url), "utf8"));
    expect(policy.grants).toHaveLength(2);
    expect(warnings).toEqual([expect.stringContaining("has no uniqueId")]);
  });

  it.each([
    [undefined, "voximplant/local/x-local"],
    ["prod", "voximplant/prod/x-prod"],
  ])("may name the stage in a secret, which is %j here", (stage, secret) => {
    const text = "serviceAccounts:\n  x: {secret: 'voximplant/${stage}/x-${stage}'}\ngrants: []\n";
    expect(parseGrants(text, "grants.yml", stage)).toMatchObject({
      policy: { serviceAccounts: [{ secret }] },
    });
  });

  it.each(["voximplant/${region}/x", "voximplant/$stage/x", "voximplant/${stage/x"])(
    "has no other placeholder in a secret: %s",
    (secret) => {
      const text = `serviceAccounts:\n  x: {secret: '${secret}'}\ngrants: []\n`;
      expect(parseGrants(text, "grants.yml")).toHaveProperty("problems");
    },
  );

  it("may have no grants", () => {
    expect(parsed("serviceAccounts: {}\ngrants: []\n")).toEqual({
      policy: { serviceAccounts: [], grants: [] },
      warnings: [],
    });
  });

  it("may have Windows line ends and a byte order mark", () => {
    const unix = file(
      "  - { principals: ['arn:aws:iam::111122223333:role/x'], serviceAccounts: [outbound-calls] }\n",
    );
    expect(parsed("\uFEFF" + unix.replaceAll("\n", "\r\n"))).toEqual(parsed(unix));
  });

  it("may share a list by an alias; problems are reported at the anchor", () => {
    const { policy, warnings } = parsed(
      file(`  - principals: &team
      - arn:aws:iam::111122223333:role/x
      - arn:aws:iam::111122223333:role/team/y
    serviceAccounts: [outbound-calls]
  - principals: *team
    serviceAccounts: [outbound-calls]
    childAccountIds: [1]
`),
    );
    expect(policy.grants[1]?.principals).toEqual(policy.grants[0]?.principals);
    expect(policy.grants[1]?.principals[1]).toEqual({
      source: "grants.yml:6",
      arn: "arn:aws:iam::111122223333:role/y",
    });
    expect(warnings).toContainEqual(expect.stringMatching(/^6:9: the path team\/ is ignored/));
  });

  it.each([
    "arn:aws-cn:iam::111122223333:role/x",
    "arn:aws-us-gov:iam::111122223333:role/x",
    "arn:aws-iso:iam::111122223333:role/x",
    "arn:aws-iso-b:iam::111122223333:role/x",
    "arn:aws-iso-e:iam::111122223333:role/x",
    "arn:aws-iso-f:iam::111122223333:role/x",
    "arn:aws-eusc:iam::111122223333:role/x",
    "arn:aws-of-tomorrow:iam::111122223333:role/x",
    "arn:aws:iam::000000000001:role/x",
    "arn:aws:iam::111122223333:role/A_b+c=d,e.f@g-1",
    `arn:aws:iam::111122223333:role/${"r".repeat(64)}`,
    `arn:aws:iam::111122223333:role/${"r".repeat(64)}*`,
    "arn:aws:iam::111122223333:role/?",
    "arn:aws:iam::111122223333:user/*",
    "arn:aws:iam::111122223333:user/ops/*",
    "arn:aws:iam::111122223333:user/team:a!/alice",
  ])("may name %s", (arn) => {
    const { policy } = parsed(
      file(`  - { principals: [${JSON.stringify(arn)}], serviceAccounts: [outbound-calls] }\n`),
    );
    expect(policy.grants[0]?.principals[0]?.arn).toBe(arn);
  });

  it.each(["*", "1111*", "11112222????", "*3333"])(
    "may span the accounts %s of an organisation",
    (account) => {
      const grant = `principals: ["arn:aws:iam::${account}:role/x"], serviceAccounts: [outbound-calls]`;
      expect(parsed(file(`  - { ${grant}, principalOrgId: o-a1b2c3d4e5 }\n`)).policy.grants).toHaveLength(1);
      expect(parseGrants(file(`  - { ${grant} }\n`), "g")).toMatchObject({
        problems: [{ message: expect.stringContaining("principalOrgId") as string }],
      });
    },
  );

  it.each(["aws*", "*", "aws-??"])("may not have a wildcard in the partition: %s", (partition) => {
    const grant = `principals: ["arn:${partition}:iam::111122223333:role/x"], serviceAccounts: [outbound-calls]`;
    expect(parseGrants(file(`  - { ${grant}, principalOrgId: o-a1b2c3d4e5 }\n`), "g")).toMatchObject({
      problems: [{ message: expect.stringMatching(/^the partition must be written out/) as string }],
    });
  });

  it.each([
    ["is refused if it has one role with its path and without", "role/team/x", "role/x", true],
    ["is refused if two roles differ by their path", "role/a/x", "role/b/x", true],
    ["is refused if two patterns differ by their path", "role/a/x-*", "role/b/x-*", true],
    ["is accepted if one path stands twice", "role/a/x", "role/a/x", false],
    ["is accepted if two users differ by their path", "user/a/x", "user/b/x", false],
    ["is accepted if two roles have different names", "role/a/x", "role/b/y", false],
  ])("%s: %s and %s", (_, one, other, collide) => {
    const [a, b] = [one, other].map((name) => `arn:aws:iam::111122223333:${name}`);
    const text = file(
      `  - { principals: ["${String(a)}"], serviceAccounts: [outbound-calls] }\n` +
        `  - { principals: ["${String(b)}"], serviceAccounts: [outbound-calls] }\n`,
    );
    expect("problems" in parseGrants(text, "g")).toBe(collide);
  });
});

describe("an account id that does not have 12 digits", () => {
  it.each([
    "1",
    "11112222333",
    "1111222233334",
    "1111????",
    "1111222233334*",
    "11112222333x",
    "１１１１２２２２３３３３",
  ])("is refused at its place: %s", (account) => {
    const text = file(
      `  - principals: ["arn:aws:iam::${account}:role/x"]\n    serviceAccounts: [outbound-calls]\n    principalOrgId: o-a1b2c3d4e5\n`,
    );
    expect(parseGrants(text, "g")).toMatchObject({ problems: [{ line: 4, column: 18 }] });
  });
});

describe("a file with several problems", () => {
  it("is refused with all of them in the order of the file", () => {
    const result = parseGrants(
      file(`  - principals: [everyone, "arn:aws:iam::*:role/x"]
    serviceAccounts: [outbound]
    maxTtl: 5
    childAccountIds: [007]
  - principals: [arn:aws:iam::111122223333:root]
    serviceAccounts: outbound-calls
`),
      "conf/grants.yml",
    );
    expect(result).toMatchObject({
      problems: [
        [4, 18],
        [4, 28],
        [5, 23],
        [6, 5],
        [7, 23],
        [8, 18],
        [9, 22],
      ].map(([line, column]) => ({
        file: "conf/grants.yml",
        line,
        column,
      })),
    });
    expect(result).not.toHaveProperty("policy");
  });
});
