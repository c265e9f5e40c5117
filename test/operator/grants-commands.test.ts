import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runVoxtoken } from "../fakes/voxtoken.ts";
import { fakeIo } from "../fakes/io.ts";

const GRANTS = `serviceAccounts:
  outbound-calls: { secret: voximplant/outbound-calls, maxTtlSeconds: 900, accountId: 1234567 }
  call-history: { secret: voximplant/call-history, accountId: 1234567 }
grants:
  - principals: [arn:aws:iam::111122223333:role/billing-worker]
    serviceAccounts: [outbound-calls]
    maxTtlSeconds: 300
    childAccountIds: [7654321]
  - principals:
      - arn:aws:iam::111122223333:role/nightly-*
      - { arn: "arn:aws:iam::111122223333:user/ops/alice", uniqueId: AIDAEXAMPLEID }
    serviceAccounts: [call-history, outbound-calls]
  - principals: ["arn:aws:iam::*:role/partner"]
    serviceAccounts: [call-history]
    principalOrgId: o-a1b2c3d4e5
`;

const METHODS = `serviceAccounts:
  outbound-calls: { secret: voximplant/outbound-calls, accountId: 1234567 }
  call-history: { secret: voximplant/call-history, accountId: 1234567 }
grants:
  - principals: [arn:aws:iam::111122223333:role/dialer]
    serviceAccounts: [outbound-calls]
    methods: [StartScenarios, "GetCall*"]
  - principals: [arn:aws:iam::111122223333:role/dialer]
    serviceAccounts: [call-history]
    methods: [GetCallHistory]
  - principals: [arn:aws:iam::111122223333:role/operator]
    serviceAccounts: [call-history]
  - principals: [arn:aws:iam::111122223333:role/operator]
    serviceAccounts: [outbound-calls]
    methods: ["AddQueu?"]
`;

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "grants-"));
  await writeFile(at("grants.yml"), GRANTS);
  await writeFile(at("methods.yml"), METHODS);
  await writeFile(at("broken.yml"), "serviceAccounts: {}\ngrants:\n  - principal: []\n");
  await writeFile(at("clean.yml"), "serviceAccounts: {}\ngrants: []\n");
});

afterAll(() => rm(folder, { recursive: true }));

async function admin(...args: string[]) {
  const io = fakeIo();
  const status = await runVoxtoken(["admin", ...args], io);
  return { status, out: io.out().replaceAll(`${folder}/`, ""), err: io.err().replaceAll(`${folder}/`, "") };
}

describe("voxtoken admin lint", () => {
  it("prints warnings, and ends with 0", async () => {
    expect(await admin("lint", at("grants.yml"))).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "grants.yml:13:18: warning: the wildcard spans accounts: anyone who can create a role of this name in one of them gets the grant
      grants.yml: 2 service accounts, 3 grants, 1 warning
      ",
        "status": 0,
      }
    `);
  });

  it("prints errors, and ends with 1", async () => {
    expect(await admin("lint", at("broken.yml"))).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "broken.yml:3:5: error: the grant lacks principals, which must be a list of ARNs
      broken.yml:3:5: error: the grant lacks serviceAccounts, which must be a list of names from the serviceAccounts of this file
      broken.yml:3:5: error: unknown field "principal" (did you mean "principals"?)
      broken.yml: 3 errors
      ",
        "status": 1,
      }
    `);
  });

  it("ends with 1 on warnings where told to", async () => {
    expect(await admin("lint", "--strict", at("grants.yml"))).toMatchObject({ status: 1, err: "" });
    expect(await admin("lint", "--strict", at("clean.yml"))).toMatchObject({ status: 0 });
  });

  it("prints JSON for scripts", async () => {
    const { status, out } = await admin("lint", "--format", "json", at("grants.yml"));
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({
      file: "grants.yml",
      errors: [],
      warnings: [
        {
          file: "grants.yml",
          line: 13,
          column: 18,
          message: expect.stringContaining("spans accounts") as string,
        },
      ],
    });
  });

  it("prints annotations for GitHub, which splits at colons, commas and line breaks", async () => {
    await writeFile(at("a,b:c.yml"), 'serviceAccounts: { "a%\\nb": { secret: a } }\ngrants: []\n');
    const { status, out } = await admin("lint", "--format", "github", at("a,b:c.yml"));
    expect(status).toBe(1);
    expect(out.split("\n")[0]).toBe(
      `::error file=${at("a%2Cb%3Ac.yml").replace(`${folder}/`, "")},line=1,col=20::the name "a%25%0Ab" must be 1 to 64 of a-z, 0-9 and -`,
    );
  });

  it("reports that there is no such file", async () => {
    expect(await admin("lint", at("nope.yml"))).toEqual({
      status: 2,
      out: "",
      err: "voxtoken: there is no file nope.yml\nhint: name the grants file, or change to the folder it is in\n",
    });
  });

  it("reports that the file cannot be read", async () => {
    const { status, err } = await admin("lint", folder);
    expect(status).toBe(1);
    expect(err).toMatch(/^voxtoken: cannot read .*EISDIR/);
  });
});

describe("voxtoken admin test", () => {
  const worker = "arn:aws:iam::111122223333:role/billing-worker";
  const TESTS = `tests:
  - { principal: "${worker}", serviceAccount: outbound-calls, expect: allowed }
  - { principal: "${worker}", serviceAccount: call-history, expect: denied }
`;
  const FAILING = TESTS.replace("denied", "allowed");

  it("prints a line for each test, and the grants without one", async () => {
    await writeFile(at("tested.yml"), GRANTS + TESTS);
    expect(await admin("test", at("tested.yml"), "--coverage")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "ok       tested.yml:17  role/billing-worker  outbound-calls  token  allowed
      ok       tested.yml:18  role/billing-worker  call-history    token  denied
      no test  tested.yml:9
      no test  tested.yml:13
      tested.yml: 2 tests, 0 failed, 2 grants without a test
      ",
        "status": 0,
      }
    `);
  });

  it("ends with 1 where a test fails, and says what is and why", async () => {
    await writeFile(at("failing.yml"), GRANTS + FAILING);
    expect(await admin("test", at("failing.yml"))).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "ok       failing.yml:17  role/billing-worker  outbound-calls  token  allowed
      FAILED   failing.yml:18  role/billing-worker  call-history    token  allowed
               expected allowed, is denied:
                 arn:aws:iam::111122223333:role/billing-worker matches, but
                 failing.yml:5 is for service account outbound-calls
               No grant fits. The nearest:
                 failing.yml:5, at most 300 s
                   arn:aws:iam::111122223333:role/billing-worker
                   - is for service account outbound-calls
                 failing.yml:9, at most 3600 s
                   arn:aws:iam::111122223333:role/nightly-* (line 10)
                   - is for the role nightly-*, the caller is billing-worker
                 failing.yml:13, at most 3600 s
                   arn:aws:iam::*:role/partner
                   - is for the role partner, the caller is billing-worker
                   - is for organisation o-a1b2c3d4e5, the caller is in none
      failing.yml: 2 tests, 1 failed
      ",
        "status": 1,
      }
    `);
  });

  it("prints JSON for scripts, and annotations for GitHub", async () => {
    await writeFile(at("failing.yml"), GRANTS + FAILING);
    const { status, out } = await admin("test", at("failing.yml"), "--format", "json");
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      tests: [
        { line: 17, principal: worker, serviceAccount: "outbound-calls", passed: true },
        { line: 18, expect: "allowed", actual: "denied", passed: false },
      ],
    });
    const github = await admin("test", at("failing.yml"), "--format", "github");
    expect(github.out).toContain("failing.yml,line=18,col=5::expected allowed, is denied: ");
  });

  it("fails on a broken file as lint does", async () => {
    expect(await admin("test", at("broken.yml"))).toMatchObject({ status: 1, out: "" });
  });
});

describe("voxtoken admin explain", () => {
  it("answers for another time, and for a call", async () => {
    await writeFile(
      at("ending.yml"),
      METHODS.replace("    methods: [StartScenarios", "    until: 2026-12-31\n    methods: [StartScenarios"),
    );
    const ask = (...args: string[]) =>
      admin(
        "explain",
        ...["--principal", "arn:aws:iam::111122223333:role/dialer", "--service-account", "outbound-calls"],
        ...["--grants", at("ending.yml"), ...args],
      );
    const before = await ask("--method", "StartScenarios", "--at", "2026-12-31T22:00:00Z");
    expect(before).toMatchObject({
      status: 0,
      out: expect.stringContaining("a call, by ending.yml:5") as string,
    });
    const after = await ask("--method", "StartScenarios", "--at", "2027-01-01T00:00:01Z");
    expect(after).toMatchObject({ status: 3, out: expect.stringContaining("is over since") as string });
    expect(await ask("--at", "2026-12-31T22:00:00Z")).toMatchObject({ status: 3 });
    expect(await ask("--method", "X", "--ttl", "60")).toMatchObject({ status: 2 });
    expect(await ask("--at", "tomorrow")).toMatchObject({ status: 2 });
  });

  const explain = (...args: string[]) => admin("explain", "--grants", at("grants.yml"), ...args);
  const role = (name: string) => ["--principal", `arn:aws:iam::111122223333:role/${name}`];
  const calls = ["--service-account", "outbound-calls"];

  it("names the line that allows", async () => {
    expect(await explain(...role("billing-worker"), ...calls)).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "principal        arn:aws:iam::111122223333:role/billing-worker
      service account  outbound-calls, at most 900 s
      account          the key's own
      lifetime         the default

      These grants fit:
        grants.yml:5, at most 300 s
          arn:aws:iam::111122223333:role/billing-worker

      allowed          300 s, by grants.yml:5, the most generous grant that fits
      ",
        "status": 0,
      }
    `);
  });

  it("reads an ARN as get-caller-identity prints it, and ends with 3 on a refusal", async () => {
    const session = "arn:aws:sts::111122223333:assumed-role/intern/billing-worker";
    expect(await explain("--session-arn", session, ...calls, "--account-id", "9")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "principal        arn:aws:iam::111122223333:role/intern
                       (how grants name
                       arn:aws:sts::111122223333:assumed-role/intern/billing-worker)
      service account  outbound-calls, at most 900 s
      account          child account 9
      lifetime         the default

      No grant fits. The nearest:
        grants.yml:9, at most 900 s
          arn:aws:iam::111122223333:role/nightly-* (line 10)
          - is for the role nightly-*, the caller is intern
          - lists no child accounts
        grants.yml:5, at most 300 s
          arn:aws:iam::111122223333:role/billing-worker
          - is for the role billing-worker, the caller is intern
          - lists only the child accounts 7654321
        grants.yml:13, at most 900 s
          arn:aws:iam::*:role/partner
          - is for the role partner, the caller is intern
          - is for organisation o-a1b2c3d4e5, the caller is in none
          - is for service account call-history
          - lists no child accounts

      refused          access_denied: no grant names
                       arn:aws:iam::111122223333:role/intern
      to fix it        add a grant { principals:
                       ["arn:aws:iam::111122223333:role/intern"], serviceAccounts:
                       [outbound-calls], childAccountIds: [9] }
      ",
        "status": 3,
      }
    `);
  });

  it("names the maximum if the lifetime is too long", async () => {
    expect(await explain(...role("billing-worker"), ...calls, "--ttl", "301")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "principal        arn:aws:iam::111122223333:role/billing-worker
      service account  outbound-calls, at most 900 s
      account          the key's own
      lifetime         301 s

      These grants fit:
        grants.yml:5, at most 300 s
          arn:aws:iam::111122223333:role/billing-worker

      refused          ttl_too_long: 301 s asked, grants.yml:5 gives at most 300 s
      to fix it        ask for at most 300 s, or raise the limit: the maxTtlSeconds of
                       the grant or of the service account, or the until of the grant
      ",
        "status": 3,
      }
    `);
  });

  it("suggests the service account that was meant", async () => {
    expect(await explain(...role("nightly-x"), "--service-account", "call-histroy")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "principal        arn:aws:iam::111122223333:role/nightly-x
      service account  call-histroy, which is not in the file (did you mean
                       "call-history"?)
      account          the key's own
      lifetime         the default

      No grant fits. The nearest:
        grants.yml:9, at most 3600 s
          arn:aws:iam::111122223333:role/nightly-* (line 10)
          - is for service account call-history or outbound-calls
        grants.yml:5, at most 300 s
          arn:aws:iam::111122223333:role/billing-worker
          - is for the role billing-worker, the caller is nightly-x
          - is for service account outbound-calls
        grants.yml:13, at most 3600 s
          arn:aws:iam::*:role/partner
          - is for the role partner, the caller is nightly-x
          - is for organisation o-a1b2c3d4e5, the caller is in none
          - is for service account call-history

      refused          access_denied: there is no service account "call-histroy"
      to fix it        spell the service account as in the file, or add it to
                       serviceAccounts there
      ",
        "status": 3,
      }
    `);
  });

  it("says what to change where one thing alone is missing", async () => {
    const alice = ["--principal", "arn:aws:iam::111122223333:user/ops/alice"];
    expect((await explain(...alice, ...calls)).out).toMatchInlineSnapshot(`
      "principal        arn:aws:iam::111122223333:user/ops/alice
      service account  outbound-calls, at most 900 s
      account          the key's own
      lifetime         the default

      No grant fits. The nearest:
        grants.yml:9, at most 900 s
          arn:aws:iam::111122223333:user/ops/alice (line 11)
          - is for the unique id AIDAEXAMPLEID, the caller has none
        grants.yml:5, at most 300 s
          arn:aws:iam::111122223333:role/billing-worker
          - is for a role, the caller is a user
        grants.yml:13, at most 900 s
          arn:aws:iam::*:role/partner
          - is for a role, the caller is a user
          - is for organisation o-a1b2c3d4e5, the caller is in none
          - is for service account call-history

      refused          access_denied: arn:aws:iam::111122223333:user/ops/alice
                       matches, but grants.yml:9 is for the unique id AIDAEXAMPLEID,
                       the caller has none
      to fix it        change grants.yml:9, or add a grant { principals:
                       ["arn:aws:iam::111122223333:user/ops/alice"], serviceAccounts:
                       [outbound-calls] }
      "
    `);
    expect(await explain(...alice, ...calls, "--unique-id", "AIDAEXAMPLEID")).toMatchObject({ status: 0 });
  });

  it("takes the organisation into account", async () => {
    const partner = [
      "--principal",
      "arn:aws:iam::444455556666:role/partner",
      "--service-account",
      "call-history",
    ];
    expect(await explain(...partner)).toMatchObject({ status: 3 });
    expect(await explain(...partner, "--org-id", "o-a1b2c3d4e5")).toMatchObject({ status: 0 });
  });

  it("drops a role's path, as API Gateway does", async () => {
    const { status, out } = await explain(...role("team/billing-worker"), ...calls);
    expect(status).toBe(0);
    expect(out).toContain("arn:aws:iam::111122223333:role/billing-worker\n");
    expect(out).toContain("(how grants name\n");
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("prints JSON for programs, whatever the decision", async () => {
    const allowed = await explain(...role("billing-worker"), ...calls, "--output", "json");
    expect(JSON.parse(allowed.out)).toMatchObject({
      principal: "arn:aws:iam::111122223333:role/billing-worker",
      service_account: "outbound-calls",
      allowed: true,
      ttl_seconds: 300,
      grant: "grants.yml:5",
      grants: expect.arrayContaining([
        expect.objectContaining({ source: "grants.yml:5", unmet: [] }),
      ]) as object[],
    });
    const refused = await explain(...role("intern"), ...calls, "--output", "json");
    expect(refused.status).toBe(3);
    expect(JSON.parse(refused.out)).toMatchObject({ allowed: false, reason: "access_denied" });
  });

  it.each([
    [["--principal", "arn:aws:iam::111122223333:root"], "an account is refused"],
    [role("nightly-*"), "is a pattern, not one principal"],
    [["--principal", "billing-worker"], "is not an IAM role or user"],
    [["--session-arn", "arn:aws:sts::111122223333:federated-user/x"], "is not an IAM role or user"],
    [[], "give either --principal or --session-arn"],
    [[...role("x"), "--session-arn", "arn:aws:iam::111122223333:user/x"], "give either"],
    [[...role("x"), "--ttl", "29"], "It must be 30 to 3600 seconds"],
    [[...role("x"), "--ttl", "3601"], "It must be 30 to 3600 seconds"],
    [[...role("x"), "--ttl", "1e3"], "It must be 30 to 3600 seconds"],
    [[...role("x"), "--account-id", "0"], "It must be the number of a child account"],
  ])("refuses %j", async (args, message) => {
    const { status, out, err } = await explain(...args, ...calls);
    expect([status, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });

  it("names lint as the next step for a broken file", async () => {
    expect(await admin("explain", "--grants", at("broken.yml"), ...role("x"), ...calls)).toEqual({
      status: 1,
      out: "",
      err:
        "voxtoken: broken.yml:3:5: the grant lacks principals, which must be a list of ARNs (and 2 more)\n" +
        "hint: voxtoken admin lint broken.yml lists everything\n",
    });
  });
});

describe("voxtoken admin iam-policy", () => {
  const api = "arn:aws:execute-api:eu-central-1:999999999999:a1b2c3d4e5/prod";
  const ofOurApi = [
    ...["--api-id", "a1b2c3d4e5", "--region", "eu-central-1"],
    ...["--api-account-id", "999999999999", "--stage", "prod"],
  ];
  const statementsFor = async (name: string) => {
    const principal = `arn:aws:iam::111122223333:role/${name}`;
    const { out } = await admin(
      ...["iam-policy", "--grants", at("methods.yml"), "--principal", principal, ...ofOurApi],
    );
    return (JSON.parse(out) as { Statement: readonly { Sid: string; Resource: unknown }[] }).Statement;
  };

  it("allows exactly the granted methods, and no path of a token, where calls alone are granted", async () => {
    expect(await statementsFor("dialer")).toEqual([
      {
        Sid: "CallVoximplantMethods",
        Effect: "Allow",
        Action: "execute-api:Invoke",
        Resource: [
          `${api}/POST/v1/service-accounts/call-history/methods/GetCallHistory`,
          `${api}/POST/v1/service-accounts/outbound-calls/methods/GetCall*`,
          `${api}/POST/v1/service-accounts/outbound-calls/methods/StartScenarios`,
          `${api}/GET/v1/service-accounts`,
        ],
      },
    ]);
  });

  it("allows tokens and methods apart, where both are granted", async () => {
    const statements = await statementsFor("operator");
    expect(statements.map(({ Sid, Resource }) => [Sid, Resource])).toEqual([
      [
        "VendVoximplantTokens",
        [`${api}/POST/v1/service-accounts/call-history/token`, `${api}/GET/v1/service-accounts`],
      ],
      ["CallVoximplantMethods", [`${api}/POST/v1/service-accounts/outbound-calls/methods/AddQueu?`]],
    ]);
  });

  const iamPolicy = (...args: string[]) => admin("iam-policy", "--grants", at("grants.yml"), ...args);

  it("allows exactly the granted paths of the API", async () => {
    const { status, out, err } = await iamPolicy(
      ...["--principal", "arn:aws:sts::111122223333:assumed-role/nightly-report/x", ...ofOurApi],
    );
    expect([status, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toEqual({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "VendVoximplantTokens",
          Effect: "Allow",
          Action: "execute-api:Invoke",
          Resource: [
            `${api}/POST/v1/service-accounts/call-history/token`,
            `${api}/POST/v1/service-accounts/outbound-calls/token`,
            `${api}/GET/v1/service-accounts`,
          ],
        },
      ],
    });
  });

  it("says how to narrow it where the API is not given", async () => {
    const { err } = await iamPolicy("--principal", "arn:aws:iam::111122223333:role/billing-worker");
    expect(err).toMatch(/^hint: --api-id/);
  });

  it("refuses a principal without grants", async () => {
    const alice = ["--principal", "arn:aws:iam::111122223333:user/ops/alice"];
    expect(await iamPolicy(...alice)).toMatchObject({
      status: 3,
      out: "",
      err: expect.stringContaining("grants nothing to arn:aws:iam::111122223333:user/ops/alice") as string,
    });
    expect(await iamPolicy(...alice, "--unique-id", "AIDAEXAMPLEID")).toMatchObject({ status: 0 });
  });
});
