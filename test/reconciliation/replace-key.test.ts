import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ROLES_TAG } from "../../lib/key-lifecycle/roles.ts";
import { GRACE_TAG, type SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { deleteAgain } from "../../lib/key-lifecycle/create-key.ts";
import {
  ReplacementDeletedError,
  replaceKey,
  type ReplacementPorts,
} from "../../lib/reconciliation/replace-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { ACCOUNT, policyFor, SECRET, startWorld, type World } from "../key-lifecycle/world.ts";

const NEW_ID = "22222222-2222-4222-8222-222222222222";
let world: World;
let old: string;
beforeEach(async () => {
  world = await startWorld();
  old = key();
});
afterEach(() => world.close());

const key = (label = "AWSCURRENT") => world.keyWith(label) ?? "";
const created = () => [...world.platform.keys.values()].filter(({ keyId }) => keyId !== old);
const methods = () => world.platform.calls.map(({ method }) => method);

/** @param seconds until the deadline */
async function replace(
  ports: Partial<ReplacementPorts> = {},
  store: Partial<SecretStore> = {},
  { seconds = 90, accountId = ACCOUNT } = {},
) {
  const [serviceAccount] = policyFor({ "outbound-calls": { accountId } }).serviceAccounts;
  const version = await world.ports.store.readCurrent(SECRET);
  if (serviceAccount === undefined || version === undefined) throw new Error("no key to replace");
  return replaceKey(
    { ...world.ports, newId: () => NEW_ID, ...ports, store: { ...world.ports.store, ...store } },
    serviceAccount,
    version,
    world.clock.now + seconds * 1000,
  );
}

function failMethod(method: string, code: 100 | 104 | 340 | 437) {
  world.faults.platform = (called) => (called === method ? platformFault(code) : undefined);
}

describe("a replacement", () => {
  it("creates a key with the roles of the old one for a new version, and makes it current", async () => {
    const next = await replace();
    const [made] = created();
    expect(made).toMatchObject({ keyId: next.keyId, name: expect.stringContaining(NEW_ID) as string });
    expect(made?.roleIds).toEqual(world.platform.keys.get(old)?.roleIds);
    expect(key()).toBe(next.keyId);
    expect(world.secret().versions.get(NEW_ID)?.stages).toContain("AWSCURRENT");
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(old);
    expect(world.logged.filter(({ level }) => level === "warn")).toEqual([]);
    await world.useCurrentKey();
  });

  it("waits until the platform knows the new key", async () => {
    let asked = 0;
    world.faults.platform = (method) =>
      method === "GetKeyRoles" && ++asked <= 2 ? platformFault(100) : undefined;
    const startedAt = world.clock.now;
    await replace();
    expect(world.clock.now - startedAt).toBeGreaterThanOrEqual(3_000);
    await world.useCurrentKey();
  });

  it("fails if the new key was deleted while it was stored", async () => {
    const putVersion: SecretStore["putVersion"] = (put) => {
      for (const { keyId } of created()) world.platform.keys.delete(keyId);
      return world.ports.store.putVersion(put);
    };
    const failure: unknown = await replace({}, { putVersion }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ReplacementDeletedError);
    expect(failure).toMatchObject({
      message: `The new key ${key()} was deleted during the replacement, so the current key does not work.`,
      cause: { name: "VoximplantError", code: 433 },
    });
  });

  it("counts as done if the platform does not answer after the new key was stored", async () => {
    const putVersion: SecretStore["putVersion"] = (put) => {
      failMethod("GetAccountInfo", 340);
      return world.ports.store.putVersion(put);
    };
    const next = await replace({}, { putVersion });
    expect(key()).toBe(next.keyId);
  });
});

describe("before CreateKey, a replacement", () => {
  it("tags the secret with the time, and waits until the secret's last change is newer", async () => {
    const before = await world.ports.store.describe(SECRET);
    world.clock.now += 1_000;
    const pauses: number[] = [];
    let described = 0;
    await replace(
      { sleep: (pause) => Promise.resolve(void pauses.push(pause)) },
      { describe: (id) => (++described <= 3 ? Promise.resolve(before) : world.ports.store.describe(id)) },
    );
    expect(world.secret().tags).toEqual([{ Key: GRACE_TAG, Value: "2026-11-24T12:00:01.000Z" }]);
    expect(pauses).toEqual([1_000, 2_000]);
  });

  it("keeps roles that were accepted a moment ago, although it reads older ones", async () => {
    await world.ports.store.tag(SECRET, ROLES_TAG, "3");
    const before = await world.ports.store.describe(SECRET);
    await world.ports.store.tag(SECRET, ROLES_TAG, "3:5");
    let described = 0;
    const describe: SecretStore["describe"] = (id) =>
      ++described === 1 ? Promise.resolve(before) : world.ports.store.describe(id);
    await replace({}, { describe });
    expect(world.secret().tags).toContainEqual({ Key: ROLES_TAG, Value: "3:5" });
  });

  it("logs that it could not tag the secret, and goes on", async () => {
    const tag = () => Promise.reject(new Error("AccessDenied"));
    const next = await replace({}, { tag });
    expect(key()).toBe(next.keyId);
    expect(world.logged).toContainEqual({
      level: "warn",
      message: "It is not known whether the grace has started again: AccessDenied",
    });
  });

  it("refuses a key of another account than grants.yml names", async () => {
    await expect(replace({}, {}, { accountId: ACCOUNT + 1 })).rejects.toMatchObject({
      name: "KeyLifecycleError",
    });
    expect(methods()).toEqual([]);
  });

  it("ends if its time is over", async () => {
    await expect(replace({}, {}, { seconds: 0 })).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: "The replacement timed out.",
    });
    expect(methods()).not.toContain("CreateKey");
  });

  it("says how to make room if the account is full", async () => {
    failMethod("CreateKey", 437);
    await expect(replace()).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringMatching(
        /437.* Name an unused key with --make-room KEY_ID: see `voxtoken admin keys`\.$/,
      ) as string,
      cause: { code: 437 },
    });
    expect(key()).toBe(old);
  });

  it("passes on another refusal of CreateKey", async () => {
    failMethod("CreateKey", 104);
    await expect(replace()).rejects.toMatchObject({ name: "VoximplantError", code: 104 });
  });
});

describe("a new key that is not stored", () => {
  it("is deleted again if it cannot get the roles of the old one", async () => {
    failMethod("SetKeyRoles", 104);
    await expect(replace()).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringMatching(
        /^Key \S+ may not set the roles of the new key .* create a key with exactly these roles, and import it: /,
      ) as string,
    });
    expect(created()).toEqual([]);
    expect(key()).toBe(old);
  });

  it("is deleted again if AWS refuses to store it", async () => {
    const body = '{"__type":"AccessDeniedException","Message":"Access to KMS is not allowed"}';
    world.faults.secrets = (operation) =>
      operation === "PutSecretValue" ? { status: 400, body } : undefined;
    await expect(replace()).rejects.toThrow("Access to KMS is not allowed");
    expect(created()).toEqual([]);
    expect(key()).toBe(old);
  });

  it("stays if the answer of AWS is lost, because it may be current", async () => {
    world.faults.secrets = (operation) => (operation === "PutSecretValue" ? { drop: "after" } : undefined);
    await expect(replace()).rejects.toMatchObject({ name: "KeyLifecycleError" });
    expect(created().map(({ keyId }) => keyId)).toEqual([key()]);
  });

  it("is deleted again if the time is over meanwhile", async () => {
    world.faults.platform = (method) => {
      if (method === "SetKeyRoles") world.clock.now += 50_000;
      return undefined;
    };
    await expect(replace({}, {}, { seconds: 50 })).rejects.toMatchObject({
      message: "The replacement timed out.",
    });
    expect(created()).toEqual([]);
    expect(key()).toBe(old);
  });

  it("is not waited for longer than the time that is left", async () => {
    const startedAt = world.clock.now;
    failMethod("GetKeyRoles", 100);
    await expect(replace({}, {}, { seconds: 10 })).rejects.toMatchObject({ code: 100 });
    expect(world.clock.now - startedAt).toBeLessThan(10_000);
    expect(created()).toEqual([]);
  });

  it("may exist if the answer of CreateKey is lost, and the message says so", async () => {
    world.faults.platform = (method) => (method === "CreateKey" ? { drop: "after" } : undefined);
    await expect(replace()).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringMatching(
        /^Voximplant gave no usable answer to CreateKey: .* A key named vtv-\S+ may exist nevertheless\. .* Reconciliation deletes it after the grace\.$/,
      ) as string,
    });
  });

  it("is named if the platform does not find it, because it may be too new to be found", async () => {
    const { api } = await world.ports.openKey(world.fileWith(old) ?? "");
    await expect(deleteAgain(api, "the-new-key", new Error("It has no roles."))).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message:
        "It has no roles. The new key the-new-key may still exist: The platform does not find it. Look for it in the " +
        "control panel.",
    });
  });

  it("is named with both reasons if it cannot be deleted either", async () => {
    const { api } = await world.ports.openKey(world.fileWith(old) ?? "");
    world.faults.platform = () => platformFault(104);
    await expect(deleteAgain(api, "the-new-key", new Error("It has no roles."))).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringMatching(
        /^It has no roles\. The new key the-new-key may still exist: Voximplant refused .*104/,
      ) as string,
      cause: { code: 104 },
    });
  });
});
