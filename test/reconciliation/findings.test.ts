import { afterEach, describe, expect, it } from "vitest";

import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
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

const CHILD = 7654321;
const pem = rsaPem();
let world: World;
afterEach(() => world.close());

const policyWithChild = () => ({
  ...policyFor({ "outbound-calls": { unknownKeys: "delete" as const } }),
  grants: [
    {
      source: "grants.yml:9",
      principals: [{ source: "grants.yml:10", arn: "arn:aws:iam::111122223333:role/billing-worker" }],
      serviceAccounts: ["outbound-calls"],
      maxTtlSeconds: 3600,
      childAccountIds: [CHILD],
    },
  ],
});

describe("a key of a child account that a grant lists", () => {
  const accounts = [{ accountId: ACCOUNT, childAccountIds: [CHILD] }, { accountId: CHILD }];

  it("is reported and never deleted, whatever unknownKeys says", async () => {
    world = await startWorld({ accounts });
    const { keyId } = world.platform.addKey({ accountId: CHILD, pem });
    expect(await reconcileKeys(world.ports, policyWithChild())).toMatchObject([
      { reason: "unknown_key", action: "reported", accountId: CHILD, key: { key_id: keyId } },
    ]);
    expect(world.platform.keys.has(keyId)).toBe(true);
  });

  it("is skipped without a failure if the platform refuses the parent's key", async () => {
    world = await startWorld();
    expect(await reconcileKeys(world.ports, policyWithChild())).toEqual([]);
    expect(world.logged.map(({ message }) => message).join()).toContain(
      `Child account ${CHILD} was not examined`,
    );
  });
});

describe("a key of the old account, after an import from another account", () => {
  async function importFromOtherAccount() {
    world = await startWorld();
    const old = world.keyWith("AWSCURRENT") ?? "";
    const { keyId } = world.platform.addKey({ accountId: CHILD, pem, roles: ["Developer", "Support"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, CHILD),
    });
    world.clock.now += GRACE_MS + 1_000;
    return old;
  }

  it("is kept, with the next step, while a routing rule is bound to it", async () => {
    const old = await importFromOtherAccount();
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings).toMatchObject([{ reason: "superseded_key", action: "failed", key: { key_id: old } }]);
    expect(findings[0]?.detail).toContain("They cannot move to the current key");
  });

  it("is deleted after its grace if no rule is bound to it", async () => {
    const old = await importFromOtherAccount();
    world.platform.rules.clear();
    await reconcileKeys(world.ports, policyFor());
    expect(world.platform.keys.has(old)).toBe(false);
  });
});

describe("the only service account of an account", () => {
  it("is reported if the platform refuses its only key and nothing can be listed", async () => {
    world = await startWorld();
    const current = world.keyWith("AWSCURRENT") ?? "";
    world.platform.keys.delete(current);
    const [finding, ...others] = await reconcileKeys(world.ports, policyFor());
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ reason: "current_key_missing", action: "reported" });
    expect(finding?.detail).toMatch(new RegExp(`${current}.*voxtoken admin import`));
  });

  it("is not reported if the key that the platform refuses was replaced meanwhile", async () => {
    world = await startWorld();
    const [old = "", events] = [world.keyWith("AWSCURRENT"), world.stagePending()];
    const openKey: World["ports"]["openKey"] = async (file) => {
      const opened = await world.ports.openKey(file);
      if (opened.keyId === old && world.platform.keys.has(old)) {
        for (const event of events) await rotateKey(world.ports, policyFor(), event);
        world.platform.keys.delete(old);
      }
      return opened;
    };
    expect(await reconcileKeys({ ...world.ports, openKey }, policyFor())).toEqual([]);
  });

  it("is reported if the platform refuses its current key, and its superseded key lists the others", async () => {
    world = await startWorld();
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    const current = world.keyWith("AWSCURRENT") ?? "";
    world.platform.keys.delete(current);
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem }).keyId;
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(["current_key_missing", "unknown_key"]),
    );
    expect(findings.find(({ reason }) => reason === "current_key_missing")?.detail).toContain(current);
    expect(findings.find(({ reason }) => reason === "unknown_key")?.key?.key_id).toBe(stranger);
  });

  it("keeps its last working key after the grace if the current key is missing", async () => {
    world = await startWorld();
    const old = world.keyWith("AWSCURRENT") ?? "";
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    world.platform.keys.delete(world.keyWith("AWSCURRENT") ?? "");
    world.clock.now += GRACE_MS + 1_000;
    await reconcileKeys(world.ports, policyFor());
    expect(world.platform.keys.has(old)).toBe(true);
  });

  it("keeps its last working key after the grace if the current key is listed, but refused", async () => {
    world = await startWorld();
    const old = world.keyWith("AWSCURRENT") ?? "";
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    const current = world.keyWith("AWSCURRENT") ?? "";
    const openKey: World["ports"]["openKey"] = async (file) => {
      const opened = await world.ports.openKey(file);
      if (opened.keyId !== current) return opened;
      return { ...opened, api: (await world.ports.openKey(file.replace(current, "no-such-key"))).api };
    };
    world.clock.now += GRACE_MS + 1_000;
    const findings = await reconcileKeys({ ...world.ports, openKey }, policyFor());
    expect(world.platform.keys.has(old)).toBe(true);
    expect(findings.map(({ reason }) => reason)).toContain("current_key_missing");
    expect(findings.find(({ reason }) => reason === "superseded_key")?.detail).toContain(
      `Not deleted: the platform refuses the current key ${current}, so the key ${old} may be the last that works.`,
    );
  });
});

it("reconciliation reports a key of another account than grants.yml names", async () => {
  world = await startWorld();
  const policy = policyFor({ "outbound-calls": { accountId: ACCOUNT + 1 } });
  expect(await reconcileKeys(world.ports, policy)).toMatchObject([{ reason: "wrong_account" }]);
});

describe("the routing rules of a superseded key", () => {
  async function startWithSuperseded() {
    world = await startWorld();
    for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
    const [old, current] = [world.keyWith("AWSPREVIOUS") ?? "", world.keyWith("AWSCURRENT") ?? ""];
    const rule = world.platform.rules.get(1);
    if (rule) world.platform.rules.set(1, { ...rule, bindKeyId: old });
    return { old, current };
  }
  const boundTo = () => world.platform.rules.get(1)?.bindKeyId;
  const failRules = (code: 100 | 104 | 340) => {
    world.faults.platform = (method) => (method === "GetApplications" ? platformFault(code) : undefined);
  };

  it("move to the current key during its grace, without a finding", async () => {
    const { current } = await startWithSuperseded();
    expect(await reconcileKeys(world.ports, policyFor())).toEqual([]);
    expect(boundTo()).toBe(current);
  });

  it("move before the key is deleted", async () => {
    const { old, current } = await startWithSuperseded();
    world.clock.now += GRACE_MS + 1_000;
    await reconcileKeys(world.ports, policyFor());
    const calls = world.platform.calls.map(({ method }) => method);
    expect(calls.lastIndexOf("SetRuleInfo")).toBeLessThan(calls.indexOf("DeleteKey"));
    expect([boundTo(), world.platform.keys.has(old)]).toEqual([current, false]);
  });

  it("that cannot be moved during the grace are reported as not examined", async () => {
    await startWithSuperseded();
    failRules(340);
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "not_examined", serviceAccount: "outbound-calls" },
    ]);
  });

  it("that cannot be moved keep the key after the grace, with the reason", async () => {
    const { old } = await startWithSuperseded();
    world.clock.now += GRACE_MS + 1_000;
    failRules(340);
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings).toMatchObject([
      {
        reason: "superseded_key",
        action: "failed",
        detail: expect.stringMatching(
          /^The key is superseded .* Not deleted: Voximplant refused .*340/,
        ) as string,
      },
    ]);
    expect(world.platform.keys.has(old)).toBe(true);
  });

  it("do not move to a current key that the platform does not list, and the old key stays", async () => {
    const { old, current } = await startWithSuperseded();
    world.platform.keys.delete(current);
    expect((await reconcileKeys(world.ports, policyFor())).map(({ reason }) => reason)).toEqual([
      "current_key_missing",
    ]);
    world.clock.now += GRACE_MS + 1_000;
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings.find(({ reason }) => reason === "superseded_key")).toMatchObject({
      action: "failed",
      detail: expect.stringContaining(
        `Not deleted: the platform does not list the current key ${current}, so the key ${old} may be the last that works.`,
      ) as string,
    });
    expect(boundTo()).toBe(old);
  });
});

describe("after an import from another account, the rules of the old account", () => {
  it("are not touched during the grace", async () => {
    world = await startWorld();
    const old = world.keyWith("AWSCURRENT") ?? "";
    const { keyId } = world.platform.addKey({ accountId: CHILD, pem, roles: ["Developer", "Support"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, CHILD),
    });
    expect(await reconcileKeys(world.ports, policyFor())).toEqual([]);
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(old);
    world.clock.now += GRACE_MS + 1_000;
    const [finding] = await reconcileKeys(world.ports, policyFor());
    expect(finding?.detail).toContain(
      `Not deleted: routing rules of account ${ACCOUNT} are bound to this key. They cannot move to the current key, ` +
        "because it is of another account. Bind them to another key of their account, or delete them, in the control panel.",
    );
  });

  it.each([
    [104, "deleted"],
    [100, "deleted"],
    [340, "failed"],
  ] as const)("that are not shown (error %i): the key is %s", async (code, action) => {
    world = await startWorld();
    const { keyId } = world.platform.addKey({ accountId: CHILD, pem, roles: ["Developer", "Support"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, CHILD),
    });
    world.clock.now += GRACE_MS + 1_000;
    world.faults.platform = (method) => (method === "GetApplications" ? platformFault(code) : undefined);
    expect(await reconcileKeys(world.ports, policyFor())).toMatchObject([
      { reason: "superseded_key", action },
    ]);
  });
});

describe("a finding about a key that no service account owns", () => {
  it("names a service account of the same Voximplant account", async () => {
    world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
    const { keyId } = world.platform.addKey({ accountId: CHILD, pem, roles: ["Developer", "Support"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret("call-history").arn,
      SecretString: credentialsFile(keyId, pem, CHILD),
    });
    const stranger = world.platform.addKey({ accountId: CHILD, pem }).keyId;
    const findings = await reconcileKeys(
      world.ports,
      policyFor({ "outbound-calls": { unknownKeys: "report" }, "call-history": { unknownKeys: "delete" } }),
    );
    expect(findings).toMatchObject([
      { reason: "unknown_key", action: "deleted", serviceAccount: "call-history", key: { key_id: stranger } },
    ]);
  });

  it("names the one that has an old key there, if none has a current one, and never deletes it", async () => {
    world = await startWorld();
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem }).keyId;
    const { keyId } = world.platform.addKey({ accountId: CHILD, pem, roles: ["Developer", "Support"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret().arn,
      SecretString: credentialsFile(keyId, pem, CHILD),
    });
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
    expect(await reconcileKeys(world.ports, policy)).toMatchObject([
      {
        reason: "unknown_key",
        action: "reported",
        serviceAccount: "outbound-calls",
        key: { key_id: stranger },
      },
    ]);
  });
});

describe("a deletion that another run has done already", () => {
  it("has no finding of its own", async () => {
    world = await startWorld();
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem }).keyId;
    world.faults.platform = (method) => {
      if (method === "DeleteKey") world.platform.keys.delete(stranger);
      return undefined;
    };
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });
    expect(await reconcileKeys(world.ports, policy)).toEqual([]);
  });
});

describe("a key is deleted with the current key of its own service account", () => {
  it("because another service account may not see its routing rules", async () => {
    world = await startWorld({ serviceAccounts: ["call-history", "outbound-calls"] });
    const policy = policyFor({ "call-history": {}, "outbound-calls": {} });
    for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
    world.clock.now += GRACE_MS + 1_000;
    await reconcileKeys(world.ports, policy);
    const deletion = world.platform.calls.find(({ method }) => method === "DeleteKey");
    expect(deletion?.token).toMatchObject({ kid: world.keyWith("AWSCURRENT") });
  });
});
