import { randomUUID } from "node:crypto";

import { afterEach, describe, expect, it } from "vitest";

import type { Log } from "../../lib/audit/log.ts";
import { keyName } from "../../lib/key-lifecycle/key-label.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import type { Fault } from "../../local/fault.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  policyFor,
  startWorld,
  type World,
  type WorldOptions,
} from "../key-lifecycle/world.ts";

const VERSION = "11111111-1111-4111-8111-111111111111";
const TWO = { "outbound-calls": {}, "call-history": {} };

let world: World;
let logged: Parameters<Log>[];
afterEach(() => world.close());

async function start(options: WorldOptions = {}) {
  logged = [];
  world = await startWorld(options);
  world.stagePending(VERSION);
}

/** Runs createSecret for the version that is pending. */
function createSecret(store: Partial<SecretStore> = {}, policy = policyFor()) {
  const all = { ...world.ports.store, ...store };
  const log: Log = (...line) => void logged.push(line);
  return rotateKey({ ...world.ports, store: all, readSecret: secretReader(all), log }, policy, {
    Step: "createSecret",
    SecretId: world.secret().arn,
    ClientRequestToken: VERSION,
  });
}

const key = (label = "AWSCURRENT", name?: string) => world.keyWith(label, name) ?? "";
const keys = () => [...world.platform.keys.keys()];
const addKey = (name?: string) =>
  world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), ...(name !== undefined && { name }) }).keyId;
/** A key with the name that this function gives to a key of the pending version. */
const addLeftover = () => addKey(keyName(world.secret().arn, VERSION));
const methods = () => world.platform.calls.map(({ method }) => method);
const bindRule = (bindKeyId: string) => {
  const rule = world.platform.rules.get(1);
  if (rule === undefined) throw new Error("no rule");
  rule.bindKeyId = bindKeyId;
};

/** Completes a rotation. @returns the key that is superseded by it */
async function supersede(name = "outbound-calls"): Promise<string> {
  const superseded = key("AWSCURRENT", name);
  for (const event of world.stagePending(randomUUID(), name))
    await rotateKey(world.ports, policyFor(TWO), event);
  return superseded;
}

describe("createSecret waits until the platform", () => {
  it.each([
    ["accepts a token of the new key", { acceptanceMs: 2_500 }],
    ["finds the new key by its id", { lookupMs: 2_500 }],
    ["lists the new key", { listMs: 2_500 }],
  ])("%s", async (_, lag) => {
    await start({ lag });
    const startedAt = world.clock.now;
    await createSecret();
    expect(world.clock.now - startedAt).toBe(3_000);
  });

  it("knows the key, also in an attempt that finds it in the version", async () => {
    await start({ lag: { listMs: 90_000 } });
    const startedAt = world.clock.now;
    const failure: unknown = await createSecret().catch((error: unknown) => error);
    expect(failure).toMatchObject({
      name: "KeyLifecycleError",
      message: `The platform does not list the new key ${key("AWSPENDING")} yet. The next attempt may succeed.`,
    });
    await createSecret();
    expect(world.clock.now - startedAt).toBe(90_000);
    expect(keys()).toHaveLength(2);
  });

  it("knows the key, but not if it fails for another reason", async () => {
    await start();
    world.faults.platform = (method) => (method === "GetKeyRoles" ? platformFault(104) : undefined);
    const startedAt = world.clock.now;
    await expect(createSecret()).rejects.toMatchObject({ name: "VoximplantError", code: 104 });
    expect(world.clock.now).toBe(startedAt);
  });
});

describe("if another run stores a key first, createSecret", () => {
  /** The other run's key. */
  let faster: string;
  /** As if the other run called PutSecretValue just before this one. */
  const putVersion: SecretStore["putVersion"] = async (put) => {
    const pem = rsaPem();
    faster = world.platform.addKey({ accountId: ACCOUNT, pem }).keyId;
    await world.ports.store.putVersion({ ...put, value: credentialsFile(faster, pem) });
    return world.ports.store.putVersion(put);
  };

  it("deletes its own key, and waits until the platform knows the other one", async () => {
    await start();
    world.faults.platform = (method, n) =>
      method === "GetAccountInfo" && n <= 2 ? platformFault(433) : undefined;
    const startedAt = world.clock.now;
    await createSecret({ putVersion });
    expect(world.clock.now - startedAt).toBe(3_000);
    expect(key("AWSPENDING")).toBe(faster);
    expect(keys()).toEqual([key(), faster]);
    expect(logged).toEqual([
      [
        "warn",
        expect.stringMatching(/^Another run of this step stored a key first\. Deleted key \S+\.$/),
        { key_id: expect.any(String) as string },
      ],
    ]);
    expect(logged[0]?.[2]?.["key_id"]).not.toBe(faster);
  });

  it("leaves the wait to the next attempt if the version cannot be read yet", async () => {
    await start();
    await createSecret({
      putVersion,
      readVersion: (arn, versionId) =>
        versionId === VERSION ? Promise.resolve(undefined) : world.ports.store.readVersion(arn, versionId),
    });
    expect(key("AWSPENDING")).toBe(faster);
    expect(methods()).toEqual(["CreateKey", "DeleteKey"]);
  });
});

describe("if AWS refuses to store the new key, createSecret", () => {
  const accessDenied: Fault = {
    status: 400,
    body: JSON.stringify({ __type: "AccessDeniedException", Message: "Access to KMS is not allowed" }),
  };
  const startDenied = async (fault: Fault) => {
    await start();
    world.faults.secrets = (operation) => (operation === "PutSecretValue" ? fault : undefined);
  };

  it("deletes the key, and fails with the reason", async () => {
    await startDenied(accessDenied);
    await expect(createSecret()).rejects.toThrow("Access to KMS is not allowed");
    expect(keys()).toEqual([key()]);
  });

  it("fails with the reason, and names the key, if the key cannot be deleted", async () => {
    await startDenied(accessDenied);
    world.faults.platform = (method) => (method === "DeleteKey" ? platformFault(104) : undefined);
    const failure = await createSecret().catch((error: unknown) => error);
    const [, left] = keys();
    expect(String(failure)).toMatch(
      new RegExp(
        `Access to KMS is not allowed.* The new key ${left} may still exist: Voximplant refused DeleteKey`,
      ),
    );
  });

  it("keeps the key if the answer was lost, because the key may be stored", async () => {
    await startDenied({ drop: "after" });
    await expect(createSecret()).rejects.toThrow();
    expect(keys()).toEqual([key(), key("AWSPENDING")]);
  });
});

describe("at the limit of keys (error 437), createSecret deletes", () => {
  it("keys of its own version that no version holds, and moves their rules to the current key", async () => {
    await start({ keyLimit: 3 });
    const leftovers = [addLeftover(), addLeftover()];
    bindRule(leftovers[1] ?? "");
    await createSecret();
    expect(keys()).toEqual([key(), key("AWSPENDING")]);
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(key());
    expect(logged.filter(([, message]) => !message.startsWith("Rule "))).toEqual(
      leftovers.map((keyId) => [
        "info",
        `Deleted key ${keyId} to make room: it is no longer needed.`,
        { key_id: keyId },
      ]),
    );
  });

  it("superseded keys as soon as their grace is over", async () => {
    await start({ keyLimit: 2 });
    const superseded = await supersede();
    world.clock.now += GRACE_MS;
    world.stagePending(VERSION);
    await createSecret();
    expect(keys()).toEqual([key(), key("AWSPENDING")]);
    expect(keys()).not.toContain(superseded);
  });

  it("such keys also if another service account has the same current key", async () => {
    await start({ keyLimit: 2, emptySecrets: ["call-history"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret("call-history").arn,
      SecretString: world.fileWith(key()),
    });
    const leftover = addLeftover();
    await createSecret({}, policyFor({ "call-history": {}, "outbound-calls": {} }));
    expect(keys()).toEqual([key(), key("AWSPENDING")]);
    expect(keys()).not.toContain(leftover);
  });

  it("such keys also if the secret of another service account does not exist yet", async () => {
    await start({ keyLimit: 2 });
    const leftover = addLeftover();
    await createSecret({}, policyFor({ "call-history": {}, "outbound-calls": {} }));
    expect(keys()).toEqual([key(), key("AWSPENDING")]);
    expect(keys()).not.toContain(leftover);
  });

  it("nothing if CreateKey fails for another reason", async () => {
    await start();
    addLeftover();
    world.faults.platform = (method) => (method === "CreateKey" ? platformFault(104) : undefined);
    await expect(createSecret()).rejects.toMatchObject({ name: "VoximplantError", code: 104 });
    expect(keys()).toHaveLength(2);
  });

  it("nothing if another run has stored a key meanwhile", async () => {
    await start({ keyLimit: 2 });
    const leftover = addLeftover();
    let reads = 0;
    const stored = { versionId: VERSION, value: "a key of the other run", createdAt: 0 };
    await createSecret({
      readVersion: (arn, versionId) =>
        versionId === VERSION && ++reads > 1
          ? Promise.resolve(stored)
          : world.ports.store.readVersion(arn, versionId),
    });
    expect(keys()).toContain(leftover);
  });
});

describe("at the limit of keys (error 437), createSecret fails and deletes nothing if", () => {
  const limit = (count: number) =>
    `The Voximplant account holds ${count} keys, which is its limit, and none of them is known to be unused.`;
  const remedy = "See `voxtoken admin keys`, delete an unused key in the control panel, and rotate again.";

  /** @param until when a key can be deleted */
  async function expectNoDeletion(policy = policyFor(), until?: number) {
    const before = keys();
    const soon =
      until === undefined
        ? ""
        : ` A key of this service account can be deleted from ${new Date(until).toISOString()} on.`;
    await expect(createSecret({}, policy)).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: `${limit(before.length)}${soon} ${remedy}`,
      cause: { name: "VoximplantError", code: 437 },
    });
    expect(keys()).toEqual(before);
  }

  it("the other keys are not of this installation", async () => {
    await start({ keyLimit: 2 });
    addKey("laptop");
    await expectNoDeletion();
  });

  it("a version holds the key that has the name of this version", async () => {
    await start({ keyLimit: 1 });
    const current = world.platform.keys.get(key());
    if (current) current.name = keyName(world.secret().arn, VERSION);
    await expectNoDeletion();
  });

  it("the grace of its other keys is not over", async () => {
    await start({ keyLimit: 3 });
    await supersede();
    addKey(keyName(world.secret().arn, randomUUID()));
    const retireAt = world.clock.now + GRACE_MS;
    world.clock.now = retireAt - 1;
    world.stagePending(VERSION);
    await expectNoDeletion(policyFor(), retireAt);
  });

  it("only keys of another service account are past their grace", async () => {
    await start({ keyLimit: 3, serviceAccounts: ["outbound-calls", "call-history"] });
    await supersede("call-history");
    world.clock.now += GRACE_MS;
    await expectNoDeletion(policyFor(TWO));
  });

  it("another secret uses the superseded key", async () => {
    await start({ keyLimit: 2, emptySecrets: ["call-history"] });
    const superseded = await supersede();
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret("call-history").arn,
      SecretString: world.fileWith(superseded),
    });
    world.clock.now += GRACE_MS;
    world.stagePending(VERSION);
    await expectNoDeletion(policyFor(TWO));
  });
});
