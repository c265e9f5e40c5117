import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import { afterEach, describe, expect, it } from "vitest";

import type { Policy } from "../../lib/grants/policy.ts";
import { createReconciliationHandler } from "../../lib/reconciliation/handler.ts";
import { ROLES_TAG } from "../../lib/key-lifecycle/roles.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { keyName, labelKey } from "../../lib/key-lifecycle/key-label.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  policyFor,
  startWorld,
  type World,
} from "../key-lifecycle/world.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";

let world: World;
afterEach(() => world.close());

const pem = rsaPem();
const plant = (name = "a stranger") =>
  world.platform.addKey({ accountId: ACCOUNT, pem, name, roles: ["Owner"] }).keyId;
const exists = (keyId: string) => world.platform.keys.has(keyId);

async function rotate(policy: Policy = policyFor()) {
  for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
}

const withStore = (store: SecretStore) => ({ ...world.ports, store, readSecret: secretReader(store) });

describe("if the current version of a secret cannot be read", () => {
  const policy = policyFor({
    "outbound-calls": { unknownKeys: "delete" },
    "call-history": { unknownKeys: "delete" },
  });
  /** Denies the current version of outbound-calls to reconciliation, as a key policy can. */
  const withoutCurrent = () => {
    const { store } = world.ports;
    const versions = [...world.secret().versions.values()];
    const denied = versions.find(({ stages }) => stages.has("AWSCURRENT"))?.id;
    return withStore({
      ...store,
      readVersion: (secretId, versionId) =>
        versionId === denied
          ? Promise.reject(
              Object.assign(new Error("Access to KMS is not allowed"), { name: "AccessDeniedException" }),
            )
          : store.readVersion(secretId, versionId),
    });
  };

  it.each(["removed", "kept"] as const)(
    "no key that a rotation created is deleted, whether its label AWSPENDING is %s",
    async (pendingAtPromotion) => {
      const serviceAccounts = ["outbound-calls", "call-history"];
      world = await startWorld({ serviceAccounts, rules: [] });
      const first = world.keyWith("AWSCURRENT");
      await rotate(policy);
      if (pendingAtPromotion === "removed")
        for (const { stages } of world.secret().versions.values()) stages.delete("AWSPENDING");
      const current = world.keyWith("AWSCURRENT");
      world.clock.now += GRACE_MS + 60_000;
      const findings = await reconcileKeys(withoutCurrent(), policy);
      expect(findings.filter(({ action }) => action === "deleted")).toEqual([]);
      expect(findings).toContainEqual(expect.objectContaining({ reason: "unreadable_version" }));
      // The previous key may be the last that works.
      for (const key of [current, first]) expect(exists(key ?? "")).toBe(true);
    },
  );
});

describe("an unknown key", () => {
  it("is reported with its roles and the next step by the first reconciliation, and not deleted", async () => {
    world = await startWorld();
    const stranger = plant();
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings).toMatchObject([
      { reason: "unknown_key", action: "reported", key: { key_id: stranger, key_name: "a stranger" } },
    ]);
    expect(findings[0]?.detail).toContain("Owner (1)");
    expect(findings[0]?.detail).toContain("unmanagedKeys");
    expect(exists(stranger)).toBe(true);
  });

  it("is deleted only if grants.yml says so", async () => {
    world = await startWorld();
    const stranger = plant();
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      { reason: "unknown_key", action: "deleted" },
    ]);
    expect(exists(stranger)).toBe(false);
    await world.useCurrentKey();
  });

  it("is ignored if it is listed as unmanaged, whatever else the file says", async () => {
    world = await startWorld();
    const stranger = plant();
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete", unmanagedKeys: [stranger] } });
    expect(await reconcileKeys(world.ports, policy)).toEqual([]);
    expect(exists(stranger)).toBe(true);
  });

  it("does not include keys of another service account of the same Voximplant account", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const policy = policyFor({
      "outbound-calls": { unknownKeys: "delete" },
      "call-history": { unknownKeys: "delete" },
    });
    expect(await reconcileKeys(world.ports, policy)).toEqual([]);
    expect(world.platform.keys.size).toBe(2);
  });

  it("is only reported if not all service accounts of its account say delete", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const stranger = plant();
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" }, "call-history": {} });
    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      { reason: "unknown_key", action: "reported" },
    ]);
    expect(exists(stranger)).toBe(true);
  });

  it("is reported as undetermined, and kept, while another service account's secret is missing", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls"] });
    const stranger = plant();
    const policy = policyFor({
      "outbound-calls": { unknownKeys: "delete" },
      "call-history": { unknownKeys: "delete" },
    });
    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      { reason: "not_examined", serviceAccount: "call-history" },
      { reason: "undetermined_key", action: "reported" },
    ]);
    expect(exists(stranger)).toBe(true);
  });

  it("is reported as undetermined, and kept, while a secret contains something that is not a key", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const [version] = world.secret("call-history").versions.values();
    if (version) version.content = { SecretString: "not a credentials file" };
    const policy = policyFor({
      "outbound-calls": { unknownKeys: "delete" },
      "call-history": { unknownKeys: "delete" },
    });
    const findings = await reconcileKeys(world.ports, policy);
    expect(findings.map(({ reason, action }) => `${reason} ${action}`)).toEqual([
      "unreadable_version reported",
      "undetermined_key reported",
    ]);
    expect(world.platform.keys.size).toBe(2);
  });

  it("is not taken for ours because of its name", async () => {
    world = await startWorld();
    const other = "arn:aws:secretsmanager:us-east-1:999999999999:secret:voximplant/outbound-calls-ZZZZZZ";
    const stranger = plant(keyName(other, "11111111-1111-1111-1111-111111111111"));
    world.clock.now += GRACE_MS * 10;
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([{ reason: "unknown_key" }]);
    expect(exists(stranger)).toBe(true);
  });
});

describe("a key of ours", () => {
  it("is kept during its grace, then deleted", async () => {
    world = await startWorld();
    await rotate();
    await reconcileKeys(world.ports, policyFor());
    const superseded = world.keyWith("AWSPREVIOUS") ?? "";
    world.clock.now += GRACE_MS - 1_000;
    expect(await reconcileKeys(world.ports, policyFor())).toEqual([]);
    expect(exists(superseded)).toBe(true);
    world.clock.now += 2_000;
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "superseded_key", action: "deleted" },
    ]);
    expect(exists(superseded)).toBe(false);
  });

  it("is superseded, not a stray, even after two rotations within its grace", async () => {
    world = await startWorld();
    const first = world.keyWith("AWSCURRENT") ?? "";
    await rotate();
    await rotate();
    expect(await reconcileKeys(world.ports, policyFor())).toEqual([]);
    expect(exists(first)).toBe(true);
    world.clock.now += GRACE_MS + 1_000;
    await reconcileKeys(world.ports, policyFor());
    expect(exists(first)).toBe(false);
    expect([...world.platform.keys.keys()]).toEqual([world.keyWith("AWSCURRENT")]);
  });

  it("is kept during its rotation, before and after it is stored in a version", async () => {
    world = await startWorld();
    const events = world.stagePending();
    const versionId = events[0]?.ClientRequestToken ?? "";
    const unborn = plant(keyName(world.secret().arn, versionId));
    world.clock.now += GRACE_MS * 2;
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
    expect(await reconcileKeys(world.ports, policy)).toEqual([]);
    expect(exists(unborn)).toBe(true);
    for (const event of events.slice(0, 1)) await rotateKey(world.ports, policy, event);
    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      { reason: "orphan_key", action: "deleted", key: { key_id: unborn } },
    ]);
    expect(exists(world.keyWith("AWSPENDING") ?? "")).toBe(true);
  });

  it("in no version is reported, whatever age it claims, and deleted after its grace", async () => {
    world = await startWorld();
    await reconcileKeys(world.ports, policyFor());
    const { keyId } = world.platform.addKey({
      accountId: ACCOUNT,
      pem,
      ...labelKey(world.secret(), "11111111-1111-1111-1111-111111111111", world.clock.now),
    });
    const copy = world.platform.keys.get(keyId);
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "stray_key", action: "reported", key: { key_id: keyId } },
    ]);
    world.clock.now += GRACE_MS + 1_000;
    if (copy) copy.description = labelKey(world.secret(), "x", world.clock.now).description;
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "stray_key", action: "deleted" },
    ]);
    expect(exists(keyId)).toBe(false);
  });

  it("in two secrets stays in use as long as it is current in one", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const policy = policyFor({ "outbound-calls": {}, "call-history": {} });
    const [shared] = world.secret().versions.values();
    const [other] = world.secret("call-history").versions.values();
    if (shared?.content && other) other.content = shared.content;
    const keyId = world.keyWith("AWSCURRENT") ?? "";
    await rotate(policy);
    world.clock.now += GRACE_MS + 1_000;
    await reconcileKeys(world.ports, policy);
    expect(exists(keyId)).toBe(true);
    await world.useCurrentKey("call-history");
  });

  it("is deleted at once as an orphan if its version contains another key", async () => {
    world = await startWorld();
    await rotate();
    const [version] = [...world.secret().versions.values()].filter(({ stages }) => stages.has("AWSCURRENT"));
    const orphan = plant(keyName(world.secret().arn, version?.id ?? ""));
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "orphan_key", action: "deleted" },
    ]);
    expect(exists(orphan)).toBe(false);
  });

  it("is kept at any age while a replica of its secret is behind", async () => {
    world = await startWorld();
    await rotate();
    world.clock.now += GRACE_MS * 2;
    const { describe: real } = world.ports.store;
    const ports = withStore({
      ...world.ports.store,
      describe: async (id) => ({
        ...(await real(id)),
        replicas: [{ region: "eu-west-1", inSync: false }],
      }),
    });
    await reconcileKeys(ports, policyFor());
    expect(exists(world.keyWith("AWSPREVIOUS") ?? "")).toBe(true);
  });

  it("is not deleted if its secret changes just before the deletion", async () => {
    world = await startWorld();
    await rotate();
    world.clock.now += GRACE_MS + 1_000;
    const before = world.keyWith("AWSPREVIOUS") ?? "";
    const versions = [...world.secret().versions.values()];
    const { describe: real } = world.ports.store;
    let looks = 0;
    const ports = withStore({
      ...world.ports.store,
      describe: async (id) => {
        looks += 1;
        if (looks === 3) {
          // An operator goes back to the old key.
          for (const { stages } of versions) {
            const wasCurrent = stages.delete("AWSCURRENT");
            if (stages.delete("AWSPREVIOUS")) stages.add("AWSCURRENT");
            if (wasCurrent) stages.add("AWSPREVIOUS");
          }
        }
        return real(id);
      },
    });
    expect(await reconcileKeys(ports, policyFor())).toMatchObject([
      {
        reason: "superseded_key",
        action: "failed",
        detail: expect.stringMatching(/Not deleted: a secret has changed meanwhile\.$/) as string,
      },
    ]);
    expect(exists(before)).toBe(true);
    await world.useCurrentKey();
  });

  it("that is current and missing on the platform is reported", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    world.platform.keys.delete(world.keyWith("AWSCURRENT", "call-history") ?? "");
    const policy = policyFor({ "outbound-calls": {}, "call-history": {} });
    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      { reason: "current_key_missing", serviceAccount: "call-history" },
    ]);
  });
});

describe("the roles of a current key", () => {
  it("are written down by the first run, and a change is reported until someone accepts it", async () => {
    world = await startWorld();
    const policy = policyFor();
    expect(await reconcileKeys(world.ports, policy)).toEqual([]);
    expect(world.secret().tags).toEqual([{ Key: ROLES_TAG, Value: "3:5" }]);

    const key = world.platform.keys.get(world.keyWith("AWSCURRENT") ?? "");
    key?.roleIds.add(1);
    for (let run = 0; run < 2; run += 1) {
      const findings = await reconcileKeys(world.ports, policy);
      expect(findings).toMatchObject([{ reason: "roles_changed", action: "reported" }]);
      expect(findings[0]?.detail).toContain("Owner (1), Developer (3), Support (5)");
    }
    const handle = createReconciliationHandler({
      ...world.ports,
      policy,
      writeLine: () => undefined,
      deployment: "vendor-dev",
    });
    expect(await handle({ command: "accept-roles", serviceAccount: "outbound-calls" })).toEqual({
      acceptedRoles: ["Owner", "Developer", "Support"],
    });
    expect(await reconcileKeys(world.ports, policy)).toEqual([]);
  });

  it("are reported if they cannot be read, and everything else is still found", async () => {
    world = await startWorld({
      fault: (method) => (method === "GetKeyRoles" ? platformFault(104) : undefined),
    });
    const stranger = plant();
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "unknown_key", key: { key_id: stranger } },
      { reason: "not_examined", serviceAccount: "outbound-calls" },
    ]);
  });

  it("are reported although a rotation has copied them", async () => {
    world = await startWorld();
    await reconcileKeys(world.ports, policyFor());
    world.platform.keys.get(world.keyWith("AWSCURRENT") ?? "")?.roleIds.add(1);
    await rotate();
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([{ reason: "roles_changed" }]);
  });
});

describe("a routing rule", () => {
  const both = policyFor({ "outbound-calls": {}, "call-history": {} });
  const serviceAccounts = ["outbound-calls", "call-history"];
  const bind = (bindKeyId: string) =>
    world.platform.rules.set(2, {
      ruleId: 2,
      accountId: ACCOUNT,
      applicationId: 7,
      name: "main",
      pattern: ".*",
      bindKeyId,
    });
  const boundTo = () => world.platform.rules.get(2)?.bindKeyId;

  it.each<[100 | 104]>([[100], [104]])(
    "that may be seen, but not bound, keeps its key from being deleted (error %i)",
    async (code) => {
      world = await startWorld();
      const superseded = world.keyWith("AWSCURRENT") ?? "";
      world.faults.platform = (method) => (method === "SetRuleInfo" ? platformFault(code) : undefined);
      await rotate();
      world.clock.now += GRACE_MS + 1_000;
      expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
        {
          reason: "superseded_key",
          action: "failed",
          detail: expect.stringContaining(
            "Not deleted: This service account may not bind rule in (1)",
          ) as string,
        },
      ]);
      expect(exists(superseded)).toBe(true);
    },
  );

  it.each<[string, () => string | Promise<string>, unmanaged?: true]>([
    ["unknown, and only reported", plant],
    ["unmanaged", plant, true],
    [
      "a stray in its grace",
      () => {
        const label = labelKey(world.secret(), "11111111-1111-1111-1111-111111111111", world.clock.now);
        return world.platform.addKey({ accountId: ACCOUNT, pem, ...label }).keyId;
      },
    ],
    [
      "pending",
      async () => {
        for (const event of world.stagePending().slice(0, 1))
          await rotateKey(world.ports, policyFor(), event);
        return world.keyWith("AWSPENDING") ?? "";
      },
    ],
  ])("of a key that stays is not moved, and has no warning, if the key is %s", async (_, add, unmanaged) => {
    world = await startWorld();
    const keyId = await add();
    bind(keyId);
    await reconcileKeys(
      world.ports,
      policyFor({ "outbound-calls": { unmanagedKeys: unmanaged === true ? [keyId] : [] } }),
    );
    expect(boundTo()).toBe(keyId);
    expect(world.logged.filter(({ level }) => level === "warn")).toEqual([]);
  });

  it("of a superseded key moves to the current key of the same service account", async () => {
    world = await startWorld({ serviceAccounts });
    const superseded = world.keyWith("AWSCURRENT", "call-history") ?? "";
    await world.plantCurrent("call-history");
    bind(superseded);
    expect(await reconcileKeys(world.ports, both)).toEqual([]);
    expect(boundTo()).toBe(world.keyWith("AWSCURRENT", "call-history"));
  });

  it("that cannot be looked for is a finding of the key's own service account", async () => {
    world = await startWorld({ serviceAccounts });
    await world.plantCurrent("call-history");
    world.faults.platform = (method) => (method === "GetRules" ? platformFault(340) : undefined);
    expect(await reconcileKeys(world.ports, both)).toMatchObject([
      { reason: "not_examined", serviceAccount: "call-history" },
    ]);
  });

  it("stays with a superseded key if the current key was deleted seconds ago, and is still accepted", async () => {
    world = await startWorld({ deletionLag: { acceptanceMs: 30_000 } });
    const superseded = world.keyWith("AWSCURRENT") ?? "";
    await rotate();
    bind(superseded);
    const operator = await world.openProcess("operator").ports.openKey(world.fileWith(superseded) ?? "");
    await operator.api.deleteKey(world.keyWith("AWSCURRENT") ?? "");
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([{ reason: "current_key_missing" }]);
    expect(boundTo()).toBe(superseded);
  });

  it("stays with a superseded key in its grace if no version is current, which is no failure", async () => {
    world = await startWorld();
    await rotate();
    const superseded = world.keyWith("AWSPREVIOUS") ?? "";
    bind(superseded);
    for (const { stages } of world.secret().versions.values()) stages.delete("AWSCURRENT");
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings.filter(({ reason }) => reason === "not_examined")).toEqual([]);
    expect(boundTo()).toBe(superseded);
  });
});

describe("a key of an account in which no secret has its current key", () => {
  const OTHER = 7654321;

  it("is reported for the service account whose secret holds an older key of the account", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"], rules: [] });
    for (const name of ["outbound-calls", "call-history"]) {
      const { keyId } = world.platform.addKey({ accountId: OTHER, pem, roles: ["Developer", "Support"] });
      await world.secrets.call("PutSecretValue", {
        SecretId: `voximplant/${name}`,
        SecretString: credentialsFile(keyId, pem, OTHER),
      });
    }
    const { versions } = world.secret();
    for (const [id, { stages }] of versions) if (!stages.has("AWSCURRENT")) versions.delete(id);
    world.platform.keys.delete(world.keyWith("AWSPREVIOUS") ?? "");
    const stranger = plant();
    const findings = await reconcileKeys(
      world.ports,
      policyFor({ "outbound-calls": {}, "call-history": {} }),
    );
    expect(findings.find(({ key }) => key?.key_id === stranger)).toMatchObject({
      reason: "unknown_key",
      action: "reported",
      serviceAccount: "call-history",
    });
  });

  it("is reported, and kept, if the only secret can no longer be read after the keys were listed", async () => {
    world = await startWorld();
    const current = world.keyWith("AWSCURRENT") ?? "";
    let reads = 0;
    const ports: World["ports"] = {
      ...world.ports,
      readSecret: (one) =>
        ++reads === 1 ? world.ports.readSecret(one) : Promise.reject(new Error("AccessDenied")),
    };
    expect(await reconcileKeys(ports, policyFor())).toMatchObject([
      { reason: "not_examined", serviceAccount: "outbound-calls" },
      { reason: "undetermined_key", action: "reported", key: { key_id: current } },
    ]);
    expect(exists(current)).toBe(true);
  });
});

it("two reconciliations at once delete no key that is needed", async () => {
  world = await startWorld();
  await rotate();
  world.clock.now += GRACE_MS + 1_000;
  const stranger = plant();
  const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
  const runs = await Promise.all([reconcileKeys(world.ports, policy), reconcileKeys(world.ports, policy)]);
  expect(exists(stranger)).toBe(false);
  expect([...world.platform.keys.keys()]).toEqual([world.keyWith("AWSCURRENT")]);
  expect(world.platform.rules.get(1)?.bindKeyId).toBe(world.keyWith("AWSCURRENT"));
  // Each deletion is reported by the run that did it.
  const deleted = runs.flat().filter(({ action }) => action === "deleted");
  expect(deleted).toHaveLength(2);
});

describe("the reconciliation function", () => {
  const lines: string[] = [];
  const handle = (policy: Policy) => {
    lines.length = 0;
    return createReconciliationHandler({
      deployment: "vendor-dev",
      ...world.ports,
      policy,
      writeLine: (line) => void lines.push(line),
    });
  };
  const records = () => {
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    parsed.filter(({ type }) => type === "audit").forEach(expectAuditRecord);
    return parsed;
  };

  it("writes an audit record for each finding, and metrics for each service account, zeros included", async () => {
    world = await startWorld();
    const stranger = plant();
    await handle(policyFor())({ "detail-type": "Scheduled Event", source: "aws.events" });
    expect(records()).toMatchObject([
      {
        type: "audit",
        outcome: "key_found",
        reason: "unknown_key",
        action: "reported",
        service_account: "outbound-calls",
        kid: stranger,
      },
      {
        service_account: "outbound-calls",
        UnknownKeys: 1,
        OrphanKeys: 0,
        KeysRetired: 0,
        RolesChanged: 0,
        ReconciliationFailed: 0,
      },
    ]);
    expect(records()[1]?.["_aws"]).toMatchObject({
      CloudWatchMetrics: [{ Namespace: "VoximplantTokenVendor", Dimensions: [["Deployment"]] }],
    });
  });

  it("examines everything else first, then fails, if something could not be examined", async () => {
    world = await startWorld();
    await rotate();
    world.clock.now += GRACE_MS + 1_000;
    const policy = policyFor({ "outbound-calls": {}, "call-history": {} });
    await expect(handle(policy)({})).rejects.toThrow(
      "call-history: There is no secret voximplant/call-history",
    );
    expect([...world.platform.keys.keys()]).toEqual([world.keyWith("AWSCURRENT")]);
    expect(
      records().find(
        ({ service_account, type }) => type === "reconciliation" && service_account === "call-history",
      ),
    ).toMatchObject({ ReconciliationFailed: 1 });
  });

  it("lists every key with its manager, and changes nothing", async () => {
    world = await startWorld();
    await rotate();
    const stranger = plant();
    const before = structuredClone([...world.platform.keys.keys()]);
    const answer = await handle(policyFor())({ command: "list-keys" });
    expect(answer).toMatchObject({
      keys: [
        {
          keyId: world.keyWith("AWSPREVIOUS"),
          state: "superseded",
          serviceAccount: "outbound-calls",
          retireAt: new Date(world.clock.now + GRACE_MS).toISOString(),
        },
        {
          keyId: world.keyWith("AWSCURRENT"),
          state: "current",
          since: new Date(world.clock.now).toISOString(),
        },
        { keyId: stranger, state: "unknown", roles: expect.arrayContaining(["Owner"]) as unknown },
      ],
    });
    expect([...world.platform.keys.keys()]).toEqual(before);
  });

  it.each([{ command: "delete-everything" }, { command: "revoke", serviceAccount: "outbound-calls" }])(
    "refuses the event %j",
    async (event) => {
      world = await startWorld();
      await expect(handle(policyFor())(event)).rejects.toThrow("Known commands");
    },
  );

  it("reports an unreachable platform, and changes nothing", async () => {
    world = await startWorld({ fault: (method) => (method === "GetKeys" ? platformFault(340) : undefined) });
    const before = world.platform.keys.size;
    await expect(handle(policyFor())({})).rejects.toThrow("340");
    expect(world.platform.keys.size).toBe(before);
  });
});
