import { randomUUID } from "node:crypto";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { dropPending, MayBeCurrentError, storeCurrent } from "../../lib/key-lifecycle/store-current.ts";
import { startWorld, type World } from "./world.ts";

let world: World;
let pauses: number[];
beforeEach(async () => {
  world = await startWorld({ secretsManager: { replicaRegions: ["eu-west-1"] } });
  pauses = [];
});
afterEach(() => world.close());

const waiting = {
  sleep: (milliseconds: number) => {
    pauses.push(milliseconds);
    return Promise.resolve();
  },
};
const labelled = (stage: string) =>
  [...world.secret().versions.values()].filter(({ stages }) => stages.has(stage)).map(({ id }) => id);

describe("storeCurrent", () => {
  const store = async (over: Partial<SecretStore>, versionId: string = randomUUID()) => {
    const state = await world.ports.store.describe("voximplant/outbound-calls");
    return storeCurrent({ ...world.ports.store, ...over }, state, { versionId, value: "new" }, waiting);
  };

  it("waits until Secrets Manager reports the version as current", async () => {
    const before = await world.ports.store.describe("voximplant/outbound-calls");
    let looks = 0;
    const describe: SecretStore["describe"] = (id) =>
      ++looks < 3 ? Promise.resolve(before) : world.ports.store.describe(id);
    const versionId = randomUUID();
    await store({ describe }, versionId);
    expect(labelled("AWSCURRENT")).toEqual([versionId]);
    expect(pauses).toEqual([1_000, 2_000]);
  });

  it("says after a minute that it is not known whether the version is current", async () => {
    const before = await world.ports.store.describe("voximplant/outbound-calls");
    const versionId = randomUUID();
    await expect(store({ describe: () => Promise.resolve(before) }, versionId)).rejects.toThrow(
      `It is not known whether version ${versionId} of secret voximplant/outbound-calls is current: ` +
        "it is stored, but Secrets Manager does not report it as current",
    );
    expect(pauses).toHaveLength(7);
  });

  it("says at once that it is not known, if Secrets Manager cannot be read", async () => {
    const stored = store({ describe: () => Promise.reject(new Error("no answer")) });
    await expect(stored).rejects.toThrow(MayBeCurrentError);
    await expect(stored).rejects.toThrow(/^It is not known whether version .* is current: no answer$/);
    expect(pauses).toEqual([]);
  });

  it.each<[string, string, object]>([
    ["no answer", "after the answer is lost", {}],
    ["broken", "after a fault of Secrets Manager", { $metadata: { httpStatusCode: 500, attempts: 1 } }],
    ["throttled", "after a lost answer and a refusal", { $metadata: { httpStatusCode: 400, attempts: 2 } }],
  ])("says that it is not known (%s) %s", async (message, _, fields) => {
    const putVersion = () => Promise.reject(Object.assign(new Error(message), fields));
    await expect(store({ putVersion })).rejects.toThrow(MayBeCurrentError);
  });

  it("passes on a refusal of Secrets Manager, which stores nothing", async () => {
    const $metadata = { httpStatusCode: 400, attempts: 1 };
    const refusal = Object.assign(new Error("denied"), { name: "AccessDeniedException", $metadata });
    await expect(store({ putVersion: () => Promise.reject(refusal) })).rejects.toBe(refusal);
  });

  it("fails if the version already holds another key, and leaves that key in it", async () => {
    const [versionId = ""] = labelled("AWSCURRENT");
    const key = world.keyWith("AWSCURRENT");
    await expect(store({}, versionId)).rejects.toThrow(
      `Version ${versionId} of secret voximplant/outbound-calls already holds another key. Try again.`,
    );
    expect(world.keyWith("AWSCURRENT")).toBe(key);
  });
});

describe("dropPending", () => {
  const drop = (over: Partial<SecretStore> = {}) =>
    dropPending({ ...world.ports.store, ...over }, "voximplant/outbound-calls", waiting);
  const put = (Status: "InSync" | "InProgress") => {
    world.secret().replicas = [{ Region: "eu-west-1", Status }];
  };

  it("takes AWSPENDING off a version that is not current", async () => {
    world.stagePending();
    expect(await drop()).toBe("clean");
    expect(labelled("AWSPENDING")).toEqual([]);
    expect(pauses).toEqual([]);
  });

  it("leaves AWSPENDING on the current version", async () => {
    const current = labelled("AWSCURRENT");
    world.stagePending(current[0]);
    expect(await drop()).toBe("clean");
    expect(labelled("AWSPENDING")).toEqual(current);
  });

  it("waits 7 seconds for a replica that is behind, looks once more, and then changes nothing", async () => {
    const [event] = world.stagePending();
    put("InProgress");
    expect(await drop()).toBe("replicas-behind");
    expect(labelled("AWSPENDING")).toEqual([event?.ClientRequestToken]);
    expect(pauses).toEqual([1_000, 2_000, 4_000]);
    expect(world.secrets.calls.map(({ operation }) => operation)).toEqual(Array(4).fill("DescribeSecret"));
  });

  it("goes on as soon as the replica is in sync", async () => {
    world.stagePending();
    put("InProgress");
    const { describe } = world.ports.store;
    const sleepThenSync: SecretStore["describe"] = (id) => {
      if (pauses.length === 2) put("InSync");
      return describe(id);
    };
    expect(await drop({ describe: sleepThenSync })).toBe("clean");
    expect(labelled("AWSPENDING")).toEqual([]);
  });

  it("tries again if the label cannot be moved, because the description may be old", async () => {
    world.stagePending();
    const { moveStage } = world.ports.store;
    let tries = 0;
    const moved = await drop({
      moveStage: (...move) => (++tries === 1 ? Promise.reject(new Error("moved")) : moveStage(...move)),
    });
    expect([moved, labelled("AWSPENDING"), pauses]).toEqual(["clean", [], [1_000]]);
  });

  it("throws Secrets Manager's error if the label cannot be moved in 7 seconds", async () => {
    world.stagePending();
    const moveStage = () => Promise.reject(new Error("denied"));
    await expect(drop({ moveStage })).rejects.toThrow("denied");
    expect(pauses).toEqual([1_000, 2_000, 4_000]);
  });
});
