import { afterEach, describe, expect, it } from "vitest";

import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
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
    expect(findings[0]?.detail).toContain("the current key is of another account");
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
});

it("reconciliation reports a key of another account than grants.yml names", async () => {
  world = await startWorld();
  const policy = policyFor({ "outbound-calls": { accountId: ACCOUNT + 1 } });
  expect(await reconcileKeys(world.ports, policy)).toMatchObject([{ reason: "wrong_account" }]);
});
