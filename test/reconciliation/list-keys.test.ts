import { afterEach, describe, expect, it } from "vitest";

import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { keyName, labelKey } from "../../lib/key-lifecycle/key-label.ts";
import { secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import { listKeys } from "../../lib/reconciliation/list-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { ACCOUNT, GRACE_MS, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

const OTHER = 7654321;
const TWO = { "outbound-calls": {}, "call-history": {} };
const pem = rsaPem();
let world: World;
afterEach(() => world.close());

const key = (label = "AWSCURRENT", name?: string) => world.keyWith(label, name) ?? "";
const list = (policy = policyFor(), store: Partial<SecretStore> = {}) => {
  const all = { ...world.ports.store, ...store };
  return listKeys({ ...world.ports, store: all, readSecret: secretReader(all) }, policy);
};
const isoTime = (time: number) => new Date(time).toISOString();

describe("the list of keys", () => {
  it("shows a current key with its account, its name, its roles and the time of its version", async () => {
    world = await startWorld();
    expect(await list()).toEqual({
      keys: [
        {
          accountId: ACCOUNT,
          keyId: key(),
          name: "made by hand",
          state: "current",
          serviceAccount: "outbound-calls",
          roles: ["Developer", "Support", "Scenarios"],
          since: isoTime(world.clock.now),
        },
      ],
      problems: [],
    });
  });

  it("leaves out roles that are inherited from another role", async () => {
    world = await startWorld();
    const openKey: World["ports"]["openKey"] = async (file) => {
      const opened = await world.ports.openKey(file);
      const roles = [
        { role_id: 3, role_name: "Developer" },
        { role_id: 5, role_name: "Support", inherited: true },
      ];
      const getKeys = async () => (await opened.api.getKeys()).map((one) => ({ ...one, roles }));
      return { ...opened, api: { ...opened.api, getKeys } };
    };
    expect((await listKeys({ ...world.ports, openKey }, policyFor())).keys[0]?.roles).toEqual(["Developer"]);
  });

  it("shows a key that two versions hold with the time of the newer one", async () => {
    world = await startWorld();
    const startedAt = world.clock.now;
    world.clock.now += 60_000;
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: world.fileWith(key()),
      VersionStages: ["A-COPY"],
    });
    expect((await list()).keys[0]?.since).toBe(isoTime(startedAt + 60_000));
  });

  it("shows a key in no version with the time in its description, or without a time", async () => {
    world = await startWorld();
    const label = labelKey(world.secret(), "11111111-1111-1111-1111-111111111111", world.clock.now - 60_000);
    const stray = world.platform.addKey({ accountId: ACCOUNT, pem, ...label }).keyId;
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem, name: "laptop" }).keyId;
    const { keys } = await list();
    expect(keys.find(({ keyId }) => keyId === stray)).toMatchObject({
      state: "stray",
      serviceAccount: "outbound-calls",
      since: isoTime(world.clock.now - 60_000),
      retireAt: isoTime(world.clock.now + GRACE_MS),
    });
    const unknown = keys.find(({ keyId }) => keyId === stranger);
    expect(unknown).toMatchObject({ state: "unknown", name: "laptop" });
    for (const absent of ["since", "retireAt", "serviceAccount"]) expect(unknown).not.toHaveProperty(absent);
  });

  it("gives no time of deletion while a replica is behind, and none for an orphan", async () => {
    world = await startWorld();
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    const [version] = [...world.secret().versions.values()].filter(({ stages }) => stages.has("AWSCURRENT"));
    const name = keyName(world.secret().arn, version?.id ?? "");
    const orphan = world.platform.addKey({ accountId: ACCOUNT, pem, name }).keyId;
    const { keys } = await list(policyFor(), {
      describe: async (id) => ({
        ...(await world.ports.store.describe(id)),
        replicas: [{ region: "eu-west-1", inSync: false }],
      }),
    });
    for (const [keyId, state] of [
      [key("AWSPREVIOUS"), "superseded"],
      [orphan, "orphan"],
    ]) {
      const row = keys.find((one) => one.keyId === keyId);
      expect(row?.state).toBe(state);
      expect(row).not.toHaveProperty("retireAt");
    }
  });
});

describe("a key that several secrets hold has a row in the list for", () => {
  const states = ({ keys }: Awaited<ReturnType<typeof list>>) =>
    keys.map(({ keyId, state, serviceAccount }) => [keyId, state, serviceAccount]);
  const put = (name: string, keyId: string) =>
    world.secrets.call("PutSecretValue", {
      SecretId: `voximplant/${name}`,
      SecretString: world.fileWith(keyId),
    });
  const rotate = async () => {
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(TWO), event);
  };

  it("each service account that shares a secret", async () => {
    world = await startWorld();
    const first = key();
    await rotate();
    const shared = { "outbound-calls": {}, "second-name": { secret: "voximplant/outbound-calls" } };
    expect(states(await list(policyFor(shared)))).toEqual([
      [first, "superseded", "outbound-calls"],
      [first, "superseded", "second-name"],
      [key(), "current", "outbound-calls"],
      [key(), "current", "second-name"],
    ]);
  });

  it("each service account, with its state in that secret, and without an end while one uses it", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls"], emptySecrets: ["call-history"] });
    const shared = key();
    await put("call-history", shared);
    await rotate();
    const listed = await list(policyFor(TWO));
    expect(states(listed)).toEqual([
      [shared, "current", "call-history"],
      [shared, "superseded", "outbound-calls"],
      [key(), "current", "outbound-calls"],
    ]);
    for (const row of listed.keys) expect(row).not.toHaveProperty("retireAt");
  });

  it("each service account without a working key, if the platform refuses it", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    await put("call-history", key());
    world.platform.keys.delete(key());
    expect((await list(policyFor(TWO))).keys).toMatchObject([
      { state: "superseded", serviceAccount: "call-history" },
      { state: "missing", serviceAccount: "outbound-calls" },
      { state: "missing", serviceAccount: "call-history" },
    ]);
  });

  it("the service account whose secret holds it, also if grants.yml lists it as unmanaged", async () => {
    world = await startWorld();
    const first = key();
    await rotate();
    expect(states(await list(policyFor({ "outbound-calls": { unmanagedKeys: [first] } })))).toEqual([
      [first, "unmanaged", undefined],
      [first, "superseded", "outbound-calls"],
      [key(), "current", "outbound-calls"],
    ]);
  });
});

describe("a current key in the list is", () => {
  it.each([
    ["outbound-calls", ["missing", "current"]],
    ["call-history", ["current", "missing"]],
  ])("missing if the platform lists it, but refuses its tokens: %s", async (serviceAccount, states) => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const refused = world.fileWith(key("AWSCURRENT", serviceAccount));
    const openKey: World["ports"]["openKey"] = async (file) => {
      const opened = await world.ports.openKey(file);
      if (file !== refused) return opened;
      const dead = await world.ports.openKey(file.replace(opened.keyId, "no-such-key"));
      return { ...opened, api: dead.api };
    };
    const { keys } = await listKeys({ ...world.ports, openKey }, policyFor(TWO));
    expect(keys.map((one) => one.serviceAccount)).toEqual(["outbound-calls", "call-history"]);
    expect(keys.map(({ state }) => state)).toEqual(states);
  });

  it("missing if its account is listed without it", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const deleted = key("AWSCURRENT", "call-history");
    world.platform.keys.delete(deleted);
    const { keys, problems } = await list(policyFor(TWO));
    expect(keys[1]).toEqual({
      accountId: ACCOUNT,
      keyId: deleted,
      name: null,
      state: "missing",
      serviceAccount: "call-history",
      roles: [],
    });
    expect({ keys: keys.length, problems }).toEqual({ keys: 2, problems: [] });
  });

  it("missing if the platform refuses the only key of the account", async () => {
    world = await startWorld();
    world.platform.keys.delete(key());
    expect((await list()).keys).toMatchObject([{ keyId: key(), state: "missing" }]);
  });

  it("unlisted if its account cannot be listed, which is a problem too", async () => {
    world = await startWorld({ fault: (method) => (method === "GetKeys" ? platformFault(340) : undefined) });
    expect(await list()).toMatchObject({
      keys: [{ accountId: ACCOUNT, keyId: key(), name: null, state: "unlisted", roles: [] }],
      problems: [expect.stringMatching(/^outbound-calls: Voximplant refused GetKeys \(error 340\)/)],
    });
  });

  it("unlisted if only another account is listed", async () => {
    world = await startWorld({
      serviceAccounts: ["outbound-calls", "call-history"],
      accounts: [{ accountId: ACCOUNT }, { accountId: OTHER }],
    });
    world.platform.keys.delete(key("AWSCURRENT", "call-history"));
    const { keyId } = world.platform.addKey({ accountId: OTHER, pem });
    const [version] = world.secret("call-history").versions.values();
    if (version)
      version.content = {
        SecretString: JSON.stringify({ account_id: OTHER, key_id: keyId, private_key: pem }),
      };
    let calls = 0;
    world.faults.platform = (method) =>
      method === "GetKeys" && ++calls === 2 ? platformFault(104) : undefined;
    const { keys } = await list(policyFor(TWO));
    expect(keys.map(({ keyId, state }) => [keyId, state])).toEqual([
      [key(), "current"],
      [keyId, "unlisted"],
    ]);
  });
});

describe("a service account in the list", () => {
  it("has a row without a key if its secret holds none yet", async () => {
    world = await startWorld({ emptySecrets: ["call-history"] });
    const { keys, problems } = await list(policyFor(TWO));
    expect(keys[1]).toEqual({
      accountId: null,
      keyId: null,
      name: null,
      state: "none",
      serviceAccount: "call-history",
      roles: [],
    });
    expect(problems).toEqual([]);
  });

  it("has a problem and no row if its current version cannot be read", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const [version] = world.secret("call-history").versions.values();
    if (version) version.content = { SecretString: "not a credentials file" };
    const { keys, problems } = await list(policyFor(TWO));
    expect(keys.filter(({ serviceAccount }) => serviceAccount === "call-history")).toEqual([]);
    expect(problems).toEqual([
      expect.stringMatching(
        new RegExp(
          `^call-history: version ${version?.id} of secret voximplant/call-history cannot be read: file: not JSON`,
        ),
      ),
    ]);
  });

  it("has a row without a key if only another version cannot be read", async () => {
    world = await startWorld({ emptySecrets: ["call-history"] });
    const [event] = world.stagePending(undefined, "call-history");
    const pending = world.secret("call-history").versions.get(event?.ClientRequestToken ?? "");
    if (pending) pending.content = { SecretString: "not a credentials file" };
    const { keys, problems } = await list(policyFor(TWO));
    expect(keys[1]).toMatchObject({ state: "none", serviceAccount: "call-history" });
    expect(problems).toHaveLength(1);
  });

  it("has a problem if its secret does not exist", async () => {
    world = await startWorld();
    expect((await list(policyFor(TWO))).problems).toEqual([
      expect.stringMatching(/^call-history: There is no secret voximplant\/call-history/),
    ]);
  });
});
