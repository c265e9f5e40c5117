import { spawnSync } from "node:child_process";
import fs, {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { takeLock } from "../../lib/cli/lock-file.ts";
import { cacheDirectory, cacheFileName, type CacheKey } from "../../lib/cli/token-cache.ts";
import { answers, hangs, refuses, startVendor, vends } from "../fakes/vendor-server.ts";
import { setUpCli, temporaryFolder } from "./set-up.ts";

/**
 * A file system call fails with this code, where it is about the cache. No test can fill a disk.
 */
function failWith(name: "open" | "mkdir" | "readdir" | "writeFile", code: string): void {
  const error = Object.assign(new Error(`${code}: no ${name}`), { code });
  const method = name === "writeFile" ? "open" : name;
  const original = fs[method] as (...args: unknown[]) => Promise<object>;
  const failing = async (path: unknown, ...args: unknown[]) => {
    if (!String(path).includes("/voxtoken")) return original(path, ...args);
    if (name !== "writeFile") throw error;
    return Object.assign(await original(path, ...args), { writeFile: () => Promise.reject(error) });
  };
  Object.assign(fs, { [method]: failing });
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(fs, { [method]: original });
    syncBuiltinESMExports();
  });
}

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
  it("answers a second command without a request", async () => {
    const { vendor, run } = await setUpCached();
    expect(await run(token)).toEqual({ status: 0, out: "token-1\n", err: "" });
    expect(vendor.requests).toHaveLength(1);
  });

  it("has files of mode 0600 in a folder of mode 0700", async () => {
    const { directory, file } = await setUpCached();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toHaveLength(1);
  });

  it("is stored below XDG_CACHE_HOME", () => {
    expect(cacheDirectory({ env: { XDG_CACHE_HOME: "/var/cache/me" }, homeDirectory: "/home/me" })).toBe(
      "/var/cache/me/voxtoken",
    );
  });

  it.each([
    ["another access key", token, { AWS_ACCESS_KEY_ID: "AKIDOTHER" }],
    ["another lifetime", [...token, "--ttl", "60"], {}],
    ["another account", [...token, "--account-id", "7654321"], {}],
    ["another service account", ["token", "call-history"], {}],
  ])("does not return a token that was cached for %s", async (_whom, args, env) => {
    const { run, vendor } = await setUpCached();
    expect(await run(args, { env: { VOXTOKEN_URL: vendor.url, ...env } })).toMatchObject({
      out: "token-2\n",
    });
  });

  it("does not return the token of another vendor", async () => {
    const { run, vendor } = await setUpCached();
    expect(await run([...token, "--url", vendor.url.replace("/prod", "/test")])).toMatchObject({
      out: "token-2\n",
    });
  });

  it("is neither read nor written if --no-cache is set", async () => {
    const { run, directory } = await setUpCached();
    expect(await run([...token, "--no-cache"])).toMatchObject({ out: "token-2\n" });
    expect(await run(token)).toMatchObject({ out: "token-1\n" });
    expect(await readdir(directory)).toHaveLength(1);
  });

  it("reports the token's remaining lifetime", async () => {
    const { run } = await setUpCached();
    const later = () => Date.now() + 100_000;
    const { out } = await run([...token, "--output", "json"], { now: later });
    expect((JSON.parse(out) as { expires_in: number }).expires_in).toBeLessThanOrEqual(200);
  });

  it("renews a token that is about to expire", async () => {
    const { run } = await setUpCached();
    expect(await run(token, { now: () => Date.now() + 250_000 })).toMatchObject({ out: "token-2\n" });
  });

  it("reports a failed renewal only if the command needs the new token", async () => {
    const { run } = await setUpCached(vends(), refuses(400, "invalid_request", "no"));
    const api = await startVendor([answers(200, '{"result":1}')]);
    onTestFinished(api.close);
    const later = { now: () => Date.now() + 250_000, env: { VOXIMPLANT_API_URL: api.url } };
    expect(await run(["api", "outbound-calls", "GetUsers"], later)).toMatchObject({ status: 0 });
    expect(api.requests[0]?.headers.authorization).toBe("Bearer token-1");
    expect(await run(token, later)).toMatchObject({ status: 2, out: "" });
  });

  it.each([
    ["half", [], 149_000, "token-1"],
    ["less than half", [], 151_000, "token-2"],
    ["as much as --min-ttl", ["--min-ttl", "200"], 99_000, "token-1"],
    ["less than --min-ttl", ["--min-ttl", "200"], 101_000, "token-2"],
    ["more than --min-ttl", ["--min-ttl", "10"], 180_000, "token-1"],
  ])("returns a token with %s of its lifetime left, or a new one", async (_left, args, age, expected) => {
    const { run } = await setUpCached();
    const now = () => Date.now() + age;
    expect(await run([...token, ...args], { now })).toMatchObject({ status: 0, out: `${expected}\n` });
    const handed: unknown[] = [];
    await run(["exec", "outbound-calls", ...args, "--", "report"], {
      now,
      runChild: (_command, _args, env) => {
        handed.push(env["VOXIMPLANT_ACCESS_TOKEN"]);
        return Promise.resolve(0);
      },
    });
    expect(handed).toEqual([expected]);
  });

  it.each([
    [["--ttl", "60", "--min-ttl", "61"], 0],
    [["--min-ttl", "301"], 1],
  ])("exits with 2 if --min-ttl exceeds the lifetime: %j", async (args, requests) => {
    const { run, vendor } = await setUpCli([vends()]);
    const { status, err } = await run([...token, ...args]);
    expect(status).toBe(2);
    expect(err).toMatch(/^voxtoken: --min-ttl \d+ is more than the token's lifetime of \d+ s\nhint: .*--ttl/);
    expect(vendor.requests).toHaveLength(requests);
  });

  it.each([
    ["a day", 86_400_000],
    ["a minute", 60_000],
  ])("requests a new token if the clock was set back by %s, to before the first request", async (_by, ms) => {
    const { run } = await setUpCached();
    expect(await run(token, { now: () => Date.now() - ms })).toMatchObject({ status: 0, out: "token-2\n" });
  });

  it("knows a token's age on a machine whose clock was set back in between", async () => {
    const { run } = await setUpCached();
    const uptime = 5_000_000;
    await run([...token, "--ttl", "60"], { monotonic: () => uptime });
    const later = { now: () => Date.now() + 1_000, monotonic: () => uptime + 301_000 };
    expect(await run([...token, "--ttl", "60"], later)).toMatchObject({ out: "token-3\n" });
  });

  it.each(["askedAt", "endsAt"])(
    "ignores an entry whose %s is outside the token's lifetime",
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

  it("removes expired tokens", async () => {
    const { run, directory } = await setUpCached();
    const old = join(directory, `${"0".repeat(64)}.json`);
    await writeFile(old, "{}");
    const twoHoursAgo = new Date(Date.now() - 7_200_000);
    await utimes(old, twoHoursAgo, twoHoursAgo);
    await run([...token, "--ttl", "60"]);
    expect(await readdir(directory)).not.toContain("0".repeat(64) + ".json");
  });
});

describe("a cache file that is unsafe or broken", () => {
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
  ])("is not used, with a warning, when it %s", async (_how, spoil, message) => {
    const { run, file } = await setUpCached();
    await spoil(file);
    const { status, out, err } = await run(token);
    expect({ status, out }).toEqual({ status: 0, out: "token-2\n" });
    expect(err).toMatch(message);
    expect(err).not.toContain("token-1");
  });

  it("is not used when it belongs to another user", async () => {
    const { run, file } = await setUpCached();
    const { uid } = await stat(file);
    const { out, err } = await run(token, { userId: uid + 1 });
    expect(out).toBe("token-2\n");
    expect(err).toContain(`belongs to another user (${uid})`);
  });

  it.each(["", "{", "[]", '{"version":1}', "\0"])("is ignored if it holds %j", async (content) => {
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
  ])("is not used when its folder %s, and the command still gets a token", async (_how, spoil) => {
    const { run, directory } = await setUpCached();
    await spoil(directory);
    const { status, out, err } = await run(token);
    expect({ status, out }).toEqual({ status: 0, out: "token-2\n" });
    expect(err).toMatch(/^voxtoken: warning: the token cache is not used: .*\n$/);
  });
});

describe("the lock of a cache entry", () => {
  const lockOf = (set: { file: string }) => `${set.file}.lock`;
  const held = (pid: number) => JSON.stringify({ id: "other", pid, host: hostname(), holdsMs: 120_000 });
  /** A process that has ended, and its id. */
  const ended = () => spawnSync("true").pid;

  it("is taken over at once if its process was killed", async () => {
    const set = await setUpCached();
    await rm(set.file);
    await writeFile(lockOf(set), held(ended()));
    const started = performance.now();
    expect(await set.run(token, { sleep })).toEqual({ status: 0, out: "token-2\n", err: "" });
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(await set.run(token)).toMatchObject({ out: "token-2\n" });
    expect(await readdir(set.directory)).toHaveLength(1);
  });

  it.each<[string, (lock: string) => Promise<unknown>, boolean]>([
    ["a live process", (lock) => writeFile(lock, held(process.pid)), true],
    ["an unknown process, since just now", (lock) => writeFile(lock, ""), true],
    [
      "a process of another machine, from the future",
      async (lock) => {
        await writeFile(lock, held(1).replace(hostname(), "elsewhere"));
        await utimes(lock, new Date(Date.now() + 86_400_000), new Date(Date.now() + 86_400_000));
      },
      false,
    ],
    [
      "an older version, a folder from the future",
      async (lock) => {
        await mkdir(lock);
        await utimes(lock, new Date(Date.now() + 86_400_000), new Date(Date.now() + 86_400_000));
      },
      false,
    ],
    [
      "a process whose time is over",
      async (lock) => {
        await writeFile(lock, held(process.pid));
        await utimes(lock, new Date(Date.now() - 130_000), new Date(Date.now() - 130_000));
      },
      false,
    ],
  ])("delays a command by no more than its --timeout if it is held by %s", async (_of, make, waits) => {
    const set = await setUpCached();
    await rm(set.file);
    await make(lockOf(set));
    const started = performance.now();
    const { status, out, err } = await set.run([...token, "--timeout", "2"], { sleep });
    expect(performance.now() - started).toBeLessThan(2_000);
    expect({ status, out }).toEqual({ status: 0, out: "token-2\n" });
    const warning = "voxtoken: warning: the token cache is not used: another process holds its lock\n";
    expect(err).toBe(waits ? warning : "");
  });

  it("is released by its holder, unless another process has taken it over", async () => {
    const path = join(await temporaryFolder(), "lock");
    const release = await takeLock(path, 1000, Date.now);
    expect(await takeLock(path, 1000, Date.now)).toBeUndefined();
    await writeFile(path, held(process.pid));
    await release?.();
    expect(await readFile(path, "utf8")).toBe(held(process.pid));
  });

  it("is taken over by exactly one of fifty processes", async () => {
    const path = join(await temporaryFolder(), "lock");
    await writeFile(path, held(ended()));
    const taken = await Promise.all(Array.from({ length: 50 }, () => takeLock(path, 1000, Date.now)));
    expect(taken.filter((release) => release !== undefined)).toHaveLength(1);
  });
});

describe("--timeout", () => {
  it("ends the wait for a credential process that never ends", async () => {
    const { run, homeDirectory } = await setUpCli([vends()]);
    const config = join(homeDirectory, "config");
    await writeFile(config, "[profile slow]\ncredential_process = sleep 20\n");
    const env = { AWS_CONFIG_FILE: config, AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    const started = performance.now();
    for (const args of [token, ["whoami"], ["doctor"], ["api", "outbound-calls", "GetUsers"]]) {
      const result = await run([...args, "--profile", "slow", "--timeout", "1"], { env });
      expect(result.status).toBe(1);
      expect(result.out + result.err).toContain("credentials were not found in time");
    }
    expect(performance.now() - started).toBeLessThan(8_000);
  });

  it("ends the wait for the method that api calls", async () => {
    const { run } = await setUpCli([vends()]);
    const api = await startVendor([hangs]);
    onTestFinished(api.close);
    const started = performance.now();
    const args = ["api", "outbound-calls", "StartScenarios", "--timeout", "1", "--api-url", api.url];
    expect(await run(args)).toMatchObject({ status: 1 });
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe("the token command without a usable cache", () => {
  const warning = /^voxtoken: warning: the token cache is not used: .*\n$/;

  it.each([
    ["the disk is full", "writeFile", "ENOSPC"],
    ["the lock may not be written", "open", "EACCES"],
    ["the file system is read-only", "mkdir", "EROFS"],
    ["the folder cannot be listed", "readdir", "EIO"],
  ] as const)("warns once and still prints the token if %s", async (_what, name, code) => {
    const { run } = await setUpCli([vends()]);
    failWith(name, code);
    const { status, out, err } = await run(token);
    expect({ status, out }).toEqual({ status: 0, out: "token-1\n" });
    expect(err).toMatch(warning);
    expect(err).toContain(code);
  });

  it("warns once and still prints the token if the user has no home directory", async () => {
    const { run } = await setUpCli([vends()]);
    const { status, out, err } = await run(token, { homeDirectory: undefined });
    expect({ status, out }).toEqual({ status: 0, out: "token-1\n" });
    expect(err).toMatch(warning);
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

  it("is the same for equal keys and differs for different keys", () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(cacheFileName(one) === cacheFileName(other)).toBe(same);
        expect(cacheFileName(one)).toMatch(/^[0-9a-f]{64}\.json$/);
      }),
    );
  });

  it("differs for keys whose parts join to the same string", () => {
    const base = { serviceAccount: "a", accountId: undefined, ttlSeconds: undefined };
    const one = cacheFileName({ ...base, urls: ["ab"], identity: ["c"] });
    expect(one).not.toBe(cacheFileName({ ...base, urls: ["a"], identity: ["bc"] }));
    expect(one).not.toBe(cacheFileName({ ...base, urls: ["ab", "c"], identity: [] }));
  });
});
