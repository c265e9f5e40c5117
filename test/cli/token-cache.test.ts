import { chmod, mkdir, readdir, readFile, rename, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cacheDirectory, cacheFileName, type CacheKey } from "../../lib/cli/token-cache.ts";
import { refuses, vends } from "../fakes/vendor-server.ts";
import { setUpCli } from "./set-up.ts";

const token = ["token", "outbound-calls"];

/** A cache with token-1 in it. */
async function setUpCached(...behaviours: Parameters<typeof setUpCli>[0]) {
  const set = await setUpCli(behaviours.length > 0 ? behaviours : [vends()]);
  await set.run(token);
  const directory = cacheDirectory({ env: {}, homeDirectory: set.homeDirectory });
  const [name = "no file"] = await readdir(directory);
  return { ...set, directory, file: join(directory, name) };
}

describe("the token cache", () => {
  it("saves the second command its request", async () => {
    const { vendor, run } = await setUpCached();
    expect(await run(token)).toEqual({ status: 0, out: "token-1\n", err: "" });
    expect(vendor.requests).toHaveLength(1);
  });

  it("is for its owner alone: files of mode 0600 in a folder of mode 0700", async () => {
    const { directory, file } = await setUpCached();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toHaveLength(1);
  });

  it("stands where XDG_CACHE_HOME says", () => {
    expect(cacheDirectory({ env: { XDG_CACHE_HOME: "/var/cache/me" }, homeDirectory: "/home/me" })).toBe(
      "/var/cache/me/voxtoken",
    );
  });

  it.each([
    ["another access key", token, { AWS_ACCESS_KEY_ID: "AKIDOTHER" }],
    ["another lifetime", [...token, "--ttl", "60"], {}],
    ["another account", [...token, "--account-id", "7654321"], {}],
    ["another service account", ["token", "call-history"], {}],
  ])("does not serve a token to %s", async (_whom, args, env) => {
    const { run, vendor } = await setUpCached();
    expect(await run(args, { env: { VOXTOKEN_URL: vendor.url, ...env } })).toMatchObject({
      out: "token-2\n",
    });
  });

  it("does not serve a token of one vendor for another", async () => {
    const { run, vendor } = await setUpCached();
    expect(await run([...token, "--url", vendor.url.replace("/prod", "/test")])).toMatchObject({
      out: "token-2\n",
    });
  });

  it("is neither read nor written with --no-cache", async () => {
    const { run, directory } = await setUpCached();
    expect(await run([...token, "--no-cache"])).toMatchObject({ out: "token-2\n" });
    expect(await run(token)).toMatchObject({ out: "token-1\n" });
    expect(await readdir(directory)).toHaveLength(1);
  });

  it("says how long the token is still good for, not how long it once was", async () => {
    const { run } = await setUpCached();
    const later = () => Date.now() + 100_000;
    const { out } = await run([...token, "--output", "json"], { now: later });
    expect((JSON.parse(out) as { expires_in: number }).expires_in).toBeLessThanOrEqual(200);
  });

  it("renews a token that nears its end", async () => {
    const { run } = await setUpCached();
    expect(await run(token, { now: () => Date.now() + 250_000 })).toMatchObject({ out: "token-2\n" });
  });

  it("serves a token that is still valid when its renewal fails", async () => {
    const { run } = await setUpCached(vends(), refuses(400, "invalid_request", "no"));
    expect(await run(token, { now: () => Date.now() + 250_000 })).toMatchObject({
      status: 0,
      out: "token-1\n",
    });
    expect(await run(token, { now: () => Date.now() + 301_000 })).toMatchObject({ status: 2 });
  });

  it.each([
    ["a day", 86_400_000],
    ["a minute", 60_000],
  ])("asks again when the clock was set back by %s to before the token was asked for", async (_by, ms) => {
    const { run } = await setUpCached();
    expect(await run(token, { now: () => Date.now() - ms })).toMatchObject({ status: 0, out: "token-2\n" });
  });

  it("knows a token's age on a machine whose clock was set back meanwhile", async () => {
    const { run } = await setUpCached();
    const uptime = 5_000_000;
    await run([...token, "--ttl", "60"], { monotonic: () => uptime });
    const later = { now: () => Date.now() + 1_000, monotonic: () => uptime + 301_000 };
    expect(await run([...token, "--ttl", "60"], later)).toMatchObject({ out: "token-3\n" });
  });

  it.each(["askedAt", "endsAt"])(
    "does not use an entry whose %s is not a time of the token",
    async (name) => {
      const { run, file } = await setUpCached();
      const entry = JSON.parse(await readFile(file, "utf8")) as { lifetime: Record<string, number> };
      await writeFile(
        file,
        JSON.stringify({ ...entry, lifetime: { ...entry.lifetime, [name]: Date.now() + 1e10 } }),
      );
      expect(await run(token)).toMatchObject({ out: "token-2\n" });
    },
  );

  it("removes tokens that nobody can use any more", async () => {
    const { run, directory } = await setUpCached();
    const old = join(directory, `${"0".repeat(64)}.json`);
    await writeFile(old, "{}");
    const twoHoursAgo = new Date(Date.now() - 7_200_000);
    await utimes(old, twoHoursAgo, twoHoursAgo);
    await run([...token, "--ttl", "60"]);
    expect(await readdir(directory)).not.toContain("0".repeat(64) + ".json");
  });
});

describe("a cache file that is not to be trusted", () => {
  it.each<[string, (file: string) => Promise<void>, RegExp]>([
    ["may be read by others", (file) => chmod(file, 0o644), /may be used by others \(mode 0644\)/],
    [
      "is a link",
      async (file) => {
        await rename(file, `${file}.real`);
        await symlink(`${file}.real`, file);
      },
      /symbolic link/,
    ],
    [
      "is a folder",
      async (file) => {
        await rename(file, `${file}.real`);
        await mkdir(file, { mode: 0o700 });
      },
      /is not a file/,
    ],
  ])("is not used, and that is said, when it %s", async (_how, spoil, message) => {
    const { run, file } = await setUpCached();
    await spoil(file);
    const { status, out, err } = await run(token);
    expect({ status, out }).toEqual({ status: 0, out: "token-2\n" });
    expect(err).toMatch(message);
    expect(err).not.toContain("token-1");
  });

  it("is not used when it belongs to somebody else", async () => {
    const { run, file } = await setUpCached();
    const { uid } = await stat(file);
    const { out, err } = await run(token, { userId: uid + 1 });
    expect(out).toBe("token-2\n");
    expect(err).toContain(`belongs to another user (${uid})`);
  });

  it.each(["", "{", "[]", '{"version":1}', "\0"])("is as good as none when it holds %j", async (content) => {
    const { run, file } = await setUpCached();
    await writeFile(file, content);
    expect(await run(token)).toEqual({ status: 0, out: "token-2\n", err: "" });
    expect(await readFile(file, "utf8")).toContain("token-2");
  });

  it.each([
    ["may be used by others", (directory: string) => chmod(directory, 0o755)],
    [
      "cannot be written",
      (directory: string) => rename(directory, `${directory}.old`).then(() => writeFile(directory, "")),
    ],
  ])("a folder that %s is not used, and the token is had all the same", async (_how, spoil) => {
    const { run, directory } = await setUpCached();
    await spoil(directory);
    const { status, out, err } = await run(token);
    expect({ status, out }).toEqual({ status: 0, out: "token-2\n" });
    expect(err).toMatch(/^voxtoken: warning: the token cache is not used: .*\n$/);
  });
});

describe("a cache file's name", () => {
  const text = fc.oneof(fc.string(), fc.constantFrom("a", "b", '"', ",", "[", "null", "\\"));
  const key = fc.record({
    urls: fc.array(text, { maxLength: 3 }),
    identity: fc.array(text, { maxLength: 3 }),
    serviceAccount: text,
    accountId: fc.option(fc.integer(), { nil: undefined }),
    ttlSeconds: fc.option(fc.integer(), { nil: undefined }),
  }) satisfies fc.Arbitrary<CacheKey>;

  it("is the same for the same key, and another for any other", () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(cacheFileName(one) === cacheFileName(other)).toBe(same);
        expect(cacheFileName(one)).toMatch(/^[0-9a-f]{64}\.json$/);
      }),
    );
  });

  it("keeps apart what a joined string would not", () => {
    const base = { serviceAccount: "a", accountId: undefined, ttlSeconds: undefined };
    const one = cacheFileName({ ...base, urls: ["ab"], identity: ["c"] });
    expect(one).not.toBe(cacheFileName({ ...base, urls: ["a"], identity: ["bc"] }));
    expect(one).not.toBe(cacheFileName({ ...base, urls: ["ab", "c"], identity: [] }));
  });
});
