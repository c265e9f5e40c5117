import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type voximplant from "@voximplant/apiclient-nodejs";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import identities from "../../local/identities.json" with { type: "json" };
import { startStack, type Stack } from "../../local/stack.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";

const require = createRequire(import.meta.url);
const { default: VoximplantApiClient } = require("@voximplant/apiclient-nodejs") as typeof voximplant;

const noPythonClient = spawnSync("python3", ["-c", "import voximplant.apiclient"]).status !== 0;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(async () => {
  delete process.env["AWS_ACCESS_KEY_ID"];
  delete process.env["AWS_SECRET_ACCESS_KEY"];
  delete process.env["AWS_SESSION_TOKEN"];
  await stack.close();
});
const tokenCalls = () => stack.gateway.calls.filter(({ method }) => method === "POST").length;

async function temporaryFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "serve-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "voximplant.json");
}

/** `voxtoken serve call-history`, as the docs say, until the test ends. */
const serve = (file: string, ...flags: string[]) =>
  serveAs("user/ops/alice", ["call-history", "--credentials", file, ...flags]);

async function serveAs(who: string, args: readonly string[]) {
  const identity = identities.find(({ userArn }) => userArn.includes(`:${who}`));
  process.env["AWS_ACCESS_KEY_ID"] = identity?.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = identity?.secretAccessKey;
  if (identity?.sessionToken) process.env["AWS_SESSION_TOKEN"] = identity.sessionToken;
  else delete process.env["AWS_SESSION_TOKEN"];
  let stop: () => void = () => undefined;
  const io = fakeIo({
    env: {
      VOXTOKEN_URL: stack.url,
      VOXIMPLANT_API_URL: stack.managementApi.apiUrl,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: process.env["AWS_ACCESS_KEY_ID"],
      AWS_SECRET_ACCESS_KEY: process.env["AWS_SECRET_ACCESS_KEY"],
    },
    fetch: globalThis.fetch,
    now: Date.now,
    onInterrupt: (listener) => {
      stop = listener;
      return () => undefined;
    },
  });
  const status = runVoxtoken(["serve", "--port", "0", ...args], io);
  const run = { hasEnded: false };
  void status.then(() => (run.hasEnded = true));
  while (!run.hasEnded && !io.out().includes("credentials file"))
    await new Promise((resolve) => setTimeout(resolve, 10));
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(io.out())?.[0] ?? "";
  const end = () => {
    stop();
    return status;
  };
  onTestFinished(async () => {
    await end();
  });
  return { io, url, status, end };
}

/**
 * The official client can only speak https: these two lines of docs/clients.md point it to voxtoken
 * serve.
 */
function pointClientTo(url: string): void {
  interface Axios {
    interceptors: {
      request: { use(change: (config: { url: string }) => object): number; eject(id: number): void };
    };
  }
  const { interceptors } = createRequire(require.resolve("@voximplant/apiclient-nodejs"))("axios") as Axios;
  const id = interceptors.request.use((config) => ({ ...config, url: `${url}/platform_api` }));
  onTestFinished(() => {
    interceptors.request.eject(id);
  });
}

describe("an official client, unmodified, through voxtoken serve", () => {
  it("makes a simple and a paged call in Node without a key or a token of its own", async () => {
    const file = await temporaryFile();
    const { url, io } = await serve(file);
    pointClientTo(url);
    const client = await new Promise<InstanceType<typeof VoximplantApiClient>>((resolve) => {
      const made = new VoximplantApiClient({ pathToCredentials: file });
      made.onReady = () => {
        resolve(made);
      };
    });
    const { result } = await client.Accounts.getAccountInfo({});
    expect(result.accountId).toBe(1234567);
    const pages = await Promise.all([0, 1].map((offset) => client.RoleSystem.getKeys({ offset, count: 1 })));
    expect(pages.map(({ result: keys }) => keys.length)).toEqual([1, 1]);
    expect(stack.managementApi.calls.at(-1)).toMatchObject({ by: "token" });
    expect(io.out().match(/POST \/platform_api 200/g)).toHaveLength(3);
    expect(io.out() + io.err()).not.toMatch(/eyJ|PRIVATE/);
  });

  it("calls methods for a role that gets no token, and no other methods", async () => {
    const file = await temporaryFile();
    const { url, io } = await serveAs("assumed-role/dialer/", ["outbound-calls", "--credentials", file]);
    expect(io.out()).toContain("Serving calls of GetCall*, Local*, StartScenarios for outbound-calls");
    pointClientTo(url);
    const client = await new Promise<InstanceType<typeof VoximplantApiClient>>((resolve) => {
      const made = new VoximplantApiClient({ pathToCredentials: file });
      made.onReady = () => {
        resolve(made);
      };
    });
    const tokens = tokenCalls();
    const started = await client.Scenarios.startScenarios({ ruleId: 1, scriptCustomData: "+49 30 123" });
    expect(started.result).toBe(1);
    expect(stack.managementApi.calls.at(-1)).toMatchObject({
      method: "StartScenarios",
      token: { sub: "arn:aws:iam::111122223333:role/dialer" },
    });
    const calls = stack.managementApi.calls.length;
    const refusal: unknown = await client.RoleSystem.createKey({}).catch((error: unknown) => error);
    expect(String(refusal)).toContain("status code 403");
    expect(stack.managementApi.calls).toHaveLength(calls);
    expect(tokenCalls() - tokens).toBe(2);
  });

  it.skipIf(noPythonClient)("runs in Python as well (needs voximplant-apiclient for python3)", async () => {
    const file = await temporaryFile();
    const { url } = await serve(file);
    const { host } = new URL(url);
    const program = `
import requests
from voximplant.apiclient import VoximplantAPI
post = requests.post
requests.post = lambda url, **rest: post(url.replace("https://127.0.0.1", "http://127.0.0.1", 1), **rest)
print(VoximplantAPI("${file}", endpoint="${host}").get_account_info()["result"]["account_id"])`;
    const { stdout } = await promisify(execFile)("python3", ["-c", program]);
    expect(stdout).toBe("1234567\n");
  });

  it("needs one token for 200 requests at once", async () => {
    const file = await temporaryFile();
    const before = tokenCalls();
    const { url } = await serve(file, "--quiet");
    const { key_id, private_key, account_id } = JSON.parse(await readFile(file, "utf8")) as {
      key_id: string;
      private_key: string;
      account_id: number;
    };
    const jwt = createRequire(require.resolve("@voximplant/apiclient-nodejs"))("jsonwebtoken") as {
      sign(payload: object, key: string, options: object): string;
    };
    const iat = Math.floor(Date.now() / 1000);
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const token = jwt.sign({ iss: account_id, iat, exp: iat + 64 }, private_key, {
          algorithm: "RS256",
          header: { kid: key_id },
        });
        const response = await fetch(`${url}/platform_api/GetAccountInfo`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}` },
        });
        return ((await response.json()) as { result?: { account_id: number } }).result?.account_id;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([1234567]));
    expect(tokenCalls() - before).toBe(1);
  });
});

describe("the credentials file of voxtoken serve", () => {
  it("has mode 0600, replaces an earlier run's file, and is removed at the end", async () => {
    const file = await temporaryFile();
    const first = await serve(file);
    const content = await readFile(file, "utf8");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await first.end();
    await expect(stat(file)).rejects.toThrow("ENOENT");
    await writeFile(file, content);
    const second = await serve(file);
    expect(await readFile(file, "utf8")).not.toBe(content);
    expect(await second.end()).toBe(0);
  });

  it("is not touched if it may be a real key", async () => {
    const file = await temporaryFile();
    await writeFile(file, '{"private_key":"…"}');
    await chmod(file, 0o600);
    const { status, io } = await serve(file);
    expect(await status).toBe(1);
    expect(io.err()).toContain("exists, and was not written by voxtoken serve");
    expect(await readFile(file, "utf8")).toBe('{"private_key":"…"}');
  });
});

it.each(["SIGTERM", "SIGINT"] as const)(
  "voxtoken serve removes the credentials file and exits with 0 on %s",
  async (signal) => {
    const file = await temporaryFile();
    const child = spawn(
      process.execPath,
      ["dist/cli/voxtoken.js", "serve", "call-history", "--credentials", file, "--port", "0"],
      {
        env: {
          ...process.env,
          VOXTOKEN_URL: stack.url,
          VOXIMPLANT_API_URL: stack.managementApi.apiUrl,
          AWS_REGION: "us-east-1",
        },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    expect((await stat(file)).size).toBeGreaterThan(0);
    child.kill(signal);
    expect(await ended).toEqual([0, null]);
    await expect(stat(file)).rejects.toThrow("ENOENT");
  },
);

it("voxtoken serve reports a missing grant or a port in use before it starts", async () => {
  const file = await temporaryFile();
  const { url } = await serve(file);
  const port = new URL(url).port;
  const taken = await serve(await temporaryFile(), "--port", port);
  expect(await taken.status).toBe(1);
  expect(taken.io.err()).toContain(`port ${port} is in use`);
  const refused = await serve(await temporaryFile(), "--account-id", "999");
  expect(await refused.status).toBe(3);
  expect(refused.io.err()).toContain("access_denied");
});
