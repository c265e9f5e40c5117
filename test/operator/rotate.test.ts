import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { runVoxtoken } from "../fakes/voxtoken.ts";
import { createReconciliationHandler } from "../../lib/reconciliation/handler.ts";
import type { Fault } from "../../local/fault.ts";
import { ROLES_TAG } from "../../lib/key-lifecycle/roles.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { createSecretsManager } from "../../local/secrets-manager/in-process.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { fakeIo } from "../fakes/io.ts";
import { type LambdaApi, startLambdaApi } from "../fakes/lambda-api.ts";
import {
  ACCOUNT,
  GRACE_MS,
  operatorEnv,
  policyFor,
  startWorld,
  type World,
  type WorldOptions,
  writeGrants,
} from "../key-lifecycle/world.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

let world: World;
let folder: string;
let lambda: LambdaApi | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rotate-"));
});
afterEach(async () => {
  await lambda?.close();
  lambda = undefined;
  await world.close();
  await rm(folder, { recursive: true });
});

/** A world in which Secrets Manager calls the rotation function, and rotation is switched on. */
async function start(options: WorldOptions = {}) {
  world = await startWorld({
    http: true,
    ...options,
    rotate: (event) => rotateKey(world.ports, policyFor(), event),
  });
  world.secret().rotation = {
    enabled: true,
    lambdaArn: "arn:aws:lambda:us-east-1:111122223333:function:rotate",
    rules: {},
  };
}

async function voxtoken(...args: string[]) {
  return voxtokenWith({}, ...args);
}

async function voxtokenWith(env: Readonly<Record<string, string>>, ...args: string[]) {
  const io = fakeIo({
    env: { ...operatorEnv(world), ...(lambda && { AWS_ENDPOINT_URL_LAMBDA: lambda.url }), ...env },
    fetch: globalThis.fetch,
    now: () => world.clock.now,
    sleep: async (ms) => {
      world.clock.now += ms;
      await world.secrets.rotationsSettled();
    },
  });
  const status = await runVoxtoken(["admin", ...args, "--grants", await writeGrants(folder)], io);
  return { status, out: io.out(), err: io.err() };
}

describe("voxtoken admin rotate", () => {
  it("starts a rotation, waits until it is done, and reports how long the old key stays", async () => {
    await start();
    const first = world.keyWith("AWSCURRENT");
    const { status, out, err } = await voxtoken("rotate", "outbound-calls", "--now");
    expect({ status, out }).toMatchObject({
      status: 0,
      out: expect.stringContaining("is current") as string,
    });
    expect(err).toContain("The old key works until its grace is over.");
    expect(err).toMatch(
      /If it has leaked, revoke it now\..*\n {2}voxtoken admin revoke outbound-calls --key KEY_ID\n$/,
    );
    expect(world.keyWith("AWSPREVIOUS")).toBe(first);
    await world.useCurrentKey();
  });

  it("waits for the label if the first reads are from before the rotation", async () => {
    await start({ secretsManager: { readLagMs: 5_000 } });
    world.clock.now += 60_000;
    const first = world.keyWith("AWSCURRENT");
    const { status, err } = await voxtoken("rotate", "outbound-calls", "--now");
    expect(err).not.toContain("abandoned");
    expect(status).toBe(0);
    expect(world.keyWith("AWSPREVIOUS")).toBe(first);
  });

  it("continues a rotation that was interrupted", async () => {
    let broken = true;
    await start({ fault: (method) => (broken && method === "SetKeyRoles" ? platformFault(104) : undefined) });
    expect(await voxtoken("rotate", "outbound-calls", "--now", "--timeout", "4")).toMatchObject({
      status: 1,
      err: expect.stringContaining("not ended after 4 s") as string,
    });
    broken = false;
    const { status, err } = await voxtoken("rotate", "outbound-calls", "--now");
    expect(status).toBe(0);
    expect(err).toContain("It continues with version");
    expect(world.platform.keys.size).toBe(2);
  });

  it("does not take the current version for the new one if reads are from before a scheduled rotation", async () => {
    await start({ secretsManager: { readLagMs: 3_000 } });
    await voxtoken("rotate", "outbound-calls", "--now");
    world.clock.now += 60_000;
    const before = world.keyWith("AWSCURRENT");
    world.stagePending();
    world.clock.now += 1_000;
    const { status } = await voxtoken("rotate", "outbound-calls", "--now");
    expect({ status, isRotated: world.keyWith("AWSCURRENT") !== before }).toEqual({
      status: 0,
      isRotated: true,
    });
  });

  it.each<[string, Fault]>([
    ["RotateSecret", { drop: "after" }],
    ["DescribeSecret", { status: 500, body: '{"__type":"InternalServiceError"}' }],
  ])("does not say that nothing was rotated if %s fails once it has started", async (broken, fault) => {
    let isStarted = false;
    await start({
      secretsFault: (operation) => {
        isStarted ||= operation === "RotateSecret";
        return isStarted && operation === broken ? fault : undefined;
      },
    });
    const { status, err } = await voxtoken("rotate", "outbound-calls", "--now");
    expect(status).toBe(1);
    expect(err).not.toContain("not rotated");
    expect(err).toContain("it is not known whether the key was rotated: ");
    expect(err).toContain("\nhint: `voxtoken admin keys` shows the current key");
  });

  it.each([
    [
      "a secret without a rotation function",
      async () => {
        await start();
        delete world.secret().rotation;
      },
      ["--now"],
      1,
      "set rotate: all in serverless.yml",
    ],
    [
      "a secret that is scheduled for deletion",
      async () => {
        await start();
        await world.secrets.call("DeleteSecret", { SecretId: world.secret().arn });
      },
      ["--now"],
      1,
      "`aws secretsmanager restore-secret --secret-id NAME`",
    ],
    [
      "a secret without a key",
      async () => start({ serviceAccounts: [], emptySecrets: ["outbound-calls"] }),
      ["--now"],
      1,
      "voxtoken admin import",
    ],
    ["without --now if there is no terminal to confirm on", async () => start(), [], 2, "add --now"],
  ])("does not rotate %s", async (_, prepare, flags, expectedStatus, message) => {
    await prepare();
    const { status, err } = await voxtoken("rotate", "outbound-calls", ...flags);
    expect(status).toBe(expectedStatus);
    expect(err).toContain(message);
  });
});

describe("in a deployment, where an operator may not read the keys", () => {
  async function deploy() {
    const ports = {
      ...world.ports,
      policy: policyFor(),
      writeLine: () => undefined,
      deployment: "vendor-prod",
    };
    lambda = await startLambdaApi({ "vendor-prod-reconcile-keys": createReconciliationHandler(ports) });
    return lambda;
  }
  const deployment = ["--deployment", "vendor-prod"];

  it("keys asks the reconciliation function", async () => {
    await start();
    await deploy();
    const { status, out } = await voxtoken("keys", ...deployment);
    expect(status).toBe(0);
    expect(out).toContain(world.keyWith("AWSCURRENT"));
  });

  it("keys --accept-roles has the function record the current roles", async () => {
    await start();
    await deploy();
    const { status, err } = await voxtoken("keys", "--accept-roles", "outbound-calls", ...deployment);
    expect({ status, err }).toEqual({
      status: 0,
      err: "Recorded for outbound-calls: Developer, Support.\n",
    });
    expect(world.secret().tags).toEqual([{ Key: ROLES_TAG, Value: "3:5" }]);
  });

  it.each([
    ["region", { AWS_REGION: "", AWS_CONFIG_FILE: "/nonexistent" }, 2, "voxtoken: no AWS region\n"],
    ["credentials", { AWS_ACCESS_KEY_ID: "", AWS_PROFILE: "missing" }, 1, "redentials"],
  ])("keys --accept-roles knows that it sent nothing if there is no %s", async (_, env, status, message) => {
    await start();
    await deploy();
    const ran = await voxtokenWith(env, "keys", "--accept-roles", "outbound-calls", ...deployment);
    expect(ran).toMatchObject({ status, err: expect.stringContaining(message) as string });
    expect(ran.err).not.toContain("not known");
  });

  it("keys reports a missing --deployment, and a failure of the function", async () => {
    await start();
    await deploy();
    expect(await voxtoken("keys")).toMatchObject({
      status: 1,
      err: expect.stringContaining("--deployment SERVICE-STAGE") as string,
    });
    world.platform.keys.clear();
    const accept = await voxtoken("keys", "--accept-roles", "outbound-calls", ...deployment);
    expect(accept).toMatchObject({
      status: 1,
      err: expect.stringContaining("its log: /aws/lambda/vendor-prod-reconcile-keys") as string,
    });
  });
});

describe("revoke, in a deployment,", () => {
  const revoke = (functionName: string, run: (event: unknown) => Promise<unknown>) =>
    startLambdaApi({ [`${functionName}-reconcile-keys`]: run }).then((api) => {
      lambda = api;
      return voxtoken("revoke", "outbound-calls", "--key", "leaked", "--yes", "--deployment", "vendor-prod");
    });
  const failing = (name: string, message: string) =>
    revoke("vendor-prod", () => Promise.reject(Object.assign(new Error(message), { name })));

  it("knows that nothing was sent if there is no such function", async () => {
    await start();
    const { status, err } = await revoke("another", () => Promise.resolve());
    expect(status).toBe(1);
    expect(err).toContain(
      "voxtoken: there is no function vendor-prod-reconcile-keys\nhint: give --deployment",
    );
    expect(err).not.toContain("may have continued");
  });

  it.each([
    ["the function fails", "KeyLifecycleError", "no."],
    ["Lambda ends the function", "Sandbox.Timedout", "Task timed out after 600.00 seconds"],
  ])("says that it may have continued if %s", async (_, name, message) => {
    await start();
    const { status, err } = await failing(name, message);
    expect(status).toBe(1);
    expect(err).toContain(
      `vendor-prod-reconcile-keys: ${message.replace(/\.$/, "")}. The revocation may have continued, but nothing is proved`,
    );
    expect(err).toContain("hint: run it again: voxtoken admin revoke outbound-calls --key leaked");
  });
});

it("a rollback that Lambda ended is not known to have failed", async () => {
  await start();
  const timedOut = Object.assign(new Error("Task timed out after 600.00 seconds"), {
    name: "Sandbox.Timedout",
  });
  lambda = await startLambdaApi({ "vendor-prod-reconcile-keys": () => Promise.reject(timedOut) });
  const { status, err } = await voxtoken("rollback", "outbound-calls", "--deployment", "vendor-prod");
  expect(status).toBe(1);
  expect(err).toContain("it is not known whether the previous key is current again: ");
  expect(err).toContain("a second rollback undoes the first");
});

it.each([
  [["rotate", "--revoke", "--now"], 90],
  [["rotate", "--revoke", "--now", "--timeout", "200"], 200],
  [["rotate", "--revoke", "--now", "--timeout", "400"], 300],
  [["revoke", "--yes"], 90],
])("%j gives the replacement of a leaked key %i seconds", async (command, timeoutSeconds) => {
  await start();
  const commands: unknown[] = [];
  lambda = await startLambdaApi({
    "vendor-prod-reconcile-keys": (event) => {
      commands.push(event);
      return Promise.resolve({ keyId: "leaked" });
    },
  });
  await voxtoken(...command, "outbound-calls", "--deployment", "vendor-prod");
  expect(commands).toContainEqual(expect.objectContaining({ command: "revoke", timeoutSeconds }));
});

describe("${stage} in the name of a secret", () => {
  it.each([
    [["--deployment", "vendor-prod"], {}, "voximplant/prod/outbound-calls"],
    [["--deployment", "voximplant-token-vendor-eu-1"], {}, "voximplant/eu-1/outbound-calls"],
    [[], { VOXTOKEN_DEPLOYMENT: "voximplant-token-vendor-test" }, "voximplant/test/outbound-calls"],
    [[], {}, "voximplant/dev/outbound-calls"],
    [["--deployment", "vendor-prod"], "on this machine", "voximplant/local/outbound-calls"],
  ])("is the deployment's stage: %j with %j", async (flags, env, secret) => {
    world = await startWorld({ http: true });
    const file = await writeGrants(folder);
    await writeFile(file, (await readFile(file, "utf8")).replace("voximplant/", "voximplant/${stage}/"));
    const { AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint, ...common } = operatorEnv(world);
    const io = fakeIo({
      env: typeof env === "string" ? operatorEnv(world) : { ...common, ...env },
      // Elsewhere than on this machine, by the name of the endpoint; the requests go there all the
      // same.
      awsClient: {
        maxAttempts: 1,
        requestHandler: createSecretsManager({ secrets: {}, now: () => new Date() }).requestHandler,
      },
    });
    expect(endpoint).toContain("127.0.0.1");
    const args = ["admin", "rotate", "outbound-calls", "--now", "--grants", file, ...flags];
    expect(await runVoxtoken(args, io)).toBe(1);
    expect(io.err()).toContain(`There is no secret ${secret} `);
  });
});

describe("voxtoken admin keys", () => {
  it("lists each key with its state and its owner", async () => {
    await start();
    await voxtoken("rotate", "outbound-calls", "--now");
    world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "evil\u001b[2J", roles: ["Owner"] });
    const { status, out } = await voxtoken("keys", "--direct");
    expect(status).toBe(0);
    const lines = out.trim().split("\n");
    expect(lines[0]).toMatch(/^STATE +KEY +AGE +OWNER OR NAME$/);
    expect(lines[1]).toMatch(/^unknown .* - +evil\?\[2J$/);
    expect(lines[2]).toMatch(/^current .* 0 min +outbound-calls$/);
    expect(lines[3]).toMatch(/^superseded .* until 14:06Z +outbound-calls$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("lists the keys as JSON, without a control character of a key's name", async () => {
    await start();
    world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "evil\u009b2J\u007f" });
    const { out } = await voxtoken("keys", "--direct", "--output", "json");
    expect(JSON.parse(out)).toMatchObject([
      { accountId: ACCOUNT, state: "current", serviceAccount: "outbound-calls" },
      { name: "evil\u009b2J\u007f" },
    ]);
    expect(out).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it("shows the date of a deletion that is a day away or more, or was due then", async () => {
    await start();
    await voxtoken("rotate", "outbound-calls", "--now");
    const due = world.clock.now + GRACE_MS;
    world.clock.now += 30 * 3_600_000;
    const { out } = await voxtoken("keys", "--direct");
    expect(new Date(due).toISOString()).toMatch(/^2026-11-24/);
    expect(out).toMatch(/superseded .* until Nov 24 +outbound-calls/);
  });
});
