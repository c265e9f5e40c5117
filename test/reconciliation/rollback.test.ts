import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { GRACE_TAG } from "../../lib/key-lifecycle/secret-store.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import type { ReplacementPorts } from "../../lib/reconciliation/replace-key.ts";
import { rollBack } from "../../lib/reconciliation/rollback.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { ACCOUNT, policyFor, SECRET, startWorld, type World } from "../key-lifecycle/world.ts";

let world: World;
let [k0, k1] = ["", ""];
beforeEach(async () => {
  world = await startWorld();
  k0 = key();
  for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
  k1 = key();
});
afterEach(() => world.close());

const key = (label = "AWSCURRENT") => world.keyWith(label) ?? "";
const versionOf = (label: string) =>
  [...world.secret().versions.values()].find(({ stages }) => stages.has(label));

function run(store: Partial<SecretStore> = {}, ports: Partial<ReplacementPorts> = {}, accountId = ACCOUNT) {
  const [serviceAccount] = policyFor({ "outbound-calls": { accountId } }).serviceAccounts;
  if (serviceAccount === undefined) throw new Error("no service account");
  return rollBack({ ...world.ports, ...ports, store: { ...world.ports.store, ...store } }, serviceAccount);
}

/** Collects the pauses from now on. The next change of the secret is later than the last one. */
function startPauses() {
  const pauses: number[] = [];
  world.clock.now += 60_000;
  return { pauses, sleep: (pause: number) => Promise.resolve(void pauses.push(pause)) };
}

/** The platform answers the n-th call of a method from now on with an error. */
function failCall(method: string, isFailing: (n: number) => boolean, code: 100 | 340) {
  let n = 0;
  world.faults.platform = (called) => (called === method && isFailing(++n) ? platformFault(code) : undefined);
}

describe("a rollback", () => {
  it("makes the previous key current, moves the rules to it, and names both keys", async () => {
    expect(await run()).toEqual({ keyId: k0, supersededKeyId: k1, pending: "clean", leftToDo: [] });
    expect([key(), key("AWSPREVIOUS")]).toEqual([k0, k1]);
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(k0);
    expect(versionOf("AWSPENDING")).toBeUndefined();
  });

  it("names the key that was current, and not an older one", async () => {
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    expect(await run()).toMatchObject({ keyId: k1, supersededKeyId: [...world.platform.keys.keys()].at(-1) });
  });

  it("names the deleted key if rules may be bound to it", async () => {
    world.platform.keys.delete(k1);
    const rules =
      `The platform does not list key ${k1}. If routing rules are bound to it, bind them to key ${k0} in the ` +
      "control panel.";
    expect(await run()).toEqual({ keyId: k0, pending: "clean", leftToDo: [rules] });
  });

  it("succeeds if only the answer to the move of the label is lost", async () => {
    const moveStage: SecretStore["moveStage"] = async (...move) => {
      await world.ports.store.moveStage(...move);
      if (move[1] === "AWSCURRENT") throw new Error("socket hang up");
    };
    const { pauses, sleep } = startPauses();
    expect(await run({ moveStage }, { sleep })).toMatchObject({ keyId: k0 });
    expect(key()).toBe(k0);
    expect(pauses).toEqual([]);
  });

  it("waits only while Secrets Manager still shows the other key as current", async () => {
    const before = await world.ports.store.describe(SECRET);
    /** How often the secret was described after the label moved. */
    let looks = Number.NaN;
    const store: Partial<SecretStore> = {
      moveStage: async (...move) => {
        await world.ports.store.moveStage(...move);
        if (move[1] === "AWSCURRENT") looks = 0;
      },
      describe: (id) => (++looks <= 2 ? Promise.resolve(before) : world.ports.store.describe(id)),
    };
    const { pauses, sleep } = startPauses();
    expect(await run(store, { sleep })).toMatchObject({ keyId: k0, pending: "clean", leftToDo: [] });
    expect(pauses).toEqual([1_000, 2_000]);
  });

  it("starts the grace again before the label moves, and leaves the recorded roles alone", async () => {
    world.secret().tags = [];
    const describedAt = (await world.ports.store.describe(SECRET)).lastChangedAt;
    world.clock.now += 60_000;
    const startedAt = new Date(world.clock.now).toISOString();
    const moveStage = () => Promise.reject(new Error("AccessDenied"));
    await expect(run({ moveStage })).rejects.toThrow("AccessDenied");
    const { tags, lastChangedAt } = await world.ports.store.describe(SECRET);
    expect([...tags]).toEqual([[GRACE_TAG, startedAt]]);
    expect(lastChangedAt).toBeGreaterThan(describedAt);
  });

  /** A rollback that reads the secret for the first time. */
  const runAfresh = () => run({}, { readSecret: secretReader(world.ports.store) });

  it("names no superseded key, and leaves nothing to do, if the version that was current holds no key", async () => {
    const version = versionOf("AWSCURRENT");
    if (version) version.content = { SecretString: "not a credentials file" };
    expect(await runAfresh()).toEqual({ keyId: k0, pending: "clean", leftToDo: [] });
    expect(key()).toBe(k0);
  });

  it("leaves nothing to do if both versions hold the same key", async () => {
    const [version, previous] = [versionOf("AWSCURRENT"), versionOf("AWSPREVIOUS")];
    if (version && previous?.content) version.content = previous.content;
    const { id } = previous ?? {};
    expect(await runAfresh()).toEqual({ keyId: k0, pending: "clean", leftToDo: [] });
    expect(versionOf("AWSCURRENT")?.id).toBe(id);
  });

  it("succeeds if the platform refuses the key for some seconds after the label has moved", async () => {
    failCall("GetAccountInfo", (n) => n === 2 || n === 3, 100);
    expect(await run()).toMatchObject({ keyId: k0, leftToDo: [] });
  });
});

describe("a rollback is refused, and moves no label,", () => {
  const noPrevious = `Secret ${SECRET} has no previous version to go back to. \`voxtoken admin keys\` lists its keys.`;

  it.each<[string, () => void]>([
    ["if no version is the previous one", () => versionOf("AWSPREVIOUS")?.stages.delete("AWSPREVIOUS")],
    ["if the previous version has no value", () => delete versionOf("AWSPREVIOUS")?.content],
    ["if no version is current", () => versionOf("AWSCURRENT")?.stages.delete("AWSCURRENT")],
  ])("%s", async (_, change) => {
    change();
    const before = key();
    await expect(run()).rejects.toMatchObject({ name: "KeyLifecycleError", message: noPrevious });
    expect(key()).toBe(before);
  });

  it("if the platform refuses the previous key, and says how to replace the current one", async () => {
    world.platform.keys.delete(k0);
    await expect(run()).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message:
        `The platform refuses the previous key ${k0}, so it does not become current: it was deleted, or revoked. ` +
        "Replace the current key instead: `voxtoken admin rotate outbound-calls`.",
      cause: { code: expect.any(Number) as number },
    });
    expect(key()).toBe(k1);
  });

  it("if the platform does not answer whether the previous key works", async () => {
    failCall("GetAccountInfo", () => true, 340);
    await expect(run()).rejects.toMatchObject({ name: "VoximplantError", code: 340 });
    expect(key()).toBe(k1);
  });

  it("if the previous key belongs to another account than grants.yml names", async () => {
    await expect(run({}, {}, ACCOUNT + 1)).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringContaining(`${ACCOUNT + 1}`) as string,
    });
    expect(key()).toBe(k1);
  });

  it("as far as is known, if Secrets Manager does not answer and cannot be read", async () => {
    const fail = () => Promise.reject(new Error("no answer"));
    await expect(run({ moveStage: fail, readCurrent: fail })).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message:
        `Secrets Manager does not report key ${k0} as current: no answer ` +
        "Look at `voxtoken admin keys` before you repeat the rollback: a second one undoes the first.",
      cause: { message: "no answer" },
    });
  });

  it("if Secrets Manager does not move the label", async () => {
    const moveStage = () => Promise.reject(new Error("AccessDenied"));
    await expect(run({ moveStage })).rejects.toThrow(`does not report key ${k0} as current: AccessDenied`);
    expect(key()).toBe(k1);
  });
});

describe("after the label has moved, a rollback", () => {
  it("says how to go back if the key was deleted in between", async () => {
    const moveStage: SecretStore["moveStage"] = async (...move) => {
      await world.ports.store.moveStage(...move);
      world.platform.keys.delete(k0);
    };
    await expect(run({ moveStage })).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringMatching(
        new RegExp(
          `^Key ${k0} is current again, and the platform does not accept it: Voximplant refused .* ` +
            "Go back: `voxtoken admin rollback outbound-calls`\\.$",
        ),
      ) as string,
      cause: { name: "VoximplantError" },
    });
    expect(key()).toBe(k0);
  });

  it("fails if another version has become current, and moves no rules", async () => {
    world.clock.now += 3_600_000;
    const [create, set, test, finish] = world.stagePending();
    for (const event of [create, set, test]) if (event) await rotateKey(world.ports, policyFor(), event);
    let isPromoted = false;
    const describe: SecretStore["describe"] = async (id) => {
      // The label has moved back, and finishSecret has read the secret since.
      if (finish !== undefined && !isPromoted && key() === k0) {
        isPromoted = true;
        await rotateKey(world.openProcess("rotation").ports, policyFor(), finish);
      }
      return world.ports.store.describe(id);
    };
    await expect(run({ describe })).rejects.toThrow(
      `Key ${k0} became current, and then another version did. \`voxtoken admin keys\` shows the current key.`,
    );
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(key());
  });

  it("says that it is not known whether the key works if the platform gives no answer, without a wait", async () => {
    const startedAt = world.clock.now;
    failCall("GetAccountInfo", (n) => n > 1, 340);
    expect(await run()).toMatchObject({
      keyId: k0,
      leftToDo: [
        expect.stringContaining("It is unknown whether the platform still accepts the key: ") as string,
      ],
    });
    // The connection itself repeats a call that was rate-limited.
    expect(world.clock.now - startedAt).toBeLessThan(30_000);
  });

  it("says that AWSPENDING stays on another version while a replica is being written", async () => {
    versionOf("AWSPREVIOUS")?.stages.add("AWSPENDING");
    versionOf("AWSCURRENT")?.stages.delete("AWSPENDING");
    const describe: SecretStore["describe"] = async (id) => ({
      ...(await world.ports.store.describe(id)),
      // The label moves to the key of the rollback, so another version has to be the pending one.
      stages: new Map([
        ["another", new Set(["AWSPENDING"])],
        ...(await world.ports.store.describe(id)).stages,
      ]),
      replicas: [{ region: "eu-west-1", inSync: false }],
    });
    expect(await run({ describe })).toMatchObject({ pending: "replicas-behind", leftToDo: [] });
  });

  it.each<[text: string, pending: string | undefined, rollback: () => Promise<unknown>]>([
    [
      "AWSPENDING was not taken off another version: no answer",
      undefined,
      async () => {
        let described = 0;
        const describe: SecretStore["describe"] = (id) =>
          ++described === 1 ? world.ports.store.describe(id) : Promise.reject(new Error("no answer"));
        return run({ describe });
      },
    ],
    [
      "The secret could not be read again: no answer",
      "clean",
      () => run({}, { readSecret: () => Promise.reject(new Error("no answer")) }),
    ],
  ])("names what is left to do: %s", async (text, pending, rollback) => {
    const report = await rollback();
    expect(report).toMatchObject({ keyId: k0, leftToDo: [text] });
    expect((report as { pending?: string }).pending).toBe(pending);
    expect(key()).toBe(k0);
  });

  it("says that routing rules were not moved, and names no superseded key", async () => {
    failCall("GetKeys", () => true, 340);
    const report = await run();
    expect(report).toMatchObject({
      pending: "clean",
      leftToDo: [expect.stringMatching(/^Routing rules were not moved: .*340/) as string],
    });
    expect(report).not.toHaveProperty("supersededKeyId");
  });
});
