import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { type KeyIdentity, secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import type { ReplacementPorts } from "../../lib/reconciliation/replace-key.ts";
import {
  openMatchingKeys,
  readCurrentKeys,
  readCurrentKeysSettled,
} from "../../lib/reconciliation/revocation-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

const policy = policyFor({ "outbound-calls": {}, "call-history": {}, billing: {} });
let world: World;
beforeEach(async () => {
  world = await startWorld({
    serviceAccounts: ["outbound-calls", "call-history"],
    emptySecrets: ["billing"],
  });
});
afterEach(() => world.close());

const key = (label = "AWSCURRENT", name = "outbound-calls") => world.keyWith(label, name) ?? "";
const portsWith = (store: Partial<SecretStore> = {}, ports: Partial<ReplacementPorts> = {}) => {
  const all = { ...world.ports.store, ...store };
  return { ...world.ports, store: all, readSecret: secretReader(all), ...ports };
};
const warnings = () => world.logged.filter(({ level }) => level === "warn").map(({ message }) => message);

describe("the current keys", () => {
  it("are those of the service accounts that have one", async () => {
    const { found } = await readCurrentKeys(portsWith(), policy);
    expect(found.map(({ serviceAccount, key: { keyId } }) => [serviceAccount.name, keyId])).toEqual([
      ["outbound-calls", key()],
      ["call-history", key("AWSCURRENT", "call-history")],
    ]);
    expect(found[0]?.version.value).toContain(key());
    expect(warnings()).toEqual([]);
  });

  it("are read although a secret cannot be described, or another one cannot be read", async () => {
    const store: Partial<SecretStore> = {
      describe: () => Promise.reject(new Error("throttled")),
      readCurrent: (id) =>
        id === "voximplant/outbound-calls"
          ? Promise.reject(new Error("AccessDenied"))
          : world.ports.store.readCurrent(id),
    };
    const { found, unreadable } = await readCurrentKeys(portsWith(store), policy);
    expect(found.map(({ serviceAccount: { name } }) => name)).toEqual(["call-history"]);
    expect([...unreadable]).toEqual(["outbound-calls"]);
    expect(warnings()).toEqual(["The current key of outbound-calls cannot be read: AccessDenied"]);
  });
});

describe("the current keys, while reads may lag,", () => {
  /** The first `stale` reads of a secret return what was current before the rotation. */
  async function rotateWithLag(stale: number) {
    const before = await world.ports.store.readCurrent("voximplant/outbound-calls");
    for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
    let reads = 0;
    const pauses: number[] = [];
    const ports = portsWith(
      {
        readCurrent: (id) =>
          id === "voximplant/outbound-calls" && ++reads <= stale
            ? Promise.resolve(before)
            : world.ports.store.readCurrent(id),
      },
      { sleep: (pause) => Promise.resolve(void pauses.push(pause)) },
    );
    return { ports, pauses };
  }

  it("are read again until the leaked key is among them", async () => {
    const { ports, pauses } = await rotateWithLag(2);
    const { found } = await readCurrentKeysSettled(ports, policy, key());
    expect(found[0]?.key.keyId).toBe(key());
    expect(pauses).toEqual([1_000, 2_000]);
  });

  it("are read for 7 s if the leaked key is not current", async () => {
    const { ports, pauses } = await rotateWithLag(0);
    expect((await readCurrentKeysSettled(ports, policy, "another")).found).toHaveLength(2);
    expect(pauses).toEqual([1_000, 2_000, 4_000]);
  });
});

describe("a search for keys", () => {
  const search = (
    isWanted: (key: KeyIdentity, labels: ReadonlySet<string>) => boolean,
    ports = portsWith(),
  ) => openMatchingKeys(ports, policy, isWanted).then((found) => found.map(({ keyId }) => keyId));

  it("looks at every version of every secret, with its labels", async () => {
    for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
    const seen = new Map<string, string>();
    await search(({ keyId }, labels) => {
      seen.set(keyId, [...labels].filter((label) => label !== "AWSPENDING").join());
      return false;
    });
    expect(Object.fromEntries(seen)).toEqual({
      [key()]: "AWSCURRENT",
      [key("AWSPREVIOUS")]: "AWSPREVIOUS",
      [key("AWSCURRENT", "call-history")]: "AWSCURRENT",
    });
  });

  it("looks at versions without a label too", async () => {
    const first = key();
    for (let n = 0; n < 2; n += 1)
      for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
    expect(await search(({ keyId }, labels) => keyId === first && labels.size === 0)).toEqual([first]);
  });

  it("opens a key once, although two versions hold it", async () => {
    const copy = { SecretId: world.secret().arn, SecretString: world.fileWith(key()) };
    await world.secrets.call("PutSecretValue", { ...copy, VersionStages: ["A-COPY"] });
    expect(await search(({ keyId }) => keyId === key())).toEqual([key()]);
  });

  it("goes on with the other secrets if one cannot be read, and logs which", async () => {
    const ports = portsWith({
      listVersions: (arn) =>
        arn.includes("outbound-calls")
          ? Promise.reject(new Error("throttled"))
          : world.ports.store.listVersions(arn),
    });
    expect(await search(() => true, ports)).toEqual([key("AWSCURRENT", "call-history")]);
    expect(warnings()).toEqual(["Secret voximplant/outbound-calls cannot be searched for keys: throttled"]);
  });

  /** The secrets are read as before; only the second read of a version is another one. */
  const portsThatOpen = (readVersion: SecretStore["readVersion"]) =>
    portsWith({ readVersion }, { readSecret: world.ports.readSecret });

  it("goes on with the other versions if one cannot be read, and logs which", async () => {
    const ports = portsThatOpen((arn, versionId) =>
      arn.includes("outbound-calls")
        ? Promise.reject(new Error("throttled"))
        : world.ports.store.readVersion(arn, versionId),
    );
    expect(await search(() => true, ports)).toEqual([key("AWSCURRENT", "call-history")]);
    expect(warnings()).toEqual([
      expect.stringMatching(
        /^Version \S+ of secret voximplant\/outbound-calls cannot be searched for keys: throttled$/,
      ),
    ]);
  });

  it("leaves out a version that has been deleted since the secret was read", async () => {
    expect(
      await search(
        () => true,
        portsThatOpen(() => Promise.resolve(undefined)),
      ),
    ).toEqual([]);
    expect(warnings()).toEqual([]);
  });
});
