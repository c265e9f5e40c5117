import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const build = (...args: string[]) => run("npx", ["tsx", "scripts/build.ts", ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "build-"));
});
afterAll(() => rm(folder, { recursive: true }));

const grants = `
serviceAccounts:
  night-watch: {secret: elsewhere/night-watch}
grants:
  - principals: [arn:aws:iam::444455556666:role/watchman]
    serviceAccounts: [night-watch]
`;

describe("the build", () => {
  it("keeps the vending function's bundle at 90 KB gzipped or less", async () => {
    const bundle = await readFile("dist/test/functions/vend-token/index.mjs");
    expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(90 * 1024);
  });

  it("leaves nothing but Node's own imports, and does not load node:http at start, which loads undici on Node 22", async () => {
    const bundle = await readFile("dist/test/functions/vend-token/index.mjs", "utf8");
    const modules = (pattern: RegExp) => [...bundle.matchAll(pattern)].map(([, name]) => name);
    const loadedAtStart = modules(/\bfrom"([^"]+)"/g);
    expect(loadedAtStart).toContain("node:https");
    expect(loadedAtStart).not.toContain("node:http");
    const others = [
      ...loadedAtStart,
      ...modules(/\bimport\("([^"]+)"/g),
      ...modules(/\brequire\("([^"]+)"/g),
    ];
    expect(others.filter((name) => !name?.startsWith("node:"))).toEqual([]);
  });

  it("embeds another grants file and writes to another folder if told to, with the same bytes each time", async () => {
    await writeFile(join(folder, "other.yml"), grants);
    const bytes = async (out: string) => {
      await build("--grants", join(folder, "other.yml"), "--out", join(folder, out));
      expect((await readdir(join(folder, out, "vend-token"))).sort()).toEqual(["index.mjs", "index.mjs.map"]);
      return readFile(join(folder, out, "vend-token", "index.mjs"), "utf8");
    };
    const first = await bytes("first");
    expect(first).toContain("elsewhere/night-watch");
    expect(first).not.toContain("voximplant/outbound-calls");
    expect(await bytes("second")).toBe(first);
  });

  it("fails on an invalid grants file with the place of every problem, and writes nothing", async () => {
    await writeFile(
      join(folder, "broken.yml"),
      grants.replace("role/watchman", "root").replace("[night-watch]", "[nigth-watch]"),
    );
    const failure: unknown = await build(
      "--grants",
      join(folder, "broken.yml"),
      "--out",
      join(folder, "none"),
    ).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 1, stdout: "" });
    const { stderr } = failure as { stderr: string };
    expect(stderr).toMatch(/broken\.yml:5:\d+: /);
    expect(stderr).toMatch(/broken\.yml:6:\d+: .*night-watch/);
    expect(await readdir(folder)).not.toContain("none");
  });

  it("prints warnings about grants that are legal but suspicious", async () => {
    await writeFile(join(folder, "odd.yml"), grants.replace("role/watchman", "role/night/watchman"));
    const { stderr } = await build("--grants", join(folder, "odd.yml"), "--out", join(folder, "odd"));
    expect(stderr).toMatch(/odd\.yml:5:\d+: warning: .*path/);
  });

  it("prints its usage after a misspelt option", async () => {
    await expect(build("--grant", "x")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/'--grant'[^]*Usage: npm run build/) as string,
    });
  });

  it("names a grants file that does not exist", async () => {
    await expect(build("--grants", join(folder, "missing.yml"))).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/missing\.yml: .*no such file/) as string,
    });
  });
});
