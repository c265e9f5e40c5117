import { afterEach, describe, expect, it } from "vitest";

import type { Policy } from "../../lib/grants/policy.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { revokeKey, type RevocationPorts, type RevocationReport } from "../../lib/reconciliation/revoke.ts";
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
import { AT_LENGTH } from "../fakes/at-length.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const OTHER = 7654321;

let world: World;
afterEach(() => world.close());

function revoke(
  ports: RevocationPorts,
  policy: Policy,
  keyId: string,
  { name = "outbound-calls", ...options }: { name?: string; deleteFirst?: boolean; makeRoom?: string } = {},
) {
  const serviceAccount = policy.serviceAccounts.find((one) => one.name === name);
  if (serviceAccount === undefined) throw new Error(`no service account ${name}`);
  return revokeKey(ports, policy, {
    serviceAccount,
    keyId,
    timeoutSeconds: 300,
    deleteFirst: false,
    ...options,
  });
}

const key = (label = "AWSCURRENT", name?: string) => world.keyWith(label, name) ?? "";
const exists = (keyId: string) => world.platform.keys.has(keyId);
const rotate = async () => {
  for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
};
/** `ok replace: the current key is now …`, one line for each step. */
const linesOf = ({ steps }: RevocationReport) =>
  steps.map(({ step, ok, seen }) => `${ok ? "ok" : "FAIL"} ${step}: ${seen}`);

describe("a revocation", () => {
  it("replaces a key that two service accounts share for both, and proves that the old key is dead", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const [shared] = world.secret().versions.values();
    const [other] = world.secret("call-history").versions.values();
    if (shared?.content && other) other.content = shared.content;
    const keyId = world.keyWith("AWSCURRENT") ?? "";
    const policy = policyFor({ "outbound-calls": { unmanagedKeys: [keyId] }, "call-history": {} });
    const report = await revoke(world.ports, policy, keyId, { name: "call-history" });
    expect(report).toMatchObject({ proved: true, withoutKey: [], leftToDo: [] });
    expect(world.platform.keys.has(keyId)).toBe(false);
    await world.useCurrentKey("outbound-calls");
    await world.useCurrentKey("call-history");
  });

  it("creates one key for two service accounts that share a secret, and moves the rules to it", async () => {
    world = await startWorld();
    const policy = policyFor({
      "outbound-calls": {},
      "second-name": { secret: "voximplant/outbound-calls" },
    });
    const report = await revoke(world.ports, policy, key(), { name: "second-name" });
    expect(report).toMatchObject({ proved: true, withoutKey: [], leftToDo: [] });
    expect(report.steps.map(({ step }) => step)).toEqual([
      "replace",
      "labels",
      "rules",
      "delete",
      "list",
      "token",
    ]);
    expect([...world.platform.keys.keys()]).toEqual([key()]);
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(key());
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
    expect(steps.find(({ step }) => step === "rules")?.seen).toContain("not moved, because key");
  });

  it.each<[100 | 104]>([[100], [104]])(
    "says that a rule must be bound by hand if the service account may see it, but may not bind it (error %i)",
    async (code) => {
      world = await startWorld({
        fault: (method) => (method === "SetRuleInfo" ? platformFault(code) : undefined),
      });
      const { proved, steps, leftToDo } = await revoke(world.ports, policyFor(), key());
      expect(proved).toBe(true);
      expect(steps.find(({ step }) => step === "rules")).toMatchObject({
        ok: false,
        seen: expect.stringContaining("may not bind rule in (1)") as string,
      });
      expect(leftToDo.join()).toContain("bind them to the current key in the control panel");
    },
  );

  describe.runIf(AT_LENGTH)("in an account with many applications", () => {
    /** @param milliseconds how long each call of the platform takes */
    async function revokeWith(applications: number, milliseconds: number) {
      world = await startWorld({
        rules: Array.from({ length: applications }, (_, index) => ({
          ruleId: index + 1,
          accountId: ACCOUNT,
          applicationId: index + 1,
          name: "in",
          pattern: ".*",
        })),
      });
      await rotate();
      await rotate();
      const leaked = key();
      const last = world.platform.rules.get(applications);
      if (last) last.bindKeyId = leaked;
      const startedAt = world.clock.now;
      let deletedAt = Number.NaN;
      world.faults.platform = (method) => {
        world.clock.now += milliseconds;
        if (method === "DeleteKey") deletedAt = world.clock.now;
        return undefined;
      };
      const report = await revoke(world.ports, policyFor(), leaked);
      const seconds = {
        deleted: (deletedAt - startedAt) / 1000,
        ended: (world.clock.now - startedAt) / 1000,
      };
      return { report, seconds, boundTo: last?.bindKeyId };
    }

    it("moves the rules that are left after it has deleted the leaked key", async () => {
      const { report, seconds, boundTo } = await revokeWith(180, 1_000);
      expect(linesOf(report)).toContain("FAIL rules: Reading the routing rules took too long.");
      expect(linesOf(report).at(-1)).toBe(`ok rules: 1 rule is now bound to key ${key()}`);
      expect([report.proved, report.leftToDo, boundTo]).toEqual([true, [], key()]);
      expect(seconds.deleted).toBeLessThan(150);
    });

    it("reports before its time limit that rules may be left", async () => {
      const { report, seconds } = await revokeWith(600, 1_000);
      expect(report.proved).toBe(true);
      expect(report.leftToDo.join()).toContain("bind them to the current key in the control panel");
      // The time-out of the function: infra/deployment.ts.
      expect(seconds.ended).toBeLessThan(600);
    });
  });

  it.each([1, 15])(
    "reports before its time limit while the platform does not answer: %i keys",
    async (count) => {
      const names = Array.from({ length: count }, (_, n) => (n === 0 ? "outbound-calls" : `account-${n}`));
      world = await startWorld({ serviceAccounts: names, keyLimit: 100 });
      const policy = policyFor(Object.fromEntries(names.map((name) => [name, {}])));
      const startedAt = world.clock.now;
      // Each call of the platform takes as long as a call may take.
      world.faults.platform = (method) => {
        world.clock.now += 20_000;
        return ["GetKeys", "DeleteKey"].includes(method) ? platformFault(340) : undefined;
      };
      const report = await revoke(world.ports, policy, world.keyWith("AWSCURRENT") ?? "");
      expect(report.proved).toBe(false);
      // The time-out of the function: infra/deployment.ts.
      expect(world.clock.now - startedAt).toBeLessThan(600_000);
    },
  );

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
      expect(leftToDo.join(" ")).toContain("bind them to the current key in the control panel");
    });
  });
});

describe("the report of a revocation", () => {
  it("has each step in order, with what was seen", async () => {
    world = await startWorld({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    const leaked = key();
    const regions: (readonly string[])[] = [];
    const forgetKeys = (names: readonly string[]) => Promise.resolve(`${regions.push(names)} function`);
    const report = await revoke({ ...world.ports, forgetKeys }, policyFor(), leaked);
    expect(linesOf(report)).toEqual([
      `ok replace: the current key is now ${key()}`,
      "ok labels: no other version of the secret has the label AWSPENDING",
      `ok rules: 1 rule is now bound to key ${key()}`,
      "ok delete: the platform deleted it",
      `ok list: the platform no longer lists it (asked with key ${key()})`,
      "ok token: the platform refuses a token of it (error 433)",
      "ok containers: 1 function",
    ]);
    expect(regions).toEqual([["eu-west-1"]]);
    expect(report).toMatchObject({ keyId: leaked, proved: true, withoutKey: [], leftToDo: [] });
  });

  it("has new containers in each region with a copy of a secret that held the key", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const shared = world.fileWith(key()) ?? "";
    await world.secrets.call("PutSecretValue", { SecretId: "voximplant/call-history", SecretString: shared });
    world.secret("call-history").replicas = [{ Region: "eu-west-1", Status: "InSync" }];
    const regions: (readonly string[])[] = [];
    const forgetKeys = (names: readonly string[]) => Promise.resolve(`${regions.push(names)} function`);
    const both = policyFor({ "outbound-calls": {}, "call-history": {} });
    await revoke({ ...world.ports, forgetKeys }, both, key());
    expect(regions).toEqual([["eu-west-1"]]);
  });

  it("says which containers may keep the key, and still has the proof", async () => {
    world = await startWorld();
    const forgetKeys = () => Promise.reject(new Error("us-east-1: AccessDenied"));
    const report = await revoke({ ...world.ports, forgetKeys }, policyFor(), key());
    expect(linesOf(report).at(-1)).toBe("FAIL containers: us-east-1: AccessDenied");
    expect(report.proved).toBe(true);
  });

  it("says that another version keeps its label while a replica is being written", async () => {
    world = await startWorld({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    world.stagePending();
    world.secret().replicas = [{ Region: "eu-west-1", Status: "InProgress" }];
    const report = await revoke(world.ports, policyFor(), key());
    expect(linesOf(report)).toContain(
      "FAIL labels: Another version of voximplant/outbound-calls still has the label AWSPENDING. The label stays, " +
        "because labels must not be moved while the copies of the secret in other regions are being written. This is " +
        "harmless: rotate-key makes no version current that is older than the current one.",
    );
    expect(report).toMatchObject({ proved: true, withoutKey: [] });
  });

  it("of a key that is not current has no replacement, and the current key stays", async () => {
    world = await startWorld();
    const leaked = key();
    await rotate();
    const current = key();
    const report = await revoke(world.ports, policyFor(), leaked);
    expect(report.steps.map(({ step }) => step)).toEqual(["labels", "rules", "delete", "list", "token"]);
    expect(report).toMatchObject({ proved: true, withoutKey: [], leftToDo: [] });
    expect([exists(leaked), key()]).toEqual([false, current]);
  });

  it("of a key in no secret has no proof by its token, and does not touch the current key", async () => {
    world = await startWorld();
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() });
    const current = key();
    const report = await revoke(world.ports, policyFor(), keyId);
    expect(linesOf(report).slice(-3)).toEqual([
      "ok delete: the platform deleted it",
      `ok list: the platform no longer lists it (asked with key ${current})`,
      "FAIL token: no readable version of a secret holds its private key, so no token of it can be tried",
    ]);
    const again = `voxtoken admin revoke outbound-calls --key ${keyId}`;
    expect(report).toMatchObject({
      proved: false,
      withoutKey: [],
      leftToDo: [
        `It is not proved that key ${keyId} is dead. Run \`${again}\` again, or delete the key in the control panel.`,
      ],
    });
    expect(key()).toBe(current);
  });

  it("that is repeated says that the key was gone already", async () => {
    world = await startWorld();
    const leaked = key();
    await revoke(world.ports, policyFor(), leaked);
    const current = key();
    const report = await revoke(world.ports, policyFor(), leaked);
    expect(linesOf(report)).toContain("ok delete: it was gone already");
    expect(linesOf(report)).toContain("ok rules: found no routing rule that is bound to the leaked key");
    expect([report.proved, report.leftToDo, key()]).toEqual([true, [], current]);
  });
});

describe("a revocation with --delete-first", () => {
  it("deletes the key without replacing it, and says how to store another one", async () => {
    world = await startWorld();
    const leaked = key();
    const report = await revoke(world.ports, policyFor(), leaked, { deleteFirst: true });
    expect(linesOf(report)).toEqual([
      "ok labels: no other version of the secret has the label AWSPENDING",
      "FAIL rules: There is no new key, so routing rules that are bound to the leaked key stay bound to it.",
      "ok delete: the platform deleted it",
      "FAIL list: there is no other key of this Voximplant account to ask with",
      "ok token: the platform refuses a token of it (error 433)",
    ]);
    expect(report).toMatchObject({ proved: false, withoutKey: ["outbound-calls"] });
    expect(report.leftToDo).toEqual([
      `It is not proved that key ${leaked} is dead. Store another key, then run ` +
        `\`voxtoken admin revoke outbound-calls --key ${leaked}\`.`,
      expect.stringMatching(
        /^outbound-calls has no working key, so none of its tokens works\. Import one .*If the previous key works and did not leak: `voxtoken admin rollback outbound-calls`\.$/,
      ),
      `If routing rules were bound to key ${leaked}, bind them to the current key in the control panel.`,
    ]);
  });

  it("calls the platform with the previous key if that works", async () => {
    world = await startWorld();
    await rotate();
    const [leaked, previous] = [key(), key("AWSPREVIOUS")];
    const report = await revoke(world.ports, policyFor(), leaked, { deleteFirst: true });
    expect(report).toMatchObject({ proved: true, withoutKey: ["outbound-calls"] });
    expect(linesOf(report)).toContain(
      `ok list: the platform no longer lists it (asked with key ${previous})`,
    );
  });

  it("does not call the platform with a previous key of another account", async () => {
    world = await startWorld({ accounts: [{ accountId: ACCOUNT }, { accountId: OTHER }] });
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: OTHER, pem, roles: ["Developer"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, OTHER),
    });
    const report = await revoke(world.ports, policyFor(), keyId, { deleteFirst: true });
    expect(linesOf(report)).toContain(
      "FAIL list: there is no other key of this Voximplant account to ask with",
    );
    expect(exists(keyId)).toBe(false);
  });
});

describe("a revocation with --make-room", () => {
  it("deletes the other key first, so that an account that is full has room", async () => {
    world = await startWorld({ keyLimit: 2 });
    const { keyId: unused } = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() });
    const report = await revoke(world.ports, policyFor(), key(), { makeRoom: unused });
    expect(linesOf(report).slice(0, 2)).toEqual([
      `ok make room: key ${unused} is deleted`,
      `ok replace: the current key is now ${key()}`,
    ]);
    expect(exists(unused)).toBe(false);
  });

  it("does not delete a current key", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const needed = key("AWSCURRENT", "call-history");
    const policy = policyFor({ "outbound-calls": {}, "call-history": {} });
    const report = await revoke(world.ports, policy, key(), { makeRoom: needed });
    expect(linesOf(report)[0]).toBe(
      `FAIL make room: Key ${needed} is a current key, so it was not deleted. Name another key to make room.`,
    );
    expect([exists(needed), report.proved]).toEqual([true, true]);
  });

  it("goes on if the other key does not exist", async () => {
    world = await startWorld();
    const report = await revoke(world.ports, policyFor(), key(), { makeRoom: "no-such-key" });
    expect(linesOf(report)[0]).toBe("ok make room: the Voximplant account has no key no-such-key");
    expect(report.proved).toBe(true);
  });
});

describe("a key that the platform does not delete", () => {
  it("is reported with the answer to each key that asked", async () => {
    world = await startWorld({
      fault: (method) => (method === "DeleteKey" ? platformFault(104) : undefined),
    });
    const leaked = key();
    const report = await revoke(world.ports, policyFor(), leaked);
    const refusal = (signer: string) =>
      `with key ${signer}: Voximplant refused DeleteKey (error 104): Forbidden command. Give the service account a role ` +
      "that allows this method; `GetRoles` lists them.";
    expect(linesOf(report)).toContain(`FAIL delete: ${refusal(key())}; ${refusal(leaked)}`);
    expect(linesOf(report)).toContain("FAIL token: the platform still accepts a token of it");
    expect(report.proved).toBe(false);
    expect(exists(leaked)).toBe(true);
  });

  it("is reported as such if no key can be read with which to ask", async () => {
    world = await startWorld({ emptySecrets: ["outbound-calls"], serviceAccounts: [] });
    const report = await revoke(world.ports, policyFor(), "leaked");
    expect(linesOf(report)).toContain("FAIL delete: There is no working key with which to call Voximplant.");
    expect(report).toMatchObject({ proved: false, withoutKey: ["outbound-calls"] });
  });
});

describe("a revocation beside another service account", () => {
  const policy = policyFor({ "outbound-calls": {}, "call-history": {} });

  it("reports only its own service account as one without a key, and binds no rule to the other's key", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const other = key("AWSCURRENT", "call-history");
    const report = await revoke(world.ports, policy, key(), { deleteFirst: true });
    expect(report).toMatchObject({ proved: true, withoutKey: ["outbound-calls"] });
    expect(report.steps.find(({ step }) => step === "rules")?.ok).toBe(false);
    expect(world.platform.rules.get(1)?.bindKeyId).not.toBe(other);
  });

  it("does not call the platform with the other's key if that belongs to another account", async () => {
    world = await startWorld({
      serviceAccounts: ["outbound-calls", "call-history"],
      accounts: [{ accountId: ACCOUNT }, { accountId: OTHER }],
    });
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: OTHER, pem, roles: ["Developer"] });
    const [version] = world.secret("call-history").versions.values();
    if (version) version.content = { SecretString: credentialsFile(keyId, pem, OTHER) };
    const report = await revoke(world.ports, policy, key(), { deleteFirst: true });
    expect(linesOf(report)).toContain(
      "FAIL list: there is no other key of this Voximplant account to ask with",
    );
  });

  it("tries to replace the key once if the platform refuses CreateKey", async () => {
    let attempts = 0;
    world = await startWorld({
      fault: (method) => {
        if (method !== "CreateKey") return undefined;
        attempts += 1;
        return platformFault(437);
      },
    });
    const report = await revoke(world.ports, policyFor(), key());
    expect(linesOf(report)[0]).toMatch(/^FAIL replace: Voximplant refused CreateKey \(error 437\)/);
    expect(attempts).toBe(1);
  });
});
