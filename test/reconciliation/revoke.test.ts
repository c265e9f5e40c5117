import { afterEach, describe, expect, it } from "vitest";

import type { Policy } from "../../lib/grants/policy.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { revokeKey, type RevocationPorts } from "../../lib/reconciliation/revoke.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { GRACE_MS, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

let world: World;
afterEach(() => world.close());

function revoke(ports: RevocationPorts, policy: Policy, keyId: string, name = "outbound-calls") {
  const serviceAccount = policy.serviceAccounts.find((one) => one.name === name);
  if (serviceAccount === undefined) throw new Error(`no service account ${name}`);
  return revokeKey(ports, policy, { serviceAccount, keyId, timeoutSeconds: 300, deleteFirst: false });
}

describe("a revocation", () => {
  it("replaces a key that two service accounts share for both, and proves that the old key is dead", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const [shared] = world.secret().versions.values();
    const [other] = world.secret("call-history").versions.values();
    if (shared?.content && other) other.content = shared.content;
    const keyId = world.keyWith("AWSCURRENT") ?? "";
    const policy = policyFor({ "outbound-calls": { unmanagedKeys: [keyId] }, "call-history": {} });
    const report = await revoke(world.ports, policy, keyId, "call-history");
    expect(report).toMatchObject({ proved: true, withoutKey: [], leftToDo: [] });
    expect(world.platform.keys.has(keyId)).toBe(false);
    await world.useCurrentKey("outbound-calls");
    await world.useCurrentKey("call-history");
  });

  it("is not proved while the platform refuses to list its keys", async () => {
    world = await startWorld({ fault: (method) => (method === "GetKeys" ? platformFault(340) : undefined) });
    const report = await revoke(world.ports, policyFor(), world.keyWith("AWSCURRENT") ?? "");
    expect(report.proved).toBe(false);
    expect(report.leftToDo.join()).toContain("It is not proved");
  });

  it("reports a service account whose current key cannot be read as one without a key", async () => {
    world = await startWorld({
      secretsFault: (operation) =>
        operation === "GetSecretValue"
          ? { status: 500, body: '{"__type":"InternalServiceError"}' }
          : undefined,
    });
    const report = await revoke(world.ports, policyFor(), world.keyWith("AWSCURRENT") ?? "");
    expect(report).toMatchObject({ proved: false, withoutKey: ["outbound-calls"] });
  });

  it("creates another key if the first was deleted before it was stored", async () => {
    // Without the tag, the secret has not changed for a grace, and a reconciliation deletes strays
    // at once.
    world = await startWorld({
      secretsFault: (operation) =>
        operation === "TagResource" ? { status: 500, body: '{"__type":"InternalServiceError"}' } : undefined,
    });
    world.clock.now += GRACE_MS + 1_000;
    const leaked = world.keyWith("AWSCURRENT") ?? "";
    const { putVersion } = world.ports.store;
    let isDeleted = false;
    const store: SecretStore = {
      ...world.ports.store,
      putVersion: async (put) => {
        if (!isDeleted) await reconcileKeys(world.ports, policyFor()).then(() => (isDeleted = true));
        return putVersion(put);
      },
    };
    const report = await revoke({ ...world.ports, store }, policyFor(), leaked);
    expect({ isDeleted, ...report }).toMatchObject({ isDeleted: true, proved: true, withoutKey: [] });
    expect(world.platform.calls.filter(({ method }) => method === "CreateKey")).toHaveLength(2);
    await world.useCurrentKey();
  });

  it("does not claim to have moved rules that the service account may not see", async () => {
    world = await startWorld({
      fault: (method) => (method === "GetApplications" ? platformFault(100) : undefined),
    });
    const { proved, steps } = await revoke(world.ports, policyFor(), world.keyWith("AWSCURRENT") ?? "");
    expect(proved).toBe(true);
    expect(steps.find(({ step }) => step === "rules")?.seen).toContain("may not see routing rules");
  });

  it("reports before its time limit while the platform does not answer", async () => {
    world = await startWorld();
    const startedAt = world.clock.now;
    // Each call of the platform takes as long as a call may take.
    world.faults.platform = (method) => {
      world.clock.now += 20_000;
      return method === "GetKeys" ? platformFault(340) : undefined;
    };
    const report = await revoke(world.ports, policyFor(), world.keyWith("AWSCURRENT") ?? "");
    expect(report.proved).toBe(false);
    // The time-out of the function: infra/deployment.ts.
    expect(world.clock.now - startedAt).toBeLessThan(600_000);
  });

  it("finds the leaked key in another version if one version cannot be read", async () => {
    world = await startWorld();
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    const leaked = world.keyWith("AWSPREVIOUS") ?? "";
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: world.fileWith(leaked),
      VersionStages: ["A-COPY"],
    });
    const { readVersion } = world.ports.store;
    let failures = 0;
    const store: SecretStore = {
      ...world.ports.store,
      readVersion: (secretId, versionId) =>
        failures++ === 0 ? Promise.reject(new Error("throttled")) : readVersion(secretId, versionId),
    };
    const report = await revoke({ ...world.ports, store }, policyFor(), leaked);
    expect({ failures: failures > 1, proved: report.proved }).toEqual({ failures: true, proved: true });
  });

  describe("of a current key that was deleted before", () => {
    const start = async () => {
      world = await startWorld();
      const superseded = world.keyWith("AWSCURRENT") ?? "";
      for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
      const leaked = world.keyWith("AWSCURRENT") ?? "";
      world.platform.keys.delete(leaked);
      return { superseded, leaked };
    };

    it("proves with the previous key that the key is dead, and reports that a current key is missing", async () => {
      const { leaked } = await start();
      const report = await revoke(world.ports, policyFor(), leaked);
      expect(report).toMatchObject({ proved: true, withoutKey: ["outbound-calls"] });
      expect(report.leftToDo.join(" ")).toContain("voxtoken admin rollback outbound-calls");
    });

    it("says that routing rules must be bound by hand, and does not claim to have moved them", async () => {
      const { leaked } = await start();
      const { steps, leftToDo } = await revoke(world.ports, policyFor(), leaked);
      expect(steps.find(({ step }) => step === "rules")).toMatchObject({ ok: false });
      expect(leftToDo.join(" ")).toContain("bind them to the new key in the control panel");
    });
  });
});
