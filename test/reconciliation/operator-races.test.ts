import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, it } from "vitest";

import type { Policy } from "../../lib/grants/policy.ts";
import type { AccountKey } from "../../lib/key-lifecycle/account-key.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { revokeKey } from "../../lib/reconciliation/revoke.ts";
import { rollBack } from "../../lib/reconciliation/rollback.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  policyFor,
  startWorld,
  voxtokenIn,
  type World,
  writeGrants,
} from "../key-lifecycle/world.ts";

const OTHER_ACCOUNT = 7654321;
const TWO = { serviceAccounts: ["outbound-calls", "call-history"] };
const both = policyFor({ "outbound-calls": {}, "call-history": {} });
const [outboundCalls] = policyFor().serviceAccounts as [Policy["serviceAccounts"][number]];

let world: World;
afterEach(() => world.close());

const key = (label = "AWSCURRENT", name?: string) => world.keyWith(label, name) ?? "";
const exists = (keyId: string) => world.platform.keys.has(keyId);
const denied = () => Promise.reject(new Error("Access to KMS is not allowed"));

async function rotate(policy = policyFor()) {
  for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
}

function withStore(changed: Partial<SecretStore>) {
  return { ...world.ports, store: { ...world.ports.store, ...changed } };
}

function revoke(
  policy: Policy,
  keyId: string,
  ports = world.ports,
  more: { readonly makeRoom?: string; readonly deleteFirst?: boolean } = {},
) {
  const request = { serviceAccount: outboundCalls, keyId, timeoutSeconds: 90, deleteFirst: false, ...more };
  return revokeKey(ports, policy, request);
}

/** Ports whose keys have some methods replaced. */
function withApi(ports: World["ports"], change: (api: AccountKey["api"]) => Partial<AccountKey["api"]>) {
  const openKey = async (file: string) => {
    const opened = await ports.openKey(file);
    return { ...opened, api: { ...opened.api, ...change(opened.api) } };
  };
  return { ...ports, openKey };
}

/** Ports with which `before` runs once, right before the key is deleted. */
function beforeDeletion(keyId: string, before: () => Promise<unknown>) {
  let isDone = false;
  return withApi(world.ports, (api) => ({
    deleteKey: async (id) => {
      if (id === keyId && !isDone) {
        isDone = true;
        await before();
      }
      return api.deleteKey(id);
    },
  }));
}

/** Stores a key of another Voximplant account in a secret, in place of its current key. */
async function moveToOtherAccount(name: string): Promise<{ keyId: string; pem: string }> {
  const pem = rsaPem();
  const { keyId } = world.platform.addKey({ accountId: OTHER_ACCOUNT, pem, roles: ["Developer", "Support"] });
  const SecretString = credentialsFile(keyId, pem, OTHER_ACCOUNT);
  await world.secrets.call("PutSecretValue", { SecretId: `voximplant/${name}`, SecretString });
  return { keyId, pem };
}

function signal(): [Promise<void>, () => void] {
  const signals = new EventEmitter();
  const isSent = once(signals, "sent").then(() => undefined);
  return [isSent, () => void signals.emit("sent")];
}

describe("a rollback, while reads of Secrets Manager are three seconds behind,", () => {
  async function startRotated(elapsedMs: number) {
    world = await startWorld({ secretsManager: { readLagMs: 3_000 } });
    await rotate();
    world.clock.now += elapsedMs;
  }

  it("makes a key current that no reconciliation deletes afterwards, though its grace was over", async () => {
    await startRotated(GRACE_MS + 10_000);
    expect(await rollBack(world.ports, outboundCalls)).toMatchObject({ leftToDo: [] });
    world.clock.now += 1_000;

    await reconcileKeys(world.openProcess("reconciliation").ports, policyFor());
    await world.useCurrentKey();
  });

  it("says that AWSPENDING is gone only if it is", async () => {
    await startRotated(10_000);
    const bad = key();

    expect(await rollBack(world.ports, outboundCalls)).toMatchObject({ pending: "clean" });
    expect(key("AWSPENDING")).not.toBe(bad);
  });

  it("succeeds if the answer to the move of the label is lost", async () => {
    await startRotated(10_000);
    const previous = key("AWSPREVIOUS");
    const { moveStage } = world.ports.store;
    const ports = withStore({
      moveStage: async (...move) => {
        await moveStage(...move);
        if (move[1] === "AWSCURRENT") throw new Error("socket hang up");
      },
    });

    expect(await rollBack(ports, outboundCalls)).toMatchObject({ keyId: previous });
  });
});

it("a rotation that makes room does not delete a key that a rollback makes current meanwhile", async () => {
  world = await startWorld({ keyLimit: 2 });
  const first = key();
  await rotate();
  world.clock.now += GRACE_MS + 60_000;
  const operator = world.openProcess("operator").ports;
  let isRolledBack = false;
  const ports = withApi(world.ports, (api) => ({
    getRulesBoundTo: async (id) => {
      const rules = await api.getRulesBoundTo(id);
      if (!isRolledBack) await rollBack(operator, outboundCalls);
      isRolledBack = true;
      return rules;
    },
  }));
  const [createSecret] = world.stagePending();
  if (createSecret === undefined) throw new Error("no rotation started");

  await rotateKey(ports, policyFor(), createSecret).catch(() => undefined);
  expect({ isRolledBack, current: key() }).toEqual({ isRolledBack: true, current: first });
  await world.useCurrentKey();
});

it("a second rollback is refused while an old version keeps AWSPENDING: the next rotation would take it", async () => {
  world = await startWorld({ secretsManager: { replicaRegions: ["eu-west-1"] } });
  const later = () => void (world.clock.now += 60_000);
  const copyIs = (Status: "InProgress" | "InSync") =>
    void (world.secret().replicas = [{ Region: "eu-west-1", Status }]);
  later();
  await rotate();
  const bad = key();
  copyIs("InProgress");
  later();
  await rollBack(world.ports, outboundCalls);
  later();
  await world.plantCurrent();
  const imported = key();
  later();
  await expect(rollBack(world.ports, outboundCalls)).rejects.toThrow(
    "still has the label AWSPENDING, which cannot be taken off while the copies of the secret",
  );
  expect(key()).toBe(imported);

  copyIs("InSync");
  expect(await rollBack(world.ports, outboundCalls)).toMatchObject({ leftToDo: [] });
  for (const event of world.startRotation()) await rotateKey(world.ports, policyFor(), event);
  expect(key()).not.toBe(bad);
});

it("a revocation of a key in no secret does not call it gone while an account that may have it fails", async () => {
  world = await startWorld({ ...TWO, accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
  const { keyId: signer, pem } = await moveToOtherAccount("call-history");
  const { keyId: leaked } = world.platform.addKey({ accountId: OTHER_ACCOUNT, pem, roles: ["Owner"] });
  const openKey = async (file: string) => {
    const opened = await world.ports.openKey(file);
    const deleteKey = () => Promise.reject(new Error("HTTP 503"));
    return opened.keyId === signer ? { ...opened, api: { ...opened.api, deleteKey } } : opened;
  };

  const { steps } = await revoke(both, leaked, { ...world.ports, openKey });
  expect(exists(leaked)).toBe(true);
  expect(steps.filter(({ step }) => step === "delete" || step === "list")).toEqual([
    { step: "delete", ok: false, seen: `with key ${signer}: HTTP 503` },
    { step: "list", ok: false, seen: `the platform still lists it (asked with key ${signer})` },
  ]);
});

describe("a revocation does not report success", () => {
  it("if the current key of the service account was deleted before", async () => {
    world = await startWorld(TWO);
    const leaked = key();
    await rotate(both);
    world.platform.keys.delete(key());

    expect(await revoke(both, leaked)).toMatchObject({ proved: true, withoutKey: ["outbound-calls"] });
  });

  it("if routing rules cannot move, because the current key is of another account", async () => {
    world = await startWorld({ ...TWO, accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
    const old = key();
    await moveToOtherAccount("outbound-calls");

    const { steps, leftToDo } = await revoke(both, old);
    expect(leftToDo).toEqual([expect.stringContaining(`If routing rules were bound to key ${old}`)]);
    expect(steps.filter(({ step }) => step === "rules")).toEqual([
      {
        step: "rules",
        ok: false,
        seen:
          `The current key is of account ${OTHER_ACCOUNT}, but the leaked key is not. ` +
          "So rules cannot move to the current key.",
      },
    ]);
  });

  it("if no secret holds the key, and it is not known that its rules are of the current key's account", async () => {
    world = await startWorld({ ...TWO, accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
    const { pem } = await moveToOtherAccount("call-history");
    const { keyId: unknown } = world.platform.addKey({ accountId: OTHER_ACCOUNT, pem, roles: ["Developer"] });

    const { leftToDo } = await revoke(both, unknown);
    expect(leftToDo.join(" ")).toContain(`If routing rules were bound to key ${unknown}`);
  });

  it("if another secret may hold the key, and cannot be read", async () => {
    world = await startWorld(TWO);
    const [own] = world.secret().versions.values();
    const [other] = world.secret("call-history").versions.values();
    if (own?.content && other) other.content = own.content;
    const { readCurrent } = world.ports.store;
    const ports = withStore({
      readCurrent: (id) => (id.includes("call-history") ? denied() : readCurrent(id)),
    });

    const { leftToDo } = await revoke(both, key(), ports);
    expect(leftToDo).toEqual([expect.stringContaining("The current key of call-history could not be read.")]);
  });

  it("if a rollback makes the key current before it is deleted", async () => {
    world = await startWorld();
    const leaked = key();
    const rollback = () => rollBack(world.openProcess("rollback").ports, outboundCalls);

    const report = await revoke(policyFor(), leaked, beforeDeletion(leaked, rollback));
    expect(key()).toBe(leaked);
    expect(report).toMatchObject({ proved: true, withoutKey: ["outbound-calls"] });
  });

  it("if the file in a secret names a wrong account: the key is found in its own, and deleted", async () => {
    world = await startWorld({ ...TWO, accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
    const { pem } = await moveToOtherAccount("call-history");
    await rotate(both);
    const leaked = key("AWSPREVIOUS");
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret("call-history").arn,
      SecretString: credentialsFile(leaked, pem, OTHER_ACCOUNT),
      VersionStages: ["BY-HAND"],
    });

    await revoke(both, leaked);
    expect(exists(leaked)).toBe(false);
  });

  it("with a rule on the deleted key, which a slow reconciliation has bound to it meanwhile", async () => {
    world = await startWorld();
    const [rule] = world.platform.rules.values();
    const first = key();
    await rotate();
    const leaked = key();
    if (rule) rule.bindKeyId = first;
    const [isReached, reach] = signal();
    const [isReleased, release] = signal();
    const slow = withApi(world.openProcess("reconciliation").ports, (api) => ({
      bindRule: async (...args) => {
        reach();
        await isReleased;
        return api.bindRule(...args);
      },
    }));
    const reconciliation = reconcileKeys(slow, policyFor());
    await isReached;

    await revoke(
      policyFor(),
      leaked,
      beforeDeletion(leaked, () => {
        release();
        return reconciliation;
      }),
    );
    expect(rule?.bindKeyId).toBe(key());
  });
});

it("a revocation of a key that is gone already is not proved while another account gives no answer", async () => {
  world = await startWorld({ ...TWO, accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
  const { keyId: other } = await moveToOtherAccount("call-history");
  const leaked = key();
  await rotate(both);
  world.platform.keys.delete(leaked);
  const openKey = async (file: string) => {
    const opened = await world.ports.openKey(file);
    const getKeys = () => Promise.reject(new Error("socket hang up"));
    return opened.keyId === other ? { ...opened, api: { ...opened.api, getKeys } } : opened;
  };

  const { proved, steps } = await revoke(both, leaked, { ...world.ports, openKey });
  expect(proved).toBe(false);
  expect(steps).toContainEqual({
    step: "list",
    ok: false,
    seen: `it may be in account ${OTHER_ACCOUNT}: socket hang up`,
  });
  expect(await revoke(both, leaked)).toMatchObject({ proved: true });
});

it("a revocation of a key that is gone is proved, although a second secret holds it with a wrong account", async () => {
  world = await startWorld({ ...TWO, accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
  const { pem } = await moveToOtherAccount("call-history");
  await rotate(both);
  const leaked = key();
  world.platform.keys.delete(leaked);
  const SecretString = credentialsFile(leaked, pem, OTHER_ACCOUNT);
  await world.secrets.call("PutSecretValue", { SecretId: "voximplant/call-history", SecretString });

  const { proved, steps } = await revoke(both, leaked);
  expect(steps.filter(({ step }) => step === "list")).toMatchObject([{ ok: true }]);
  expect(proved).toBe(true);
});

it("a revocation moves the routing rules to a key that was imported just before the deletion", async () => {
  world = await startWorld();
  const leaked = key();
  const ports = beforeDeletion(leaked, () => world.plantCurrent());

  const { steps, withoutKey, leftToDo } = await revoke(policyFor(), leaked, ports, { deleteFirst: true });
  expect(steps.filter(({ step }) => step === "rules")).toEqual([
    { step: "rules", ok: false, seen: expect.stringContaining("There is no new key") as string },
    { step: "rules", ok: true, seen: `1 rule is now bound to key ${key()}` },
  ]);
  expect(world.platform.rules.get(1)?.bindKeyId).toBe(key());
  expect({ withoutKey, leftToDo: leftToDo.join() }).toEqual({
    withoutKey: [],
    leftToDo: expect.not.stringContaining("routing rules") as string,
  });
});

it("a revocation names no service account without a key if only the answer to its new key is lost", async () => {
  world = await startWorld();
  const { putVersion } = world.ports.store;
  const ports = withStore({
    putVersion: async (put) => {
      await putVersion(put);
      throw new Error("socket hang up");
    },
  });

  expect(await revoke(policyFor(), key(), ports)).toMatchObject({ proved: true, withoutKey: [] });
  await world.useCurrentKey();
});

describe("--make-room deletes no key", () => {
  it("that another service account uses, if its current version cannot be read at first", async () => {
    world = await startWorld({ ...TWO, keyLimit: 2 });
    const needed = key("AWSCURRENT", "call-history");
    const { readCurrent } = world.ports.store;
    let failures = 1;
    const ports = withStore({
      readCurrent: (id) => (id.includes("call-history") && failures-- > 0 ? denied() : readCurrent(id)),
    });

    const { steps } = await revoke(both, key(), ports, { makeRoom: needed });
    expect(steps[0]).toMatchObject({
      ok: false,
      seen: expect.stringContaining("is a current key") as unknown,
    });
    expect(exists(needed)).toBe(true);
  });

  it("that is pending", async () => {
    world = await startWorld(TWO);
    for (const event of world.stagePending(undefined, "call-history").slice(0, 3))
      await rotateKey(world.ports, both, event);
    const pending = key("AWSPENDING", "call-history");

    const { steps } = await revoke(both, key(), world.ports, { makeRoom: pending });
    expect(steps[0]).toMatchObject({
      ok: false,
      seen: expect.stringContaining("is a pending key") as unknown,
    });
    expect(exists(pending)).toBe(true);
  });

  it("that may be in a version that cannot be read", async () => {
    world = await startWorld({ ...TWO, keyLimit: 2 });
    const needed = key("AWSCURRENT", "call-history");
    const { readSecret } = world.ports;
    const ports: World["ports"] = {
      ...world.ports,
      readSecret: async (serviceAccount) => {
        const read = await readSecret(serviceAccount);
        if (serviceAccount.name !== "call-history") return read;
        const unreadable = [...read.state.stages].map(([versionId, labels]) => {
          return { versionId, labels: [...labels], error: new Error("no") };
        });
        return { ...read, keys: new Map(), unreadable };
      },
    };

    const { steps } = await revoke(both, key(), ports, { makeRoom: needed });
    expect(steps[0]).toMatchObject({ ok: false, seen: expect.stringContaining("cannot be read") as unknown });
    expect(exists(needed)).toBe(true);
  });
});

it("--make-room deletes an unused key, although the secret of another service account does not exist", async () => {
  world = await startWorld();
  const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "x" });

  const { steps } = await revoke(both, key(), world.ports, { makeRoom: keyId });
  expect(steps[0]).toMatchObject({ ok: true, seen: `key ${keyId} is deleted` });
});

it.each([
  [["rollback", "outbound-calls"], "the previous key is current again", "a second rollback undoes the first"],
  [["keys", "--accept-roles", "outbound-calls"], "the roles were recorded", "run the command again"],
])(
  "a lost answer to `admin %j` does not count as a command that did nothing",
  async (command, what, hint) => {
    world = await startWorld();
    await rotate();
    const operator = world.openProcess("operator");
    const { requestHandler } = operator.awsClient;
    const handle = requestHandler.handle.bind(requestHandler);
    requestHandler.handle = async (request, options) => {
      if (!request.path.includes("/invocations")) return handle(request, options);
      throw new Error("socket hang up");
    };

    const folder = await mkdtemp(join(tmpdir(), "rollback-"));
    const args = [...command, "--grants", await writeGrants(folder)];
    const { status, err } = await voxtokenIn(world, operator, args);
    await rm(folder, { recursive: true });
    expect(status).not.toBe(0);
    expect(err).toContain(`it is not known whether ${what}: socket hang up`);
    expect(err).toContain(hint);
  },
);
