import { afterEach, describe, expect, it } from "vitest";

import type { Policy } from "../../lib/grants/policy.ts";
import { keyName } from "../../lib/key-lifecycle/key-label.ts";
import { COPIES_TAG, type SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { secretReader, type SecretSnapshot } from "../../lib/key-lifecycle/snapshot.ts";
import { whyLast } from "../../lib/reconciliation/last-key.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { rollBack } from "../../lib/reconciliation/rollback.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import type { ManagementApi } from "../../lib/voximplant/methods.ts";
import type { Fault } from "../../local/fault.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { VoximplantError } from "../../lib/voximplant/errors.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  policyFor,
  startWorld,
  type World,
} from "../key-lifecycle/world.ts";

const OTHER_ACCOUNT = 7654321;
const SERVICE_ACCOUNT = policyFor().serviceAccounts[0];

let world: World;
// The tests of `whyLast` start no world.
afterEach(() => (world as World | undefined)?.close());

const exists = (keyId: string | undefined) => world.platform.keys.has(keyId ?? "");
const graceEnds = () => void (world.clock.now += GRACE_MS + 60_000);
const versionWith = (stage: string, name?: string) =>
  [...world.secret(name).versions.values()].find(({ stages }) => stages.has(stage))?.id;

async function rotate(policy = policyFor(), name?: string) {
  for (const event of world.stagePending(undefined, name)) await rotateKey(world.ports, policy, event);
}

/** The ports, with some answers of Secrets Manager replaced. */
function portsWith(changed: Partial<SecretStore>) {
  const store = { ...world.ports.store, ...changed };
  return { ...world.ports, store, readSecret: secretReader(store) };
}

const denied = () => Promise.reject(new Error("Access to KMS is not allowed"));
function unreadable(versionId: () => string | undefined, answer: () => Promise<undefined> = denied) {
  const { readVersion } = world.ports.store;
  return portsWith({ readVersion: (id, one) => (one === versionId() ? answer() : readVersion(id, one)) });
}

async function storeByHand(file: string, name = "outbound-calls") {
  await world.secrets.call("PutSecretValue", { SecretId: `voximplant/${name}`, SecretString: file });
}

/** Stores a key of another Voximplant account, which makes it current. */
async function moveToOtherAccount(name?: string): Promise<string> {
  const pem = rsaPem();
  const { keyId } = world.platform.addKey({ accountId: OTHER_ACCOUNT, pem, name: "x", roles: ["Developer"] });
  await storeByHand(credentialsFile(keyId, pem, OTHER_ACCOUNT), name);
  return keyId;
}

describe("reconciliation keeps a superseded key whose grace is over, because it may be the last that works,", () => {
  it("if a warm container remembers the current version, and can read it no more", async () => {
    world = await startWorld();
    await rotate();
    const previous = world.keyWith("AWSPREVIOUS");
    let hidden = "";
    const ports = unreadable(() => hidden);
    await reconcileKeys(ports, policyFor());
    hidden = versionWith("AWSCURRENT") ?? "";
    graceEnds();

    expect(await reconcileKeys(ports, policyFor())).toMatchObject([
      { reason: "not_examined" },
      { reason: "superseded_key", action: "failed" },
    ]);
    expect(exists(previous)).toBe(true);
  });

  it("if the private key in the current version is damaged", async () => {
    world = await startWorld();
    const works = world.keyWith("AWSCURRENT");
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "x" });
    await storeByHand(credentialsFile(keyId, "-----BEGIN PRIVATE KEY-----\ntruncated"));
    graceEnds();

    await reconcileKeys(world.ports, policyFor());
    expect(exists(works)).toBe(true);
  });

  it("if the current key is of another Voximplant account than grants.yml says", async () => {
    world = await startWorld({ rules: [] });
    const works = world.keyWith("AWSCURRENT");
    await moveToOtherAccount();
    graceEnds();

    await reconcileKeys(world.ports, policyFor({ "outbound-calls": { accountId: ACCOUNT } }));
    expect(exists(works)).toBe(true);
  });

  it("if the current key is of another Voximplant account, and is deleted", async () => {
    world = await startWorld({ rules: [] });
    const works = world.keyWith("AWSCURRENT");
    world.platform.keys.delete(await moveToOtherAccount());
    graceEnds();

    await reconcileKeys(world.ports, policyFor());
    expect(exists(works)).toBe(true);
  });

  it("if a region has no copy of the secret that replaces its old one", async () => {
    world = await startWorld({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    world.secret().replicas = [];
    await rotate();
    const inEurope = world.keyWith("AWSPREVIOUS");
    graceEnds();

    await reconcileKeys({ ...world.ports, replicaRegions: ["eu-west-1"] }, policyFor());
    expect(exists(inEurope)).toBe(true);
  });
});

describe("a superseded key, if a copy of the secret was behind for longer than the grace,", () => {
  const regions = { replicaRegions: ["eu-west-1"] };
  const reconcile = () => reconcileKeys({ ...world.ports, ...regions }, policyFor());
  const copyIs = (status: "InSync" | "InProgress") =>
    (world.secret().replicas = [{ Region: "eu-west-1", Status: status }]);
  const later = (ms: number) => void (world.clock.now += ms);

  async function startBehind() {
    world = await startWorld({ secretsManager: regions });
    await rotate();
    await reconcile();
    const superseded = world.keyWith("AWSPREVIOUS");
    copyIs("InProgress");
    return superseded;
  }

  it("is kept for the grace from when the copy is seen up to date, and then deleted", async () => {
    const superseded = await startBehind();
    graceEnds();
    expect(await reconcile()).toEqual([]);
    copyIs("InSync");
    expect(await reconcile()).toEqual([]);
    later(GRACE_MS - 60_000);
    expect(await reconcile()).toEqual([]);
    expect(exists(superseded)).toBe(true);

    later(120_000);
    expect(await reconcile()).toMatchObject([{ reason: "superseded_key", action: "deleted" }]);
    expect(exists(superseded)).toBe(false);
  });

  it("is kept if the tag cannot be written, which is a finding", async () => {
    const superseded = await startBehind();
    graceEnds();
    await reconcile();
    copyIs("InSync");
    const failing = portsWith({ tag: () => Promise.reject(new Error("no answer")) });
    for (let run = 0; run < 2; run += 1) {
      expect(await reconcileKeys({ ...failing, ...regions }, policyFor())).toMatchObject([
        { reason: "not_examined", detail: expect.stringContaining("no answer") as string },
      ]);
      graceEnds();
    }
    expect(exists(superseded)).toBe(true);
  });

  it("gets a new grace even if a run saw the copy behind for the first time minutes after the change", async () => {
    const superseded = await startBehind();
    later(5 * 60_000);
    await reconcile();
    // Nobody knows when the copy caught up: perhaps just now.
    later(59 * 60_000);
    copyIs("InSync");
    await reconcile();
    later(GRACE_MS - 60_000);
    expect(await reconcile()).toEqual([]);
    expect(exists(superseded)).toBe(true);
    later(2 * 60_000);
    expect(await reconcile()).toMatchObject([{ reason: "superseded_key", action: "deleted" }]);
  });

  it("is kept the same way if the copy was missing; a secret without a key has no copies, and no tag", async () => {
    world = await startWorld({ emptySecrets: ["call-history"], secretsManager: regions });
    for (const name of ["outbound-calls", "call-history"]) world.secret(name).replicas = [];
    const changedAt = new Date(world.clock.now).toISOString();
    later(3 * 3_600_000);
    await reconcileKeys(
      { ...world.ports, ...regions },
      policyFor({ "outbound-calls": {}, "call-history": {} }),
    );
    const copies = (name: string) => world.secret(name).tags?.find(({ Key }) => Key === COPIES_TAG)?.Value;
    expect([copies("outbound-calls"), copies("call-history")]).toEqual([
      `behind since ${changedAt}`,
      undefined,
    ]);
  });
});

describe("a key that two secrets hold is kept", () => {
  const both = policyFor({ "outbound-calls": {}, "call-history": {} });

  async function startShared() {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"], rules: [] });
    const shared = world.keyWith("AWSCURRENT");
    const [own] = world.secret().versions.values();
    const [other] = world.secret("call-history").versions.values();
    if (own?.content && other) other.content = own.content;
    return shared;
  }

  /** It is superseded in outbound-calls, and current in call-history. */
  async function startHalfRotated() {
    const shared = await startShared();
    await rotate(both);
    graceEnds();
    return shared;
  }

  /** It is superseded in both, and the current key of call-history is deleted. */
  async function startLastOfOne() {
    const shared = await startShared();
    await rotate(both, "call-history");
    world.clock.now += 60_000;
    await rotate(both);
    world.platform.keys.delete(world.keyWith("AWSCURRENT", "call-history") ?? "");
    graceEnds();
    return shared;
  }

  async function createSecretInFullAccount(ports: World["ports"]) {
    let full = 1;
    world.faults.platform = (method) =>
      method === "CreateKey" && full-- > 0 ? platformFault(437) : undefined;
    const [createSecret] = world.stagePending();
    if (createSecret === undefined) throw new Error("no rotation started");
    await expect(rotateKey(ports, both, createSecret)).rejects.toThrow("which is its limit");
  }

  it("while the secret that uses it cannot be read", async () => {
    const shared = await startHalfRotated();
    const { describe } = world.ports.store;
    const ports = portsWith({ describe: (id) => (id.includes("call-history") ? denied() : describe(id)) });

    await reconcileKeys(ports, both);
    expect(exists(shared)).toBe(true);
  });

  it("while the version that uses it cannot be read", async () => {
    const shared = await startHalfRotated();

    await reconcileKeys(
      unreadable(() => versionWith("AWSCURRENT", "call-history")),
      both,
    );
    expect(exists(shared)).toBe(true);
  });

  it("by a rotation that makes room while that version cannot be read", async () => {
    const shared = await startHalfRotated();

    await createSecretInFullAccount(unreadable(() => versionWith("AWSCURRENT", "call-history")));
    expect(exists(shared)).toBe(true);
  });

  it("if it is superseded in both, and one of them has no other key that works", async () => {
    const shared = await startLastOfOne();

    await reconcileKeys(world.ports, both);
    expect(exists(shared)).toBe(true);
  });

  it.each([
    ["refuses", new VoximplantError("GetKeys", 447, "Invalid token.")],
    ["gives no answer to", new Error("socket hang up")],
  ])("if it is superseded in both, and the platform %s the current key of one", async (_, error) => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"], rules: [] });
    await storeByHand(world.fileWith(world.keyWith("AWSCURRENT") ?? "") ?? "", "call-history");
    const shared = world.keyWith("AWSCURRENT") ?? "";
    await rotate(both);
    await rotate(both, "call-history");
    graceEnds();
    const broken = world.keyWith("AWSCURRENT", "call-history");
    const openKey = async (file: string) => {
      const opened = await world.ports.openKey(file);
      const getKeys = () => Promise.reject(error);
      return opened.keyId === broken ? { ...opened, api: { ...opened.api, getKeys } } : opened;
    };

    await reconcileKeys({ ...world.ports, openKey }, both);
    expect(exists(shared)).toBe(true);
    graceEnds();
    await reconcileKeys(world.ports, both);
    expect(exists(shared)).toBe(false);
  });

  it("by a rotation of the other, in the same case", async () => {
    const shared = await startLastOfOne();

    await createSecretInFullAccount(world.ports);
    expect(exists(shared)).toBe(true);
  });
});

describe("an imported key that is in use does not count as unknown", () => {
  const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
  const empty = () => Promise.resolve(undefined);

  it("if Secrets Manager says that the current version does not exist", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const both = policyFor({
      "outbound-calls": { unknownKeys: "delete" },
      "call-history": { unknownKeys: "delete" },
    });
    const current = await world.plantCurrent();

    await reconcileKeys(
      unreadable(() => versionWith("AWSCURRENT"), empty),
      both,
    );
    expect(exists(current)).toBe(true);
  });

  it("if Secrets Manager lists no versions", async () => {
    world = await startWorld();
    const first = world.keyWith("AWSCURRENT");
    await rotate(policy);
    await rotate(policy);

    await reconcileKeys(portsWith({ listVersions: () => Promise.resolve([]) }), policy);
    expect(exists(first)).toBe(true);
  });

  it("a second after the import, while reads are five seconds behind", async () => {
    world = await startWorld({ secretsManager: { readLagMs: 5_000 } });
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem, name: "x", roles: ["Developer"] });
    world.clock.now += 60_000;
    await storeByHand(credentialsFile(keyId, pem));
    world.clock.now += 1_000;

    await reconcileKeys(world.ports, policy);
    expect(exists(keyId)).toBe(true);
  });
});

describe("`unknownKeys: report` of a service account counts", () => {
  const policy = policyFor({
    "outbound-calls": { unknownKeys: "delete", accountId: ACCOUNT },
    "call-history": { unknownKeys: "report", accountId: ACCOUNT },
  });
  const addUnknown = () => world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "x" }).keyId;

  it("before it has a key", async () => {
    world = await startWorld({ emptySecrets: ["call-history"] });
    const unknown = addUnknown();

    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      { reason: "unknown_key", action: "reported" },
    ]);
    expect(exists(unknown)).toBe(true);
  });

  it("while its secret holds a key of a wrong account", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    await moveToOtherAccount("call-history");
    const unknown = addUnknown();

    await reconcileKeys(world.ports, policy);
    expect(exists(unknown)).toBe(true);
  });

  it("in the wrong account whose key its secret holds", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    for (const name of ["outbound-calls", "call-history"]) await moveToOtherAccount(name);
    const unknown = world.platform.addKey({ accountId: OTHER_ACCOUNT, pem: rsaPem(), name: "x" }).keyId;

    await reconcileKeys(
      world.ports,
      policyFor({
        "outbound-calls": { unknownKeys: "delete" },
        "call-history": { unknownKeys: "report", accountId: ACCOUNT },
      }),
    );
    expect(exists(unknown)).toBe(true);
  });
});

describe("`unknownKeys: report` of a service account does not count", () => {
  const addUnknown = () => world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "x" }).keyId;

  it("before it has a key, if grants.yml says that it is of another Voximplant account", async () => {
    world = await startWorld({ emptySecrets: ["call-history"] });
    const unknown = addUnknown();

    await reconcileKeys(
      world.ports,
      policyFor({
        "outbound-calls": { unknownKeys: "delete", accountId: ACCOUNT },
        "call-history": { unknownKeys: "report", accountId: OTHER_ACCOUNT },
      }),
    );
    expect(exists(unknown)).toBe(false);
  });

  it("without a current version, if its other keys are of another Voximplant account", async () => {
    world = await startWorld({ emptySecrets: ["call-history"] });
    await moveToOtherAccount("call-history");
    for (const { stages } of world.secret("call-history").versions.values()) stages.delete("AWSCURRENT");
    const unknown = addUnknown();

    await reconcileKeys(
      world.ports,
      policyFor({ "outbound-calls": { unknownKeys: "delete" }, "call-history": { unknownKeys: "report" } }),
    );
    expect(exists(unknown)).toBe(false);
  });
});

describe("while an old version without a label cannot be read, an unknown key", () => {
  const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
  /** Rotates twice, and returns the ports of a reconciliation after the grace, and the key. */
  async function start() {
    world = await startWorld();
    await rotate(policy);
    await rotate(policy);
    const old = [...world.secret().versions.values()].find(({ stages }) => stages.size === 0)?.id;
    const { keyId } = world.platform.addKey({
      accountId: ACCOUNT,
      pem: rsaPem(),
      name: "x",
      roles: ["Owner"],
    });
    graceEnds();
    return { ports: unreadable(() => old), keyId };
  }

  it("is deleted after the grace if grants.yml says so", async () => {
    const { ports, keyId } = await start();
    const findings = await reconcileKeys(ports, policy);
    expect(findings.find(({ key }) => key?.key_id === keyId)).toMatchObject({
      reason: "unknown_key",
      action: "deleted",
    });
    expect(exists(keyId)).toBe(false);
  });

  it("is kept if the platform refuses the current key, because the version may hold it", async () => {
    const { ports, keyId } = await start();
    const current = world.keyWith("AWSCURRENT") ?? "";
    world.platform.keys.delete(current);
    const findings = await reconcileKeys(ports, policy);
    expect(findings.find(({ key }) => key?.key_id === keyId)).toMatchObject({
      reason: "unknown_key",
      action: "failed",
      detail: expect.stringContaining(`the platform does not list the current key ${current}`) as string,
    });
    expect(exists(keyId)).toBe(true);
  });
});

describe("a routing rule of a deleted key is not passed over in silence", () => {
  it.each(["unknown", "orphan"])("if the key is %s", async (kind) => {
    world = await startWorld();
    const policy: Policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
    const name = kind === "orphan" ? keyName(world.secret().arn, versionWith("AWSCURRENT") ?? "") : "x";
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name });
    const rule = { accountId: ACCOUNT, applicationId: 7, pattern: ".*", bindKeyId: keyId };
    world.platform.rules.set(2, { ...rule, ruleId: 2, name: "main" });

    await reconcileKeys(world.ports, policy);
    expect(exists(keyId)).toBe(false);
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: expect.stringContaining(`main (2) is bound to key ${keyId}`) as unknown,
      }),
    );
  });

  it("if the platform refuses to bind it to the current key: the key is kept", async () => {
    world = await startWorld();
    await rotate();
    const previous = world.keyWith("AWSPREVIOUS") ?? "";
    for (const rule of world.platform.rules.values()) rule.bindKeyId = previous;
    graceEnds();
    world.faults.platform = (method) => (method === "SetRuleInfo" ? platformFault(433) : undefined);

    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([{ action: "failed" }]);
    expect(exists(previous)).toBe(true);
  });

  it("if the old key may not see rules, and the current one is of another account", async () => {
    world = await startWorld();
    const old = world.platform.keys.get(world.keyWith("AWSCURRENT") ?? "");
    old?.roleIds.clear();
    old?.roleIds.add(5);
    await moveToOtherAccount();
    graceEnds();

    await reconcileKeys(world.ports, policyFor());
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: expect.stringContaining("It is unknown whether") as unknown,
      }),
    );
  });
});

describe("a key that a slow read shows as superseded, and that is in use, is kept", () => {
  it("by a reconciliation during a rotation", async () => {
    world = await startWorld();
    graceEnds();
    const { store } = world.ports;
    const described = await store.describe(world.secret().arn);
    const listed = await store.listVersions(described.arn);
    const [createSecret] = world.stagePending();
    if (createSecret) await rotateKey(world.ports, policyFor(), createSecret);
    const pending = world.keyWith("AWSPENDING");
    const until = world.clock.now + 5_000;
    const isOld = () => world.clock.now < until;
    const ports = portsWith({
      describe: (id) => (isOld() ? Promise.resolve(described) : store.describe(id)),
      listVersions: (id) => (isOld() ? Promise.resolve(listed) : store.listVersions(id)),
    });

    await reconcileKeys(ports, policyFor());
    expect(exists(pending)).toBe(true);
  });

  it("by a rotation that makes room seconds after a rollback", async () => {
    world = await startWorld();
    await rotate();
    graceEnds();
    const { store } = world.ports;
    const described = await store.describe(world.secret().arn);
    const listed = await store.listVersions(described.arn);
    if (SERVICE_ACCOUNT) await rollBack(world.ports, SERVICE_ACCOUNT);
    const [createSecret] = world.stagePending();
    world.faults.platform = (method, count) =>
      method === "CreateKey" && count === 2 ? platformFault(437) : undefined;
    const old = secretReader({
      ...store,
      describe: () => Promise.resolve(described),
      listVersions: () => Promise.resolve(listed),
    });

    if (createSecret)
      await expect(
        rotateKey({ ...world.ports, readSecret: old }, policyFor(), createSecret),
      ).rejects.toThrow();
    await world.useCurrentKey();
  });

  it.each<[string, Fault]>([
    ["whose call was lost", { drop: "before" }],
    ["that the rate limit refused", platformFault(340)],
  ])("by a deletion %s: it is not sent again after a rollback", async (_, fault) => {
    world = await startWorld();
    await rotate();
    graceEnds();
    const operator = world.openProcess("rollback");
    world.faults.platform = (method, count) => (method === "DeleteKey" && count === 1 ? fault : undefined);
    let calls = 0;
    world.remote.sleep = async () => {
      calls += 1;
      if (calls === 2 && SERVICE_ACCOUNT) await rollBack(operator.ports, SERVICE_ACCOUNT);
    };

    await reconcileKeys(world.ports, policyFor());
    await world.useCurrentKey();
  });
});

describe("a key that was deleted seconds ago, and whose tokens are still accepted, does not become current", () => {
  it("by a rotation", async () => {
    world = await startWorld({ deletionLag: { acceptanceMs: 30_000 } });
    const other = await world
      .openProcess("other")
      .ports.openKey(world.fileWith(world.keyWith("AWSCURRENT") ?? "") ?? "");
    const [finishSecret, ...steps] = world.stagePending().reverse();
    for (const event of steps.reverse()) await rotateKey(world.ports, policyFor(), event);
    await other.api.deleteKey(world.keyWith("AWSPENDING") ?? "");

    if (finishSecret === undefined) throw new Error("no rotation started");
    await expect(rotateKey(world.ports, policyFor(), finishSecret)).rejects.toThrow();
    world.clock.now += 60_000;
    await world.useCurrentKey();
  });

  it("by a rollback, which refuses it while the platform still accepts its tokens", async () => {
    world = await startWorld({ deletionLag: { acceptanceMs: 30_000 } });
    await rotate();
    graceEnds();
    await reconcileKeys(world.ports, policyFor());

    if (SERVICE_ACCOUNT === undefined) throw new Error("no service account");
    const current = world.keyWith("AWSCURRENT");
    await expect(rollBack(world.openProcess("rollback").ports, SERVICE_ACCOUNT)).rejects.toThrow(
      "The platform refuses the previous key",
    );
    expect(world.keyWith("AWSCURRENT")).toBe(current);
  });
});

it("a deletion is recorded before its call, so a lost answer loses no record", async () => {
  world = await startWorld();
  const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem(), name: "x" });
  world.faults.platform = (method, count) =>
    method === "DeleteKey" && count === 1 ? { drop: "after" } : undefined;

  await reconcileKeys(world.ports, policyFor({ "outbound-calls": { unknownKeys: "delete" } }));
  expect(exists(keyId)).toBe(false);
  expect(world.logged).toContainEqual(
    expect.objectContaining({ message: `Deleting key ${keyId}, which is unknown.` }),
  );
});

it("reconciliation deletes a stray of a secret that has never held a key, after the grace", async () => {
  world = await startWorld({ emptySecrets: ["call-history"] });
  const { keyId } = world.platform.addKey({
    accountId: ACCOUNT,
    pem: rsaPem(),
    name: keyName(world.secret("call-history").arn, "a-version"),
  });
  const policy = policyFor({ "outbound-calls": {}, "call-history": {} });

  expect(await reconcileKeys(world.ports, policy)).toMatchObject([
    { reason: "stray_key", action: "reported" },
  ]);
  graceEnds();
  expect(await reconcileKeys(world.ports, policy)).toMatchObject([
    { reason: "stray_key", action: "deleted" },
  ]);
  expect(exists(keyId)).toBe(false);
});

describe("a key", () => {
  /**
   * @param held the keys that can be read, by the label of their version
   * @param unreadable the labels of versions that cannot be read
   */
  function secretOf(
    serviceAccount: string,
    held: Readonly<Record<string, string>>,
    unreadable: readonly string[] = [],
  ): SecretSnapshot {
    const labels = [...Object.keys(held), ...unreadable];
    return {
      serviceAccount,
      state: {
        arn: `arn:${serviceAccount}`,
        name: `voximplant/${serviceAccount}`,
        rotationEnabled: true,
        rotationDays: 30,
        lastChangedAt: 0,
        stages: new Map(labels.map((label) => [`version of ${label}`, new Set([label])])),
        replicas: [],
        tags: new Map(),
      },
      createdAt: new Map(),
      keys: new Map(
        Object.entries(held).map(([label, keyId]) => [`version of ${label}`, { keyId, accountId: ACCOUNT }]),
      ),
      unreadable: unreadable.map((label) => {
        return { versionId: `version of ${label}`, labels: [label], error: new Error("no") };
      }),
    };
  }

  interface Case {
    readonly secrets?: readonly SecretSnapshot[];
    /** The keys that the platform lists. Undefined: the account cannot be listed. */
    readonly listed?: readonly string[] | undefined;
    /** By service account: the current key that the platform accepts. */
    readonly accepted?: Readonly<Record<string, string>>;
    readonly refused?: readonly string[];
    readonly owner?: string;
    readonly grants?: Parameters<typeof policyFor>[0];
  }
  const rotated = secretOf("calls", { AWSPREVIOUS: "old", AWSCURRENT: "new" });

  /** Why the key `old` may be the last that works. */
  function why(of: Case) {
    const { secrets = [rotated], accepted = { calls: "new" }, refused = [], owner = "calls" } = of;
    const listed = "listed" in of ? of.listed : ["old", "new", "other"];
    const { grants = { calls: {}, history: {} } } = of;
    const keyOf = (keyId: string) => {
      const api = {} as ManagementApi;
      return { keyId, accountId: ACCOUNT, api, apiOf: () => api };
    };
    const account = {
      accountId: ACCOUNT,
      keys: (listed ?? []).map((key_id) => {
        const key = { key_id, key_name: null, description: null };
        return { key, state: { state: "unknown" } as const };
      }),
      current: new Map(Object.entries(accepted).map(([name, keyId]) => [name, keyOf(keyId)])),
      accepted: new Set(Object.values(accepted)),
      lister: keyOf("new"),
    };
    const snapshot = {
      secrets,
      accounts: listed === undefined ? [] : [account],
      refused: new Map(refused.map((keyId) => [keyId, new Error("refused")])),
      failures: [],
    };
    return whyLast(snapshot, policyFor(grants), { keyId: "old", owner });
  }

  it.each<[string, string, Case]>([
    [
      "the current version of its secret cannot be read",
      "the secret of calls has no current version that can be read",
      { secrets: [secretOf("calls", { AWSPREVIOUS: "old" }, ["AWSCURRENT"])] },
    ],
    [
      "no version of its secret is current",
      "the secret of calls has no current version that can be read",
      { secrets: [secretOf("calls", { AWSPREVIOUS: "old" })] },
    ],
    [
      "no version of its secret can be read",
      "the secret of calls has no current version that can be read",
      { secrets: [secretOf("calls", {}, ["AWSCURRENT", "AWSPREVIOUS"])] },
    ],
    [
      "the platform does not list the current key",
      "the platform does not list the current key new",
      { listed: ["old"] },
    ],
    [
      "the account of the current key could not be listed",
      "the platform does not list the current key new",
      { listed: undefined },
    ],
    [
      "the platform refuses the current key, although it lists it",
      "the platform refuses the current key new",
      { refused: ["new"], accepted: {} },
    ],
    ["the current key was not tried", "the current key new could not be tried", { accepted: {} }],
    [
      "another key was current when it was tried",
      "the current key new could not be tried",
      { accepted: { calls: "old" } },
    ],
    [
      "the current key is of another account than grants.yml says",
      `secret voximplant/calls: key new belongs to Voximplant account ${ACCOUNT}, ` +
        `but grants.yml says accountId ${OTHER_ACCOUNT} for calls; the key is not used`,
      { grants: { calls: { accountId: OTHER_ACCOUNT } } },
    ],
    [
      "it is only named for a secret, and the current key of that secret is refused",
      "the platform refuses the current key new",
      { secrets: [secretOf("calls", { AWSCURRENT: "new" })], refused: ["new"] },
    ],
    [
      "another secret holds it too, and the platform does not list the current key of that secret",
      "the platform does not list the current key other",
      {
        secrets: [rotated, secretOf("history", { AWSPREVIOUS: "old", AWSCURRENT: "other" })],
        listed: ["old", "new"],
      },
    ],
    [
      "a version of another secret cannot be read, and the platform refuses the current key of that secret",
      "the platform refuses the current key other",
      {
        secrets: [rotated, secretOf("history", { AWSCURRENT: "other" }, ["AWSPREVIOUS"])],
        refused: ["other"],
      },
    ],
  ])("may be the last that works if %s", (_, reason, of) => {
    expect(why(of)).toBe(reason);
  });

  it.each<[string, Case]>([
    ["the platform accepts the current key of its secret", {}],
    [
      "only the current key of a secret that does not hold it does not work",
      { secrets: [rotated, secretOf("history", { AWSCURRENT: "other" })], refused: ["other"] },
    ],
    ["it is only named for a secret, which has never held a key", { secrets: [secretOf("calls", {})] }],
    [
      "grants.yml says another account only for another service account",
      {
        secrets: [secretOf("history", { AWSPREVIOUS: "old", AWSCURRENT: "new" })],
        accepted: { history: "new" },
        owner: "history",
        grants: { calls: { accountId: OTHER_ACCOUNT }, history: {} },
      },
    ],
  ])("is not the last that works if %s", (_, of) => {
    expect(why(of)).toBeUndefined();
  });
});
