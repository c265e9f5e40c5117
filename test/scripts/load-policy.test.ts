import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { loadPolicy } from "../../scripts/load-policy.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";

const file = (test: string) => `serviceAccounts:
  calls: { secret: s, accountId: 1, maxTtlSeconds: 900 }
  recordings-of-the-night: { secret: t, accountId: 1 }
grants:
  - principals:
      - { arn: "arn:aws:iam::111122223333:role/pinned", uniqueId: AROAPINNED }
      - arn:aws:iam::111122223333:role/billing-worker-of-the-night
    serviceAccounts: [calls, recordings-of-the-night]
    childAccountIds: [7]
  - principals: ["arn:aws:iam::*:role/dialer"]
    serviceAccounts: [recordings-of-the-night]
    principalOrgId: o-a1b2c3d4e5
    methods: [StartScenarios]
tests:
  - { principal: "arn:aws:iam::111122223333:role/${test} }
`;
const PASSING = file('billing-worker-of-the-night", serviceAccount: calls, expect: allowed');
const FAILING = file('intern", serviceAccount: calls, accountId: 8, expect: allowed');

let path: string;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "grants-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  path = join(folder, "grants.yml");
});

async function load(text: string) {
  await writeFile(path, text);
  return loadPolicy(path);
}

/** What a build prints instead of building. */
async function refusalOf(text: string): Promise<string> {
  return load(text).then(
    () => "",
    (error: unknown) => (error as Error).message,
  );
}

async function admin(...args: string[]): Promise<string> {
  const io = fakeIo();
  await runVoxtoken(["admin", ...args], io);
  return io.out();
}

/** Without line breaks, which depend on the indentation. */
const wordsOf = (text: string) => text.replaceAll(/\s+/g, " ");

describe("every build and package", () => {
  it("takes a file whose tests pass, and leaves them out of the policy", async () => {
    expect(await load(PASSING)).not.toHaveProperty("tests");
  });

  it("stops at a test that fails, with its line, the decision and the reason", async () => {
    const refusal = await refusalOf(FAILING);
    expect(wordsOf(refusal)).toMatch(
      /grants\.yml:15:5: the test fails: expected allowed, is denied: no grant/,
    );
    const lines = refusal.split("\n");
    expect(lines.slice(lines.indexOf("  No grant fits. The nearest:"))).toEqual([
      "  No grant fits. The nearest:",
      "    grants.yml:5, at most 900 s",
      "      arn:aws:iam::111122223333:role/billing-worker-of-the-night (line 7)",
      "      - is for the role billing-worker-of-the-night, the caller is intern",
      "      - lists only the child accounts 7",
      "    grants.yml:10, at most 900 s",
      "      arn:aws:iam::*:role/dialer",
      "      - is for the role dialer, the caller is intern",
      "      - is for organisation o-a1b2c3d4e5, the caller is in none",
      "      - is for service account recordings-of-the-night",
      "      - lists no child accounts",
      "      - allows calls of StartScenarios but no token",
    ]);
  });

  it("says the same words as `voxtoken admin test` and `voxtoken admin explain`", async () => {
    const build = await refusalOf(FAILING);
    const principal = "arn:aws:iam::111122223333:role/intern";
    const request = ["--principal", principal, "--service-account", "calls", "--account-id", "8"];
    const explanation = await admin("explain", "--grants", path, ...request);
    const [, nearest = ""] = /(No grant fits.*?)\n\n/s.exec(explanation) ?? [];
    expect(nearest).toContain("- allows calls of StartScenarios but no token");
    expect(wordsOf(build)).toContain(wordsOf(nearest));
    expect(wordsOf(await admin("test", path))).toContain(wordsOf(nearest));
  });

  it("prints a test that fails in 80 columns, as `voxtoken admin test` does", async () => {
    const long = file(`${"i".repeat(64)}", serviceAccount: recordings-of-the-night, expect: allowed`);
    const build = await refusalOf(long);
    const tested = (await admin("test", path)).split("\n").slice(1, -2);
    const printed = [...build.split("\n"), ...tested];
    expect(printed.length).toBeGreaterThan(20);
    // One word may be longer.
    const wide = printed.filter((line) => line.length > 80 && /\S\s/.test(line.replace(/^ *- /, "")));
    expect(wide).toEqual([]);
  });
});
