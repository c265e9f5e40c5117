import { execFile } from "node:child_process";
import { appendFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
/** Not here: `npm pack` makes dist/ anew, which other tests use meanwhile. */
const copies = join(root, "dist", "test", "releases");

/** Another clone, in another folder. */
async function copyOfRepository(name: string): Promise<string> {
  const copy = join(copies, name);
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy, { recursive: true });
  for (const entry of await readdir(root)) {
    if (["dist", "node_modules", "reports"].includes(entry) || entry.startsWith(".")) continue;
    await cp(join(root, entry), join(copy, entry), { recursive: true });
  }
  // Hard links, because the packages are hundreds of megabytes.
  await promisify(execFile)("cp", ["-al", join(root, "node_modules"), copy]);
  return copy;
}

/** The npm script, run as a user would. */
async function run(cwd: string, command: string, ...args: string[]) {
  const all = ["run", "--silent", command, "--", ...args];
  return promisify(execFile)("npm", all, { cwd }).then(
    ({ stdout }) => ({ status: 0, text: stdout }),
    (error: unknown) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { status: code, text: stdout + stderr };
    },
  );
}

describe("a release", () => {
  let here: string;
  let folder: string;
  beforeAll(async () => {
    here = await copyOfRepository("first");
    folder = await mkdtemp(join(tmpdir(), "release-test-"));
    expect(await run(here, "release", folder)).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await rm(copies, { recursive: true });
  });

  it("has the zips, the npm package, the bill of materials and the checksums, all in one folder", async () => {
    expect((await readdir(folder)).sort()).toEqual([
      "SHA256SUMS",
      "call-method.zip",
      "reconcile-keys.zip",
      "rotate-key.zip",
      "sbom.cdx.json",
      "vend-token.zip",
      expect.stringMatching(/^voxtoken-\d+\.\d+\.\d+\.tgz$/),
    ]);
    await promisify(execFile)("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: folder });
  });

  it("is verified by a second build in another folder, which gives the same bytes", async () => {
    const elsewhere = await copyOfRepository(join("deeper", "second"));
    const { status, text } = await run(elsewhere, "verify-release", folder);
    expect(status).toBe(0);
    expect(text.trim().split("\n")).toHaveLength(7);
    expect(text).not.toMatch(/DIFFERS|MISSING|NOT PART/);
  });

  it("is not verified once a byte is changed, a file is gone or a file is added", async () => {
    await appendFile(join(folder, "vend-token.zip"), " ");
    await rm(join(folder, "sbom.cdx.json"));
    await writeFile(join(folder, "extra.zip"), "");
    const { status, text } = await run(here, "verify-release", folder);
    expect(status).toBe(1);
    expect(text).toMatch(/^vend-token\.zip +DIFFERS$/m);
    expect(text).toMatch(/^sbom\.cdx\.json +MISSING in the release$/m);
    expect(text).toMatch(/^extra\.zip +NOT PART of a release$/m);
    expect(text).toMatch(/^rotate-key\.zip +same bytes$/m);
    expect(text).toContain("git status");
  });

  it("is neither built into a folder that is not empty, nor verified in one that has none", async () => {
    expect(await run(here, "release", folder)).toMatchObject({ status: 2 });
    const { status, text } = await run(here, "verify-release", tmpdir());
    expect([status, text]).toEqual([2, expect.stringContaining("it is not a release")]);
  });
});
