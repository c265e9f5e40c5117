import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { LOCAL_ACCOUNT } from "../../local/credentials.ts";
import { startSecretsManager } from "../../local/secrets-manager/server.ts";

const root = resolve(import.meta.dirname, "../..");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "start-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
});

interface Run {
  readonly child: ChildProcess;
  output(): string;
  readonly status: Promise<unknown>;
}

function run(script: string, ...args: string[]): Run {
  const env = { ...process.env, AWS_ENDPOINT_URL_SECRETS_MANAGER: "" };
  child = spawn(process.execPath, ["--import", "tsx", join(root, "local", script), ...args], {
    cwd: root,
    env,
  });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, status: once(child, "close").then(([status]) => status as unknown) };
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe("npm start", () => {
  it("prints every address and what to try, and stops cleanly on a signal", async () => {
    const start = run("start.ts", "--port", "0");
    while (!start.output().includes("Press Ctrl-C to stop.")) {
      await Promise.race([once(start.child.stdout ?? start.child, "data"), start.status]);
      expect(start.child.exitCode).toBeNull();
    }
    const url = /^Gateway +(http:\/\/127\.0\.0\.1:\d+)$/m.exec(start.output())?.[1] ?? "";
    expect((await fetch(url)).status).toBe(403);
    expect(start.output()).toContain(`-X POST ${url}/v1/service-accounts/`);
    start.child.kill("SIGTERM");
    expect(await start.status).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it("answers CreateKey in the shape, and describes secrets with the replicas, that its flags name", async () => {
    const start = run(
      "start.ts",
      ...["--port", "0", "--create-key-shape", "array", "--replica-region", "eu-west-1"],
    );
    while (!start.output().includes("Press Ctrl-C to stop.")) {
      await Promise.race([once(start.child.stdout ?? start.child, "data"), start.status]);
      expect(start.child.exitCode).toBeNull();
    }
    const address = (what: string) => new RegExp(`^${what} +(http\\S+)`, "m").exec(start.output())?.[1] ?? "";
    const { accountId, apiKey } = LOCAL_ACCOUNT;
    const key = await fetch(
      `${address("Management API")}/CreateKey?account_id=${accountId}&api_key=${apiKey}&key_name=x`,
    );
    expect(await key.json()).toMatchObject({ result: [{ account_id: accountId }] });
    const secret = await fetch(address("Secrets Manager"), {
      method: "POST",
      headers: { "X-Amz-Target": "secretsmanager.DescribeSecret" },
      body: JSON.stringify({ SecretId: "voximplant/outbound-calls" }),
    });
    expect(await secret.json()).toMatchObject({
      ReplicationStatus: [{ Region: "eu-west-1", Status: "InSync" }],
    });
  });

  it("reports in one line that a port is in use", async () => {
    const { port, close } = await startSecretsManager();
    const start = run("start.ts", "--port", String(port), "--secrets-port", "0", "--voximplant-port", "0");
    expect(await start.status).toBe(1);
    expect(start.output()).toBe(
      `Port ${port} for the gateway (--port) is in use: stop the program that uses it, or choose another port.\n`,
    );
    await close();
  });

  it.each([
    ["--grants", "grants.yml", "serviceAccounts: {}\ngrants: nobody\n", 1, /^\S*grants\.yml:\d+/],
    ["--identities", "identities.json", "[]", 1, /identities\.json:  ?must name one identity at least/],
    ["--port", "x", "", 2, /^--port must be a port from 0 to 65535, not ".*x"\.\n\nUsage: /],
    ["--create-key-shape", "x", "", 2, /^--create-key-shape must be object or array, not ".*x"\.\n\nUsage: /],
    ["--grant", "x", "", 2, /^Unknown option '--grant'/],
  ])("reports the problem with %s %s, without a stack trace", async (flag, name, text, status, message) => {
    const start = run("start.ts", "--port", "0", flag, await file(name, text));
    expect(await start.status).toBe(status);
    expect(start.output()).toMatch(message);
    expect(start.output()).not.toMatch(/^ +at /m);
  });

  it("names a file that does not exist", async () => {
    const start = run("start.ts", "--port", "0", "--identities", join(folder, "nowhere.json"));
    expect(await start.status).toBe(1);
    expect(start.output()).toMatch(/nowhere\.json: cannot be read: ENOENT/);
  });
});

describe("npm run demo", () => {
  it("shows the main use and exits with 0, without printing a token or a key", async () => {
    const demo = run("demo.ts");
    expect(await demo.status).toBe(0);
    const output = demo.output();
    for (const shown of [
      "role/billing-worker",
      '"alg": "RS256"',
      "access_denied",
      "unknown_key",
      "access_entries",
    ]) {
      expect(output).toContain(shown);
    }
    const long = stripVTControlCharacters(output)
      .split("\n")
      .filter((line) => line.length > 80 && !line.includes("token_sha256"));
    expect(long).toEqual([]);
    // Neither a JWT's signature nor a PEM is anything but a long run of such characters.
    expect(output).not.toMatch(/[A-Za-z0-9+/_-]{100}/);
    expect(output).not.toMatch(/warning|deprecat/i);
  });
});
