import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readVersion } from "../../lib/operator/diff.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";

const OLD = `serviceAccounts:
  calls: { secret: voximplant/calls, accountId: 1, maxTtlSeconds: 900 }
  history: { secret: voximplant/history, accountId: 1 }
grants:
  - principals:
      - arn:aws:iam::111122223333:role/nightly-*
      - arn:aws:iam::111122223333:role/billing-worker
    serviceAccounts: [calls]
    maxTtlSeconds: 300
    childAccountIds: [7, 8]
  - principals: [arn:aws:iam::111122223333:role/dialer]
    serviceAccounts: [calls]
    methods: [StartScenarios]
    until: 2027-01-31
`;
const NEW = `serviceAccounts:
  history: { secret: voximplant/history, accountId: 1, claims: minimal }
  calls: { secret: voximplant/calls-2, accountId: 2, maxTtlSeconds: 900 }
grants:
  - principals: [arn:aws:iam::111122223333:role/dialer]
    serviceAccounts: [calls]
    methods: [StartScenarios, StopScenario]
  - principals:
      - arn:aws:iam::111122223333:role/billing-worker
      - { arn: "arn:aws:iam::111122223333:role/nightly-report", uniqueId: AROAEXAMPLEID }
    serviceAccounts: [calls]
    maxTtlSeconds: 600
    childAccountIds: [8, 9]
`;

let folder: string;
beforeAll(async () => {
  // Not in tmpdir(): the messages name the files, and where they wrap depends on the names' length.
  await mkdir("dist/test", { recursive: true });
  folder = await mkdtemp("dist/test/diff-");
  await writeFile(join(folder, "old.yml"), OLD);
  await writeFile(join(folder, "new.yml"), NEW);
  await writeFile(join(folder, "same.yml"), `# The same.\n${OLD}`);
  await writeFile(join(folder, "less.yml"), OLD.replace(/ {2}- principals: \[.*dialer[^]*/, ""));
  await writeFile(join(folder, "broken.yml"), "grants: []\n");
});
afterAll(() => rm(folder, { recursive: true }));

async function diff(from: string, to: string, ...args: string[]) {
  const io = fakeIo();
  const status = await runVoxtoken(["admin", "diff", join(folder, from), join(folder, to), ...args], io);
  return { status, out: io.out().replaceAll(`${folder}/`, ""), err: io.err().replaceAll(`${folder}/`, "") };
}

describe("voxtoken admin diff", () => {
  it("says who gains and who loses what, by which line, and ends with 4", async () => {
    expect(await diff("old.yml", "new.yml")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "service account calls
        + secret: voximplant/calls → voximplant/calls-2
          (new.yml:3)
        + accountId: 1 → 2 (new.yml:3)
      service account history
        ~ claims: standard → minimal (new.yml:2)
      calls for arn:aws:iam::111122223333:role/billing-worker
        + longer: 300 s → 600 s (new.yml:12)
        + more child accounts: 9 (new.yml:13)
        - fewer child accounts: 7 (new.yml:13)
      calls for arn:aws:iam::111122223333:role/dialer
        + later: until 2027-01-31 → no end (calls of StartScenarios)
          (new.yml:5)
        + more methods: StopScenario (new.yml:7)
      calls for arn:aws:iam::111122223333:role/nightly-*
        - lost: tokens of at most 300 s, child accounts 7, 8
          (old.yml:6)
          still has: arn:aws:iam::111122223333:role/nightly-report (only
          AROAEXAMPLEID)
      calls for arn:aws:iam::111122223333:role/nightly-report (only AROAEXAMPLEID)
        + longer: 300 s → 600 s (new.yml:12)
        + more child accounts: 9 (new.yml:13)
      3 gains, 2 losses, 3 changes of service accounts
      ",
        "status": 4,
      }
    `);
  });

  it("fits into 80 columns", async () => {
    const { out } = await diff("old.yml", "new.yml");
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it.each(["text", "json", "markdown", "github"])(
    "ends with 0 if there is no difference, as %s",
    async (format) => {
      const { status, out } = await diff("old.yml", "same.yml", "--format", format, "--fail-on", "gain");
      expect(status).toBe(0);
      expect(out).toBe(
        {
          text: "nobody gains or loses anything\n",
          json: '{\n  "differences": [],\n  "service_accounts": []\n}\n',
          markdown: "### Grants: nobody gains or loses anything\n",
          github: "nobody gains or loses anything\n",
        }[format],
      );
    },
  );

  it.each([
    ["somebody gains", "old.yml", "new.yml", 3],
    ["somebody gains a grant back", "less.yml", "old.yml", 3],
    ["somebody only loses", "old.yml", "less.yml", 4],
  ])("ends with --fail-on gain where %s", async (_, from, to, status) => {
    expect(await diff(from, to, "--fail-on", "gain")).toMatchObject({ status });
  });

  it("prints Markdown for a comment: gains first", async () => {
    expect((await diff("old.yml", "new.yml", "--format", "markdown")).out).toMatchInlineSnapshot(`
      "### Grants: 3 gains, 2 losses, 3 changes of service accounts

      |  | who | service account | what | line |
      | --- | --- | --- | --- | --- |
      | **gains** | the service account itself | \`calls\` | \`secret: voximplant/calls → voximplant/calls-2\` | \`new.yml:3\` |
      | **gains** | the service account itself | \`calls\` | \`accountId: 1 → 2\` | \`new.yml:3\` |
      | **gains** | \`arn:aws:iam::111122223333:role/billing-worker\` | \`calls\` | \`longer: 300 s → 600 s\`<br>\`more child accounts: 9\` | \`new.yml:12\` |
      | **gains** | \`arn:aws:iam::111122223333:role/dialer\` | \`calls\` | \`later: until 2027-01-31 → no end (calls of StartScenarios)\`<br>\`more methods: StopScenario\` | \`new.yml:5\` |
      | **gains** | \`arn:aws:iam::111122223333:role/nightly-report (only AROAEXAMPLEID)\` | \`calls\` | \`longer: 300 s → 600 s\`<br>\`more child accounts: 9\` | \`new.yml:12\` |
      |  | the service account itself | \`history\` | \`claims: standard → minimal\` | \`new.yml:2\` |
      | loses | \`arn:aws:iam::111122223333:role/billing-worker\` | \`calls\` | \`fewer child accounts: 7\` | \`new.yml:13\` |
      | loses | \`arn:aws:iam::111122223333:role/nightly-*\` | \`calls\` | \`lost: tokens of at most 300 s, child accounts 7, 8\`<br>\`still has: arn:aws:iam::111122223333:role/nightly-report (only AROAEXAMPLEID)\` | \`old.yml:6\` |
      "
    `);
  });

  it("prints annotations for GitHub: a gain warns, and what is gone stands at the first line", async () => {
    expect((await diff("old.yml", "new.yml", "--format", "github")).out).toMatchInlineSnapshot(`
      "::warning file=new.yml,line=3,col=20::service account calls: secret: voximplant/calls → voximplant/calls-2
      ::warning file=new.yml,line=3,col=51::service account calls: accountId: 1 → 2
      ::notice file=new.yml,line=2,col=64::service account history: claims: standard → minimal
      ::warning file=new.yml,line=12,col=20::calls for arn:aws:iam::111122223333:role/billing-worker: longer: 300 s → 600 s
      ::warning file=new.yml,line=13,col=22::calls for arn:aws:iam::111122223333:role/billing-worker: more child accounts: 9
      ::notice file=new.yml,line=13,col=22::calls for arn:aws:iam::111122223333:role/billing-worker: fewer child accounts: 7
      ::warning file=new.yml,line=5,col=5::calls for arn:aws:iam::111122223333:role/dialer: later: until 2027-01-31 → no end (calls of StartScenarios)
      ::warning file=new.yml,line=7,col=14::calls for arn:aws:iam::111122223333:role/dialer: more methods: StopScenario
      ::notice file=new.yml,line=1,col=1::calls for arn:aws:iam::111122223333:role/nightly-*: lost: tokens of at most 300 s, child accounts 7, 8; still has: arn:aws:iam::111122223333:role/nightly-report (only AROAEXAMPLEID) (old.yml:6)
      ::warning file=new.yml,line=12,col=20::calls for arn:aws:iam::111122223333:role/nightly-report (only AROAEXAMPLEID): longer: 300 s → 600 s
      ::warning file=new.yml,line=13,col=22::calls for arn:aws:iam::111122223333:role/nightly-report (only AROAEXAMPLEID): more child accounts: 9
      3 gains, 2 losses, 3 changes of service accounts
      "
    `);
  });

  it("prints JSON for scripts", async () => {
    const { status, out } = await diff("old.yml", "new.yml", "--format", "json");
    expect(status).toBe(4);
    const report = JSON.parse(out) as { differences: object[]; service_accounts: object[] };
    expect(report.service_accounts).toContainEqual({
      service_account: "calls",
      kind: "changed",
      gain: true,
      field: "secret",
      from: "voximplant/calls",
      to: "voximplant/calls-2",
      file: "new.yml",
      line: 3,
    });
    expect(report.differences[1]).toEqual({
      service_account: "calls",
      principal: "arn:aws:iam::111122223333:role/dialer",
      changes: [
        {
          kind: "later",
          gain: true,
          own_account: true,
          child_account_ids: [],
          methods: ["StartScenarios"],
          from: "2027-02-01T00:00:00Z",
          to: null,
          max_ttl_seconds: 60,
          until: null,
          file: "new.yml",
          line: 5,
        },
        {
          kind: "more methods",
          gain: true,
          own_account: true,
          child_account_ids: [],
          methods: ["StopScenario"],
          max_ttl_seconds: 60,
          until: null,
          file: "new.yml",
          line: 7,
        },
      ],
      except: [],
    });
    expect(report.differences[2]).toMatchObject({
      principal: "arn:aws:iam::111122223333:role/nightly-*",
      changes: [{ kind: "lost", gain: false, child_account_ids: [7, 8], file: "old.yml", line: 6 }],
      except: [{ principal: "arn:aws:iam::111122223333:role/nightly-report", unique_id: "AROAEXAMPLEID" }],
    });
  });

  it("lists a hundred rows in a comment, and says how many more there are", async () => {
    const many = Array.from({ length: 103 }, (_, i) => `arn:aws:iam::111122223333:role/r${i}`);
    await writeFile(
      join(folder, "many.yml"),
      OLD.replace("[arn:aws:iam::111122223333:role/dialer]", `[${many.join(", ")}]`),
    );
    const { out } = await diff("less.yml", "many.yml", "--format", "markdown");
    expect(out.match(/^\| \*\*gains\*\*/gm)).toHaveLength(100);
    expect(out).toContain("\nAnd 3 more: `voxtoken admin diff` lists them all.\n");
    expect(out.length).toBeLessThan(60_000);
  });

  it("lists fewer rows in a comment if they are long, because GitHub refuses a longer one", async () => {
    const many = Array.from({ length: 100 }, (_, i) => `arn:aws:iam::111122223333:role/r${i}`);
    const accounts = Array.from({ length: 80 }, (_, i) => 1_000_000_000 + i);
    await writeFile(
      join(folder, "long.yml"),
      OLD.replace("[arn:aws:iam::111122223333:role/dialer]", `[${many.join(", ")}]`).replace(
        "methods: [StartScenarios]",
        `childAccountIds: [${accounts.join(", ")}]`,
      ),
    );
    const { out } = await diff("less.yml", "long.yml", "--format", "markdown");
    const rows = out.match(/^\| \*\*gains\*\*/gm)?.length ?? 0;
    expect(rows).toBeGreaterThan(10);
    expect(out).toContain(`\nAnd ${100 - rows} more: \`voxtoken admin diff\` lists them all.\n`);
    expect(out.length).toBeLessThan(65_536);
  });

  it("lets no name of a pull request's author break out of the code in a comment", async () => {
    const name = "user/a|b`<img>`@everyone/x";
    await writeFile(
      join(folder, "hostile.yml"),
      OLD.replace("[arn:aws:iam::111122223333:role/dialer]", `["arn:aws:iam::111122223333:${name}"]`),
    );
    const { out } = await diff("less.yml", "hostile.yml", "--format", "markdown");
    expect(out).toContain("| `` arn:aws:iam::111122223333:user/a\\|b`<img>`@everyone/x `` |");
  });

  it.each([
    [["nothing.yml", "new.yml"], 2, "there is no file nothing.yml"],
    [["old.yml", "broken.yml"], 1, "broken.yml:1:1: the file lacks serviceAccounts"],
  ])("says what is wrong with %j", async ([from = "", to = ""], status, message) => {
    const { out, err, ...rest } = await diff(from, to);
    expect([rest.status, out]).toEqual([status, ""]);
    expect(err).toContain(message);
  });
});

describe("a version that git has", () => {
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });

  beforeAll(async () => {
    git("init", "--quiet", "--initial-branch", "main");
    git("add", "old.yml");
    git("commit", "--quiet", "-m", "x");
    await writeFile(join(folder, "odd:name.yml"), "a file");
  });

  it("is read by its name", async () => {
    await writeFile(join(folder, "old.yml"), "changed since\n");
    expect(await readVersion("main:old.yml", folder)).toBe(OLD);
    expect(await readVersion("HEAD:./old.yml", folder)).toBe(OLD);
    await writeFile(join(folder, "old.yml"), OLD);
  });

  it.each(["main:none.yml", "nowhere:old.yml", ":", "main:"])(
    "that is not there is a failure: %s",
    async (name) => {
      await expect(readVersion(name, folder)).rejects.toMatchObject({
        message: expect.stringMatching(/^cannot read \S+ from git: [^\n]+$/) as string,
        exitStatus: 1,
      });
    },
  );

  it.each(["--output=/tmp/x:old.yml", "-h:old.yml", "-:old.yml"])(
    "is never an option of git: %s",
    async (name) => {
      await expect(readVersion(name, folder)).rejects.toMatchObject({
        message: `${name} begins with a dash`,
        exitStatus: 2,
      });
    },
  );

  it("is never a command of a shell", async () => {
    await expect(readVersion("main:$(touch pwned)", folder)).rejects.toMatchObject({ exitStatus: 1 });
    await expect(readVersion("pwned", folder)).rejects.toMatchObject({ exitStatus: 2 });
  });

  it("is a file if there is one of that name", async () => {
    expect(await readVersion(join(folder, "odd:name.yml"))).toBe("a file");
  });
});
