import { randomUUID } from "node:crypto";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { Log } from "../../lib/audit/log.ts";
import { type SnapshotPorts, takeSnapshot } from "../../lib/key-lifecycle/take-snapshot.ts";
import { VoximplantError, VoximplantUnavailableError } from "../../lib/voximplant/errors.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { ACCOUNT, credentialsFile, policyFor, startWorld, type World } from "./world.ts";

let world: World;
let opened: string[];
let logged: Parameters<Log>[];
beforeEach(async () => {
  world = await startWorld({ emptySecrets: ["call-history"] });
  opened = [];
  logged = [];
});
afterEach(() => world.close());

/** Notes the ids of the keys that are opened to sign in, and what is logged. */
const snapshot = (ports: Partial<SnapshotPorts> = {}, policy = policyFor()) =>
  takeSnapshot(
    {
      ...world.ports,
      log: (...line) => void logged.push(line),
      openKey: async (file) => {
        const key = await world.ports.openKey(file);
        opened.push(key.keyId);
        return key;
      },
      ...ports,
    },
    policy,
  );

/** A version that was created so many seconds ago. Its key is known to the platform. */
function addVersion(
  secondsAgo: number,
  { labels = [], keyId = randomUUID() }: { labels?: readonly string[]; keyId?: string } = {},
) {
  const pem = rsaPem();
  if (!world.platform.keys.has(keyId)) world.platform.addKey({ accountId: ACCOUNT, pem, keyId });
  const id = randomUUID();
  const createdDate = world.clock.now / 1000 - secondsAgo;
  const content = { SecretString: credentialsFile(keyId, pem) };
  world.secret().versions.set(id, { id, createdDate, content, stages: new Set(labels) });
  return { id, keyId };
}
const currentId = () => world.keyWith("AWSCURRENT") ?? "";

describe("a snapshot", () => {
  it("has nothing to report if every secret and key can be read", async () => {
    const { accounts, refused, failures } = await snapshot();
    expect({ refused, failures }).toEqual({ refused: new Map(), failures: [] });
    expect(accounts.map(({ accountId, current }) => [accountId, [...current.keys()]])).toEqual([
      [ACCOUNT, ["outbound-calls"]],
    ]);
    expect(logged).toEqual([]);
  });

  it("says which secret holds no key yet", async () => {
    await snapshot({}, policyFor({ "outbound-calls": {}, "call-history": {} }));
    expect(logged).toEqual([
      ["info", "Secret voximplant/call-history holds no key yet.", { serviceAccount: "call-history" }],
    ]);
  });

  it("lists an account's keys with a key that was never current if the secret has no current version", async () => {
    const { keyId } = addVersion(0, { labels: ["AWSPENDING"] });
    for (const [id, { stages }] of world.secret().versions)
      if (stages.has("AWSCURRENT")) world.secret().versions.delete(id);
    const { accounts, failures } = await snapshot();
    expect(accounts.map(({ lister, current }) => [lister.keyId, current.size])).toEqual([[keyId, 0]]);
    expect(failures).toEqual([]);
  });
});

describe("the key that lists an account's keys", () => {
  const lister = async (ports?: Partial<SnapshotPorts>) => {
    const { accounts, ...rest } = await snapshot(ports);
    return { keyId: accounts[0]?.lister.keyId, ...rest };
  };

  it("is the current one, and no other is tried, even if a newer version holds one", async () => {
    addVersion(-60);
    expect((await lister()).keyId).toBe(currentId());
    expect(opened).toEqual([currentId()]);
  });

  it.each([
    ["oldest", [90, 60, 30]],
    ["newest", [30, 60, 90]],
  ])(
    "is the newest superseded one if the current one is refused, and the %s was read first",
    async (_, ages) => {
      const added = ages.map((secondsAgo) => ({ secondsAgo, ...addVersion(secondsAgo) }));
      const newestFirst = added.toSorted((one, other) => one.secondsAgo - other.secondsAgo);
      const [newest, second] = newestFirst.map(({ keyId }) => keyId);
      world.platform.keys.delete(currentId());
      world.platform.keys.delete(newest ?? "");
      const { keyId, refused, failures } = await lister();
      expect(keyId).toBe(second);
      // Each key is tried once.
      expect(opened).toEqual([currentId(), newest, second]);
      expect([...refused]).toMatchObject([[currentId(), { code: 433 }]]);
      expect(failures).toEqual([]);
    },
  );

  it("is another if the value of the current version has gone meanwhile, which is no failure", async () => {
    const { keyId } = addVersion(60);
    const current = [...world.secret().versions.values()].find(({ stages }) => stages.has("AWSCURRENT"));
    const { store } = world.ports;
    const readVersion: typeof store.readVersion = (secretId, versionId) =>
      versionId === current?.id ? Promise.resolve(undefined) : store.readVersion(secretId, versionId);
    expect(await lister({ store: { ...store, readVersion } })).toMatchObject({
      keyId,
      refused: new Map(),
      failures: [],
    });
  });
});

it("a snapshot keeps a current key that got no answer, because calls with it may still succeed", async () => {
  await world.close();
  world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
  const lost = world.keyWith("AWSCURRENT", "call-history");
  const openKey: SnapshotPorts["openKey"] = async (file) => {
    const key = await world.ports.openKey(file);
    const getKeys = () => Promise.reject(new Error("no answer"));
    return key.keyId === lost ? { ...key, api: { ...key.api, getKeys } } : key;
  };
  const { accounts, refused, failures } = await snapshot(
    { openKey },
    policyFor({ "outbound-calls": {}, "call-history": {} }),
  );
  expect(accounts.map(({ current }) => [...current.keys()].sort())).toEqual([
    ["call-history", "outbound-calls"],
  ]);
  expect(failures).toMatchObject([{ serviceAccount: "call-history", error: { message: "no answer" } }]);
  expect(refused).toEqual(new Map());
});

describe("while the platform gives no answer, a snapshot", () => {
  const names = ["outbound-calls", "call-history"];
  const outage = new VoximplantUnavailableError("GetKeys", "HTTP 503");
  const silent: SnapshotPorts["openKey"] = async (file) => {
    const key = await world.ports.openKey(file);
    const getKeys = () => {
      asked.push(key.keyId);
      return Promise.reject(outage);
    };
    return { ...key, api: { ...key.api, getKeys } };
  };
  let asked: string[];
  beforeEach(() => {
    asked = [];
  });

  it("calls it with one current key of the account, and reports each service account", async () => {
    await world.close();
    world = await startWorld({ serviceAccounts: names });
    const both = policyFor({ "outbound-calls": {}, "call-history": {} });
    const { accounts, failures } = await snapshot({ openKey: silent }, both);
    expect(asked).toHaveLength(1);
    expect(accounts).toEqual([]);
    expect(failures).toEqual(names.map((serviceAccount) => ({ serviceAccount, error: outage })));
  });

  it("calls it with no superseded key of the account", async () => {
    addVersion(60);
    await snapshot({ openKey: silent });
    expect(asked).toEqual([currentId()]);
  });

  it("calls it with one superseded key if no key is current", async () => {
    addVersion(60);
    addVersion(30);
    for (const { stages } of world.secret().versions.values()) stages.delete("AWSCURRENT");
    const { failures } = await snapshot({ openKey: silent });
    expect(asked).toHaveLength(1);
    expect(failures).toEqual([{ serviceAccount: "outbound-calls", error: outage }]);
  });
});

describe("an account in which no key is current", () => {
  const OLD_ACCOUNT = 7654321;

  beforeEach(async () => {
    await world.close();
    world = await startWorld({ accounts: [{ accountId: ACCOUNT }, { accountId: OLD_ACCOUNT }] });
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: OLD_ACCOUNT, pem });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, OLD_ACCOUNT),
      VersionStages: ["BY-HAND"],
    });
  });

  const snapshotWith = (getKeys: () => Promise<never>) =>
    snapshot({
      openKey: async (file) => {
        const key = await world.ports.openKey(file);
        return key.accountId === OLD_ACCOUNT ? { ...key, api: { ...key.api, getKeys } } : key;
      },
    });

  it.each([
    ["gives no answer", new VoximplantUnavailableError("GetKeys", "socket hang up")],
    ["is called too often", new VoximplantError("GetKeys", 340, "too many requests")],
  ])("is a failure if the platform %s, because its keys are not known", async (_, error) => {
    const { accounts, failures } = await snapshotWith(() => Promise.reject(error));
    expect(accounts.map(({ accountId }) => accountId)).toEqual([ACCOUNT]);
    expect(failures).toEqual([{ serviceAccount: "outbound-calls", error }]);
  });

  it.each([433, 104])("is none if the platform refuses its superseded keys (error %i)", async (code) => {
    const { failures } = await snapshotWith(() => Promise.reject(new VoximplantError("GetKeys", code, "no")));
    expect(failures).toEqual([]);
  });

  it("is none if another of its keys lists it", async () => {
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: OLD_ACCOUNT, pem });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, OLD_ACCOUNT),
      VersionStages: ["BY-HAND-TOO"],
    });
    let isFirst = true;
    const openKey: SnapshotPorts["openKey"] = async (file) => {
      const key = await world.ports.openKey(file);
      if (key.accountId !== OLD_ACCOUNT || !isFirst) return key;
      isFirst = false;
      throw new Error("not a key");
    };
    const { accounts, failures } = await snapshot({ openKey });
    expect(accounts.map(({ accountId }) => accountId)).toEqual([ACCOUNT, OLD_ACCOUNT]);
    expect(failures).toEqual([]);
  });
});

it("of two versions that hold the current key, a snapshot signs in with the newer one", async () => {
  const keyId = currentId();
  // Somebody stored the key's id with another private key before.
  addVersion(60, { keyId });
  const { accounts, failures } = await snapshot();
  expect(failures).toEqual([]);
  const key = accounts[0]?.current.get("outbound-calls");
  await expect(key?.api.getAccountInfo()).resolves.toMatchObject({ account_id: ACCOUNT });
});
