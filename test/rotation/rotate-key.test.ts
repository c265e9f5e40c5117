import { randomUUID } from "node:crypto";

import { afterEach, describe, expect, it } from "vitest";

import { keyName } from "../../lib/key-lifecycle/key-label.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { revokeKey } from "../../lib/reconciliation/revoke.ts";
import { rollBack } from "../../lib/reconciliation/rollback.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { ACCOUNT, GRACE_MS, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const policy = policyFor();
let world: World;
afterEach(() => world.close());

type Step = "createSecret" | "setSecret" | "testSecret" | "finishSecret";

/** Carries out these steps for the version that is pending, or for another one. */
async function carryOut(steps: readonly Step[], versionId: string) {
  for (const Step of steps)
    await rotateKey(world.ports, policy, {
      Step,
      SecretId: world.secret().arn,
      ClientRequestToken: versionId,
    });
}

function stage(): string {
  const [event] = world.stagePending();
  if (event === undefined) throw new Error("no event");
  return event.ClientRequestToken;
}

const ALL = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;

describe("a rotation", () => {
  it.each(["object", "array"] as const)(
    "makes a new key current if CreateKey answers with an %s",
    async (createKeyShape) => {
      world = await startWorld({ createKeyShape });
      const first = world.keyWith("AWSCURRENT");
      const versionId = stage();
      await carryOut(ALL, versionId);
      expect(world.keyWith("AWSPREVIOUS")).toBe(first);
      const current = world.platform.keys.get(world.keyWith("AWSCURRENT") ?? "");
      expect(current).toMatchObject({
        name: keyName(world.secret().arn, versionId),
        roleIds: new Set([3, 5]),
      });
      expect(current?.description).toContain(`secret voximplant/outbound-calls, version ${versionId}`);
      await world.useCurrentKey();
    },
  );

  it("binds the rules of the superseded key to the new one", async () => {
    world = await startWorld();
    await carryOut(ALL, stage());
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(world.keyWith("AWSCURRENT"));
  });

  it("continues if the service account may not bind a rule, and says which", async () => {
    world = await startWorld({
      fault: (method) => (method === "SetRuleInfo" ? platformFault(104) : undefined),
    });
    await carryOut(ALL, stage());
    await world.useCurrentKey();
    expect(world.logged).toContainEqual({
      level: "warn",
      message:
        `This service account may not bind rule in (1) to key ${world.keyWith("AWSCURRENT")} (error 104). ` +
        "Bind it in the control panel.",
    });
  });

  it("continues if the service account may not see rules, and says what to check", async () => {
    world = await startWorld({
      fault: (method) => (method === "GetApplications" ? platformFault(100) : undefined),
    });
    await carryOut(ALL, stage());
    await world.useCurrentKey();
    expect(
      world.logged
        .filter(({ level }) => level === "warn")
        .map(({ message }) => message)
        .join(),
    ).toMatch(/bind it to key \S+ in the control panel/);
  });

  it("repeats any step without creating another key", async () => {
    world = await startWorld();
    const versionId = stage();
    for (const step of ALL) await carryOut([step, step], versionId);
    await carryOut(ALL, versionId);
    expect(world.platform.keys.size).toBe(2);
  });

  it("keeps one key in the version, and deletes the other, if createSecret runs twice at once", async () => {
    world = await startWorld();
    const versionId = stage();
    await Promise.allSettled([carryOut(["createSecret"], versionId), carryOut(["createSecret"], versionId)]);
    // Whatever came of the race: Secrets Manager tries again, with this version or, if its key is
    // gone, with the next.
    await carryOut(ALL, versionId).catch(async () => carryOut(ALL, stage()));
    await world.useCurrentKey();
    expect(world.platform.keys.size).toBe(2);
  });
});

describe("a step", () => {
  it.each(["createSecret", "setSecret", "testSecret"] as const)(
    "does nothing at %s if the version is current already",
    async (step) => {
      world = await startWorld();
      const versionId = stage();
      await carryOut(ALL, versionId);
      const calls = world.platform.calls.length;
      await carryOut([step], versionId);
      expect(world.platform.calls).toHaveLength(calls);
    },
  );

  it("may be repeated if Secrets Manager takes AWSPENDING off the version that becomes current", async () => {
    world = await startWorld({ secretsManager: { pendingOnPromotion: "removed" } });
    const versionId = stage();
    await carryOut(ALL, versionId);
    await carryOut(ALL, versionId);
    expect(world.platform.keys.size).toBe(2);
  });

  it("continues if rotation has never been configured", async () => {
    world = await startWorld();
    const versionId = stage();
    delete world.secret().rotation;
    await carryOut(ALL, versionId);
    expect(world.keyWith("AWSPREVIOUS")).toBeDefined();
  });
});

describe("while reads of Secrets Manager lag, a step", () => {
  /** Carries out a step. @returns the milliseconds that it waited */
  async function waitIn(Step: Step, versionId: string, store: Partial<SecretStore> = {}) {
    const startedAt = world.clock.now;
    const ports = { ...world.ports, store: { ...world.ports.store, ...store } };
    await rotateKey(ports, policy, { Step, SecretId: world.secret().arn, ClientRequestToken: versionId });
    return world.clock.now - startedAt;
  }
  const unlessRead = (versionId: string, times: number): Partial<SecretStore> => {
    let reads = 0;
    return {
      readVersion: (arn, id) =>
        id === versionId && ++reads <= times
          ? Promise.resolve(undefined)
          : world.ports.store.readVersion(arn, id),
    };
  };

  it("waits until the version has its label", async () => {
    world = await startWorld();
    const before = await world.ports.store.describe(world.secret().arn);
    let reads = 0;
    const describe = (id: string) =>
      ++reads <= 2 ? Promise.resolve(before) : world.ports.store.describe(id);
    expect(await waitIn("createSecret", stage(), { describe })).toBe(3_000);
  });

  it("waits until the new key can be read", async () => {
    world = await startWorld();
    const versionId = stage();
    await carryOut(["createSecret"], versionId);
    expect(await waitIn("setSecret", versionId, unlessRead(versionId, 2))).toBe(3_000);
  });

  it("does not wait for a key at createSecret, or before the first import", async () => {
    world = await startWorld();
    expect(await waitIn("createSecret", stage())).toBe(0);
    await world.close();
    world = await startWorld({ emptySecrets: ["outbound-calls"], serviceAccounts: [] });
    expect(await waitIn("testSecret", stage())).toBe(0);
  });
});

describe("a rotation is refused", () => {
  it.each([
    [
      "if grants.yml does not contain the secret",
      () => policyFor({ other: {} }),
      "Secret voximplant/outbound-calls belongs to no service account of grants.yml, so this function does not rotate it.",
    ],
    [
      "if it is switched off",
      () => {
        const { rotation } = world.secret();
        if (rotation) rotation.enabled = false;
        return policy;
      },
      "Rotation of secret voximplant/outbound-calls is switched off. Switch it on with RotateSecret.",
    ],
  ])("%s", async (_, prepare, message) => {
    world = await startWorld();
    const [event] = world.stagePending();
    if (event === undefined) throw new Error("no event");
    await expect(rotateKey(world.ports, prepare(), event)).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message,
    });
    expect(world.platform.calls).toEqual([]);
  });

  it.each(ALL)("at %s after 7 s if the version is not staged", async (step) => {
    world = await startWorld();
    stage();
    const [versionId, startedAt] = [randomUUID(), world.clock.now];
    await expect(carryOut([step], versionId)).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message:
        `Version ${versionId} of secret voximplant/outbound-calls does not have the label AWSPENDING. ` +
        "The rotation to this version has ended.",
    });
    expect(world.clock.now - startedAt).toBe(7_000);
    expect(world.platform.calls).toEqual([]);
  });

  it.each(ALL)("at %s for the previous version, unless it is staged again", async (step) => {
    world = await startWorld();
    const [first] = world.secret().versions.keys();
    await carryOut(ALL, stage());
    await expect(carryOut([step], first ?? "")).rejects.toMatchObject({
      message: expect.stringContaining("does not have the label AWSPENDING") as string,
    });
  });

  it.each<[string, () => Promise<string>]>([
    [
      "has the label AWSPREVIOUS",
      async () => {
        const versionId = stage();
        await carryOut(ALL, versionId);
        await carryOut(ALL, stage());
        return versionId;
      },
    ],
    [
      "is older than the current one",
      async () => {
        const versionId = stage();
        await carryOut(["createSecret"], versionId);
        world.clock.now += 60_000;
        await world.plantCurrent();
        return versionId;
      },
    ],
  ])("for a staged version that %s, which loses the label AWSPENDING", async (_, prepare) => {
    world = await startWorld();
    const versionId = await prepare();
    const [current, calls] = [world.keyWith("AWSCURRENT"), world.platform.calls.length];
    for (const step of ALL) {
      world.stagePending(versionId);
      await expect(carryOut([step], versionId)).rejects.toMatchObject({
        name: "KeyLifecycleError",
        message:
          `Version ${versionId} of secret voximplant/outbound-calls was current before or is older than the current ` +
          `version, so this rotation does not make it current. Version ${versionId} is no longer labelled AWSPENDING. Rotate again to ` +
          "get another key.",
      });
      expect(world.keyWith("AWSPENDING")).toBeUndefined();
    }
    expect(world.keyWith("AWSCURRENT")).toBe(current);
    expect(world.platform.calls).toHaveLength(calls);
  });

  it("for a superseded version whose label cannot move yet, because a replica is behind", async () => {
    world = await startWorld({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    const versionId = stage();
    await carryOut(["createSecret"], versionId);
    world.clock.now += 60_000;
    await world.plantCurrent();
    world.stagePending(versionId);
    world.secret().replicas = [{ Region: "eu-west-1", Status: "InProgress" }];
    await expect(carryOut(["createSecret"], versionId)).rejects.toThrow(
      `Version ${versionId} keeps the label AWSPENDING for now, because the secret is being copied to other regions. ` +
        "The next attempt takes it off.",
    );
    expect(world.secret().versions.get(versionId)?.stages.has("AWSPENDING")).toBe(true);
  });

  it("at finishSecret for a superseded version, because only the event's version is promoted", async () => {
    world = await startWorld();
    const first = world.keyWith("AWSCURRENT");
    const old = stage();
    await carryOut(["createSecret", "setSecret", "testSecret"], old);
    await carryOut(["createSecret", "setSecret", "testSecret"], stage());
    await expect(carryOut(["finishSecret"], old)).rejects.toThrow("does not have the label AWSPENDING");
    expect(world.keyWith("AWSCURRENT")).toBe(first);
  });

  it.each(["setSecret", "finishSecret"] as const)("at %s before createSecret", async (step) => {
    world = await startWorld();
    await expect(carryOut([step], stage())).rejects.toThrow("has no key");
  });

  it("at createSecret before the first import, with the next step", async () => {
    world = await startWorld({ emptySecrets: ["outbound-calls"], serviceAccounts: [] });
    await expect(carryOut(["createSecret"], stage())).rejects.toThrow(
      "voxtoken admin import FILE --service-account outbound-calls",
    );
  });
});

describe("testSecret, which Secrets Manager calls when a schedule is set up,", () => {
  it("succeeds without any key, so that a deployment may precede the import", async () => {
    world = await startWorld({ emptySecrets: ["outbound-calls"], serviceAccounts: [] });
    await carryOut(["testSecret"], stage());
    expect(world.logged).toEqual([
      { level: "warn", message: expect.stringContaining("voxtoken admin import") as string },
    ]);
  });

  it("tests the current key if the pending version is empty", async () => {
    world = await startWorld();
    await carryOut(["testSecret"], stage());
    expect(world.platform.calls.map(({ method }) => method)).toEqual(["GetAccountInfo"]);
    world.platform.keys.clear();
    await expect(carryOut(["testSecret"], stage())).rejects.toThrow("refuses the current key");
  });
});

describe("what goes wrong with roles", () => {
  it("is reported with the roles to give, if the key may not give them", async () => {
    world = await startWorld({
      fault: (method) => (method === "SetKeyRoles" ? platformFault(435) : undefined),
    });
    const versionId = stage();
    await carryOut(["createSecret"], versionId);
    const error = await carryOut(["setSecret"], versionId).catch((e: unknown) => String(e));
    expect(error).toContain("Developer (3), Support (5)");
    expect(error).toContain(world.keyWith("AWSPENDING"));
  });

  it("can be fixed by hand, and the rotation continues", async () => {
    let refusing = true;
    world = await startWorld({
      fault: (method) => (refusing && method === "SetKeyRoles" ? platformFault(104) : undefined),
    });
    const versionId = stage();
    await expect(carryOut(ALL, versionId)).rejects.toThrow("control panel");
    refusing = false;
    const pending = world.platform.keys.get(world.keyWith("AWSPENDING") ?? "");
    if (pending) pending.roleIds = new Set([3, 5]);
    await carryOut(ALL, versionId);
    await world.useCurrentKey();
  });

  it("does not make a key current whose roles differ", async () => {
    world = await startWorld();
    const first = world.keyWith("AWSCURRENT");
    const versionId = stage();
    await carryOut(["createSecret", "setSecret"], versionId);
    const pending = world.platform.keys.get(world.keyWith("AWSPENDING") ?? "");
    if (pending === undefined) throw new Error("no pending key");
    pending.roleIds = new Set([5]);
    await expect(carryOut(["testSecret"], versionId)).rejects.toThrow("it lacks GetApplications, GetRules");
    const current = world.platform.keys.get(first ?? "");
    if (current === undefined) throw new Error("no current key");
    pending.roleIds = new Set([3, 5]);
    current.roleIds = new Set([5]);
    await expect(carryOut(["finishSecret"], versionId)).rejects.toThrow("it adds GetApplications, GetRules");
    current.roleIds = new Set([3, 5]);
    pending.roleIds = new Set([5, 10]);
    expect(world.keyWith("AWSCURRENT")).toBe(first);
    // Repeated from the start, the rotation puts the roles right.
    await carryOut(ALL, versionId);
    expect(pending.roleIds).toEqual(new Set([3, 5]));
  });
});

describe("a key of another account than grants.yml names", () => {
  const elsewhere = policyFor({ "outbound-calls": { accountId: 7654321 } });

  it.each(ALL)("makes %s fail with an error that names both accounts", async (Step) => {
    world = await startWorld();
    const current = world.keyWith("AWSCURRENT");
    const event = { Step, SecretId: world.secret().arn, ClientRequestToken: stage() };
    await expect(rotateKey(world.ports, elsewhere, event)).rejects.toThrow(/1234567.*7654321/);
    expect([world.keyWith("AWSCURRENT"), world.platform.keys.size]).toEqual([current, 1]);
  });

  it("is deleted and not replaced by a revocation, and does not become current by a rollback", async () => {
    world = await startWorld();
    const versionId = stage();
    await carryOut(ALL, versionId);
    const [leaked, before] = [world.keyWith("AWSCURRENT") ?? "", world.keyWith("AWSPREVIOUS")];
    const [serviceAccount] = elsewhere.serviceAccounts;
    if (serviceAccount === undefined) throw new Error("no service account");
    await expect(rollBack(world.ports, serviceAccount)).rejects.toThrow(/1234567.*7654321/);
    expect(world.keyWith("AWSPREVIOUS")).toBe(before);
    const report = await revokeKey(world.ports, elsewhere, {
      serviceAccount,
      keyId: leaked,
      timeoutSeconds: 90,
      deleteFirst: false,
    });
    expect(report).toMatchObject({ proved: true, withoutKey: ["outbound-calls"] });
    expect(report.steps.find(({ step }) => step === "replace")?.seen).toMatch(/1234567.*7654321/);
    expect(world.platform.keys.has(leaked)).toBe(false);
  });
});

describe("at the limit of keys (error 437), a rotation", () => {
  it("uses the key that another delivery of createSecret has stored meanwhile", async () => {
    world = await startWorld({ keyLimit: 2 });
    const versionId = stage();
    const [event] = world.stagePending(versionId);
    const faster = world.openProcess("faster").ports;
    let isOvertaken = false;
    const slower = {
      ...world.ports,
      openKey: async (file: string) => {
        const key = await world.ports.openKey(file);
        const createKey: typeof key.api.createKey = async (label) => {
          if (!isOvertaken && event !== undefined) await rotateKey(faster, policy, event);
          isOvertaken = true;
          return key.api.createKey(label);
        };
        return { ...key, api: { ...key.api, createKey } };
      },
    };
    if (event !== undefined) await rotateKey(slower, policy, event);
    expect(isOvertaken).toBe(true);
    await carryOut(["setSecret", "testSecret", "finishSecret"], versionId);
    await world.useCurrentKey();
    expect(world.platform.keys.size).toBe(2);
  });

  it("first deletes its own superseded keys whose grace is over", async () => {
    world = await startWorld({ keyLimit: 2 });
    await carryOut(ALL, stage());
    const superseded = world.keyWith("AWSPREVIOUS");
    world.clock.now += GRACE_MS + 1;
    await carryOut(ALL, stage());
    expect([...world.platform.keys.keys()]).not.toContain(superseded);
    await world.useCurrentKey();
  });

  it("deletes nothing else, and says what to do and when a key can be deleted", async () => {
    world = await startWorld({ keyLimit: 3 });
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() }).keyId;
    await carryOut(ALL, stage());
    const retirable = new Date(world.clock.now + GRACE_MS).toISOString();
    const error = await carryOut(ALL, stage()).catch((e: unknown) => String(e));
    expect(error).toContain("holds 3 keys");
    expect(error).toContain(retirable);
    expect(world.platform.keys.has(stranger)).toBe(true);
    expect(world.platform.keys.size).toBe(3);
  });
});

describe("a pending key that was deleted", () => {
  it("keeps its version pending for ten minutes, because the platform may know a new key late", async () => {
    world = await startWorld();
    const versionId = stage();
    await carryOut(["createSecret"], versionId);
    const pending = world.keyWith("AWSPENDING") ?? "";
    world.platform.keys.delete(pending);
    await expect(carryOut(["setSecret"], versionId)).rejects.toThrow(
      `does not know the new key ${pending} yet`,
    );
    expect(world.keyWith("AWSPENDING")).toBe(pending);
  });

  it("loses the label AWSPENDING after that, and the next rotation creates another", async () => {
    world = await startWorld();
    const versionId = stage();
    await carryOut(["createSecret"], versionId);
    const pending = world.keyWith("AWSPENDING") ?? "";
    world.platform.keys.delete(pending);
    world.clock.now += 10 * 60_000;
    await expect(carryOut(["setSecret"], versionId)).rejects.toThrow(`${pending} was deleted`);
    expect(world.keyWith("AWSPENDING")).toBeUndefined();
    await carryOut(ALL, stage());
    await world.useCurrentKey();
  });

  it("is reported if it was current, with what to do", async () => {
    world = await startWorld();
    world.platform.keys.clear();
    await expect(carryOut(["createSecret"], stage())).rejects.toThrow(
      /refuses the current key .* `voxtoken admin import/,
    );
  });
});

it("no message of a rotation contains a key", async () => {
  world = await startWorld({
    fault: (method) => (method === "SetKeyRoles" ? platformFault(435) : undefined),
  });
  const versionId = stage();
  const error = await carryOut(ALL, versionId).catch((e: unknown) =>
    e instanceof Error ? `${String(e)} ${String(e.cause)}` : "",
  );
  const shown = JSON.stringify([error, world.logged]);
  expect(shown).not.toContain("PRIVATE KEY");
});
