import { randomUUID } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, it } from "vitest";

import type { Policy } from "../../lib/grants/policy.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import type { Fault, FaultInjector } from "../../local/fault.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { isDead, settleAndCheck, type Watch, watchInvariants } from "./invariants.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  policyFor,
  startWorld,
  voxtokenIn,
  type World,
  type WorldOptions,
  writeGrants,
} from "./world.ts";
import { AT_LENGTH } from "../fakes/at-length.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NAME = "outbound-calls";
const pem = rsaPem();
const grants = await writeGrants(mkdtempSync(join(tmpdir(), "schedules-")));

/** What AWS may do with AWSPENDING when AWSCURRENT moves: every variant must work. */
const labels = (["kept", "removed"] as const).flatMap((pendingOnPromotion) =>
  (["kept", "removed"] as const).flatMap((pendingOnDemotion) =>
    (["kept", "removed"] as const).map((otherPendingOnPut) => ({
      pendingOnPromotion,
      pendingOnDemotion,
      otherPendingOnPut,
    })),
  ),
);
/** `npm test` plays what AWS was recorded to do with labels, `npm run test:slow` every variant. */
const variants = AT_LENGTH ? labels : labels.filter(isRecorded);
function isRecorded({ pendingOnPromotion, pendingOnDemotion, otherPendingOnPut }: (typeof labels)[number]) {
  return pendingOnPromotion === "kept" && pendingOnDemotion === "kept" && otherPendingOnPut === "kept";
}
const LABELS =
  "if AWSPENDING is $pendingOnPromotion at promotion, $pendingOnDemotion at demotion, $otherPendingOnPut at a put";

let world: World;
let watch: Watch;
let policy: Policy;
/** The invariants hold after every remote call of every test. */
afterEach(async () => {
  await world.close();
  expect(watch.violations).toEqual([]);
});

async function start(options: WorldOptions = {}, settings: Partial<Policy["serviceAccounts"][number]> = {}) {
  policy = policyFor({ [NAME]: settings });
  let rotator: ReturnType<World["openProcess"]> | undefined;
  world = await startWorld({
    directStore: true,
    ...options,
    rotate: async (event) => {
      rotator ??= world.openProcess("rotation");
      await rotateKey(rotator.ports, policy, event);
    },
  });
  const lambdaArn = "arn:aws:lambda:us-east-1:111122223333:function:rotate";
  world.secret().rotation = { enabled: true, lambdaArn, rules: { AutomaticallyAfterDays: 30 } };
  watch = watchInvariants(world, policy);
}

const admin = (process: string, args: readonly string[], input?: string) =>
  voxtokenIn(world, world.openProcess(process), [...args, "--grants", grants], input);
const key = (stage = "AWSCURRENT") => world.keyWith(stage) ?? "none";
const exists = (keyId: string) => world.platform.keys.has(keyId);
const reconcile = () => reconcileKeys(world.ports, policy);
const wait = (milliseconds: number) => {
  world.clock.now += milliseconds;
};

/** RotateSecret, and whatever it starts. Resolves to the key that is current then. */
async function rotate(): Promise<string> {
  await world.secrets.call("RotateSecret", { SecretId: world.secret().arn }).catch(() => undefined);
  await world.secrets.rotationsSettled();
  watch.check();
  return key();
}

async function importKey(): Promise<string> {
  const { keyId } = world.platform.addKey({
    accountId: ACCOUNT,
    pem,
    name: "from the panel",
    roles: ["Developer", "Support"],
  });
  await importFile(credentialsFile(keyId, pem));
  return keyId;
}

async function importFile(text: string) {
  const args = ["import", "-", "--service-account", NAME, "--account-id", String(ACCOUNT)];
  expect(await admin("import", args, text)).toMatchObject({ status: 0 });
}

/** An operator moves AWSCURRENT to the version with this key, by the AWS command line. */
async function moveBackTo(keyId: string) {
  const versions = [...world.secret().versions.values()];
  const holds = (text: string) =>
    versions.find(
      ({ content }) => content && "SecretString" in content && content.SecretString.includes(text),
    );
  watch.name(keyId);
  await world.secrets.call("UpdateSecretVersionStage", {
    SecretId: world.secret().arn,
    VersionStage: "AWSCURRENT",
    RemoveFromVersionId: holds(key())?.id,
    MoveToVersionId: holds(keyId)?.id,
  });
  watch.check();
}

/**
 * The end of every schedule: one more rotation, the grace, and nothing but the current key is left.
 */
async function expectOnlyCurrentIsLeft() {
  await settleAndCheck(world, policy, watch);
  expect(watch.violations).toEqual([]);
  expect([...world.platform.keys.keys()]).toEqual([key()]);
  expect(world.platform.rules.get(1)?.bindKeyId).toBe(key());
}

describe.each(variants)(LABELS, (secretsManager) => {
  it("a second delivery of createSecret, delayed at any of its calls, deletes no current key", async () => {
    for (let stopAt = 1; stopAt < 12; stopAt += 1) {
      await start({ secretsManager, directStore: true });
      const events = world.startRotation();
      const slow = world.openProcess("slow");
      let open: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      let calls = 0;
      slow.remote.around = async (call) => {
        calls += 1;
        if (calls === stopAt) await gate;
        return call();
      };
      const deliver = async (process: World["ports"]) => {
        for (const event of events) await rotateKey(process, policy, event);
      };
      const slowly = deliver(slow.ports).catch(() => undefined);
      await deliver(world.ports);
      open();
      await slowly;
      await world.useCurrentKey();
      await expectOnlyCurrentIsLeft();
      if (calls < stopAt) break;
    }
  });

  it("a key that is imported again is kept, and the key that was current between the two imports is deleted", async () => {
    await start({ secretsManager });
    const k0 = key();
    const file = world.fileWith(k0) ?? "";
    const k1 = await importKey();
    wait(MINUTE);
    watch.name(k0);
    await importFile(file);
    expect(key()).toBe(k0);
    wait(GRACE_MS + HOUR);
    expect(await reconcile()).toMatchObject([{ action: "deleted", key: { key_id: k1 } }]);
    await world.useCurrentKey();
    await expectOnlyCurrentIsLeft();
  });

  it("an imported key is deleted if the key before it became current again and was rotated", async () => {
    await start({ secretsManager });
    const k0 = key();
    const k1 = await importKey();
    wait(MINUTE);
    await moveBackTo(k0);
    wait(MINUTE);
    const k2 = await rotate();
    expect([k0, k1]).not.toContain(k2);
    await expectOnlyCurrentIsLeft();
  });

  it("a rotation overtaken by an import leaves no rule bound to a deleted key", async () => {
    await start({ secretsManager });
    const events = world.startRotation();
    await importKey();
    for (const event of events) await rotateKey(world.ports, policy, event).catch(() => undefined);
    await rotate();
    await expectOnlyCurrentIsLeft();
  });

  it("a rotation after a rollback does not make a previous key current again", async () => {
    await start({ secretsManager });
    const k1 = await rotate();
    wait(HOUR);
    const k2 = await rotate();
    await moveBackTo(k1);
    await rotate();
    await rotate();
    expect([k1, k2]).not.toContain(key());
    await expectOnlyCurrentIsLeft();
  });

  it("rotate --now makes a new key current after AWSCURRENT was moved back by hand", async () => {
    await start({ secretsManager });
    const [k0, k1] = [key(), await rotate()];
    wait(HOUR);
    await moveBackTo(k0);
    wait(MINUTE);
    const { status, err } = await admin("rotate", ["rotate", NAME, "--now"]);
    expect({ status, err }).toMatchObject({ status: 0 });
    expect([k0, k1]).not.toContain(key());
    await expectOnlyCurrentIsLeft();
  });

  it.each([
    ["rotate --now --revoke", ["rotate", NAME, "--now", "--revoke", "--direct"]],
    ["revoke", ["revoke", NAME, "--yes", "--direct"]],
  ])(
    "%s deletes a leaked key after a rotation and an import, and makes no old key current",
    async (_, args) => {
      await start({ secretsManager });
      const [k0, k1] = [key(), await rotate()];
      wait(HOUR);
      const k2 = await importKey();
      wait(MINUTE);
      watch.revoked.add(k2);
      const { status, out } = await admin("revoke", args);
      expect({ status, out }).toEqual({
        status: 0,
        out: `key ${k2} is dead: no longer listed, and refused\n`,
      });
      expect(await isDead(world, k2)).toBe(true);
      expect([k0, k1, k2]).not.toContain(key());
      await world.useCurrentKey();
      expect(exists(k1)).toBe(true);
      await expectOnlyCurrentIsLeft();
    },
  );

  it.each([
    ["lists the new key a second later", { listMs: 1_000 }],
    ["finds the new key by its id a second later", { lookupMs: 1_000 }],
    ["accepts the new key a second later", { acceptanceMs: 1_000 }],
    [
      "lists, finds and accepts the new key 30 seconds later",
      { listMs: 30_000, lookupMs: 30_000, acceptanceMs: 30_000 },
    ],
    [
      "lists, finds and accepts the new key 59 seconds later",
      { listMs: 59_000, lookupMs: 59_000, acceptanceMs: 59_000 },
    ],
  ])("a rotation succeeds although the platform %s", async (_, lag) => {
    await start({ secretsManager, lag });
    const k0 = key();
    expect(await rotate()).not.toBe(k0);
    await expectOnlyCurrentIsLeft();
  });

  it("a rotation, an import and a rollback succeed although Secrets Manager's reads are 3 seconds behind", async () => {
    await start({ secretsManager: { ...secretsManager, readLagMs: 3_000 } });
    const k0 = key();
    const k1 = await rotate();
    expect(k1).not.toBe(k0);
    wait(MINUTE);
    expect(await importKey()).toBe(key());
    wait(MINUTE);
    expect(await admin("rollback", ["rollback", NAME, "--direct"])).toMatchObject({ status: 0 });
    expect(key()).toBe(k1);
    await expectOnlyCurrentIsLeft();
  });

  it("two imports within an hour delete no key that has valid tokens, even if unknown keys are deleted", async () => {
    await start({ secretsManager }, { unknownKeys: "delete" });
    const k0 = key();
    await importKey();
    wait(HOUR);
    await importKey();
    wait(MINUTE);
    expect(await reconcile()).toEqual([]);
    expect(exists(k0)).toBe(true);
    await expectOnlyCurrentIsLeft();
  });
});

describe("reconciliation", () => {
  it("reports a key that is more than twice as old as its rotation allows", async () => {
    await start();
    world.secret().rotation = { enabled: true, lambdaArn: "arn", rules: { AutomaticallyAfterDays: 7 } };
    wait(20 * DAY);
    expect(await reconcile()).toMatchObject([
      { reason: "key_overdue", detail: expect.stringContaining(`rotate ${NAME}\``) as string },
    ]);
  });

  it("reports a rotation that stopped eight days ago, before it gave the key its roles", async () => {
    await start();
    const [create] = world.startRotation();
    if (create) await rotateKey(world.ports, policy, create);
    wait(8 * DAY);
    expect(await reconcile()).toMatchObject([
      { reason: "rotation_stuck", detail: expect.stringContaining("has not ended for 8 days") as string },
    ]);
    await expectOnlyCurrentIsLeft();
  });

  it("reports a replica of a secret that has been behind for more than a day", async () => {
    await start({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    world.secret().replicas = [{ Region: "eu-west-1", Status: "InProgress" }];
    expect(await reconcile()).toEqual([]);
    wait(DAY - MINUTE);
    expect(await reconcile()).toEqual([]);
    wait(2 * MINUTE);
    expect(await reconcile()).toMatchObject([
      { reason: "replica_behind", detail: expect.stringContaining("in eu-west-1 has been behind") as string },
    ]);
  });
});

describe("reconciliation with replicas", () => {
  const reconcileWith = (...replicaRegions: string[]) =>
    reconcileKeys({ ...world.ports, replicaRegions }, policy);

  it("reports a failed replica at once, with AWS's reason", async () => {
    await start({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    const StatusMessage = "Access to the KMS key is denied";
    world.secret().replicas = [{ Region: "eu-west-1", Status: "Failed", StatusMessage }];
    expect(await reconcile()).toMatchObject([
      {
        reason: "replica_behind",
        detail: expect.stringContaining(`in eu-west-1 failed: ${StatusMessage}.`) as string,
      },
    ]);
  });

  it("reports no missing replica while the secret has no key, because AWS removes the replicas of an empty one", async () => {
    await start({ serviceAccounts: [], emptySecrets: [NAME] });
    wait(DAY + MINUTE);
    const findings = await reconcileWith("eu-west-1");
    expect(findings.filter(({ reason }) => reason === "replica_behind")).toEqual([]);
  });

  it("reports a missing replica after a day, in the regions that the deployment names", async () => {
    await start({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    expect(await reconcileWith("eu-west-1")).toEqual([]);
    expect(await reconcileWith("eu-west-1", "eu-north-1")).toEqual([]);
    wait(DAY + MINUTE);
    expect(await reconcileWith("eu-west-1", "eu-north-1")).toMatchObject([
      { reason: "replica_behind", detail: expect.stringContaining("has no copy in eu-north-1.") as string },
    ]);
    expect(await reconcileWith("eu-west-1")).toEqual([]);
  });
});

describe("a version that is not a credentials file", () => {
  it("causes one finding, and no advice to delete the live key, once the right file is imported", async () => {
    await start({}, { unknownKeys: "delete" });
    const k0 = key();
    const text = world.fileWith(k0) ?? "";
    await world.secrets.call("PutSecretValue", { SecretId: world.secret().arn, SecretString: "a slip" });
    wait(MINUTE);
    watch.name(k0);
    await importFile(text);
    const { status, out, err } = await admin("keys", ["keys", "--direct"]);
    expect({ status, out }).toMatchObject({
      status: 1,
      out: expect.stringMatching(/current +\S+/) as string,
    });
    expect(out).not.toContain("unknown");
    expect(err).toContain("cannot be read");
    expect(await reconcile()).toMatchObject([{ reason: "unreadable_version", action: "reported" }]);
    expect(exists(k0)).toBe(true);
    await rotate();
    await expectOnlyCurrentIsLeft();
  });
});

describe("between two reads of a secret by another process", () => {
  it("an import becomes current, and its key is not deleted to make room in a full account", async () => {
    await start({ keyLimit: 3 });
    await rotate();
    wait(GRACE_MS + HOUR);
    const events = world.startRotation();
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem, roles: ["Developer", "Support"] });
    let isImported = false;
    world.remote.around = async (call) => {
      const answer = await call();
      const isMakingRoom = world.platform.calls.at(-1)?.method === "GetKeys";
      if (isImported || !isMakingRoom || world.secrets.calls.at(-1)?.operation !== "DescribeSecret")
        return answer;
      isImported = true;
      const SecretString = credentialsFile(keyId, pem);
      await world.secrets.call("PutSecretValue", { SecretId: world.secret().arn, SecretString });
      return answer;
    };
    for (const event of events) await rotateKey(world.ports, policy, event).catch(() => undefined);
    world.remote.around = (call) => call();
    expect({ isImported, key: key() }).toEqual({ isImported: true, key: keyId });
    await world.useCurrentKey();
    await expectOnlyCurrentIsLeft();
  });

  it("the new key of a revocation is a stray, and reconciliation keeps it", async () => {
    await start();
    wait(GRACE_MS + HOUR);
    const k0 = key();
    watch.revoked.add(k0);
    const process = world.openProcess("revoke");
    let wasSeen = false;
    process.remote.around = async (call) => {
      const answer = await call();
      if (wasSeen || world.platform.calls.at(-1)?.method !== "GetAccountInfo") return answer;
      // Both keys have been proved, and the new one is stored next.
      if (world.platform.calls.filter(({ method }) => method === "GetAccountInfo").length < 2) return answer;
      wasSeen = true;
      expect(await reconcile()).toMatchObject([{ reason: "stray_key", action: "reported" }]);
      return answer;
    };
    const args = ["revoke", NAME, "--yes", "--direct", "--grants", grants];
    const { status, err } = await voxtokenIn(world, process, args);
    expect({ wasSeen, status, err }).toMatchObject({ wasSeen: true, status: 0 });
    await world.useCurrentKey();
    expect(await isDead(world, k0)).toBe(true);
    await expectOnlyCurrentIsLeft();
  });
});

/** The story of a leak: K1 by rotation, K2 by import; K2 leaks. Resolves to K2. */
async function leak(): Promise<string> {
  await rotate();
  wait(HOUR);
  const k2 = await importKey();
  wait(MINUTE);
  watch.revoked.add(k2);
  return k2;
}

const revoke = (keyId: string, ...more: string[]) =>
  admin("revoke", ["revoke", NAME, "--key", keyId, "--yes", "--direct", ...more]);

describe.runIf(AT_LENGTH)("a revocation while a service fails", () => {
  const aws = (status: number, type: string): Fault => ({
    status,
    body: JSON.stringify({ __type: type, Message: "injected" }),
    headers: { "x-amzn-errortype": type },
  });
  const platformKinds: [string, Fault][] = [
    ["HTTP 503", { status: 503, body: "unavailable" }],
    ["error 340", platformFault(340)],
    ["error 100", platformFault(100)],
    ["a lost answer", { drop: "after" }],
  ];
  const secretsKinds: [string, Fault][] = [
    ["HTTP 500", aws(500, "InternalServiceError")],
    ["ThrottlingException", aws(400, "ThrottlingException")],
    ["a lost answer", { drop: "after" }],
  ];
  const cases = [
    ...["GetKeys", "DeleteKey", "CreateKey"].flatMap((operation) =>
      platformKinds.map(([kind, fault]) => ({ side: "platform" as const, operation, kind, fault })),
    ),
    ...["DescribeSecret", "PutSecretValue", "GetSecretValue"].flatMap((operation) =>
      secretsKinds.map(([kind, fault]) => ({ side: "secrets" as const, operation, kind, fault })),
    ),
  ].flatMap((one) => (["once", "always"] as const).map((times) => ({ ...one, times })));

  it.each(cases)(
    "exits with 0 only if the key is dead: $operation answers with $kind, $times",
    async ({ side, operation, fault, times }) => {
      await start();
      const k2 = await leak();
      let failures = 0;
      const inject: FaultInjector = (called) => {
        if (called !== operation || (times === "once" && failures > 0)) return undefined;
        failures += 1;
        return fault;
      };
      world.faults[side] = inject;
      const { status, out, err } = await revoke(k2);
      expect(failures).toBeGreaterThan(0);
      const dead = await isDead(world, k2);
      if (status === 0) expect(dead).toBe(true);
      else expect(err).toContain(k2);
      expect(out.includes("is dead")).toBe(status === 0);
      // Without any key that can be read nobody can sign; a lost answer hides what was done.
      const cannotDelete =
        times === "always" &&
        (operation === "GetSecretValue" ||
          (operation === "DeleteKey" && !(typeof fault === "object" && "drop" in fault)));
      expect({ err, exists: exists(k2) }).toMatchObject({ exists: cannotDelete });

      world.faults.platform = world.faults.secrets = undefined;
      const again = await revoke(k2);
      if (again.status === 0) expect(await isDead(world, k2)).toBe(true);
      await expectOnlyCurrentIsLeft();
    },
  );
});

describe("a revocation by rotate --now --revoke while a service fails", () => {
  it.each([
    ["platform", "GetKeys"],
    ["platform", "DeleteKey"],
    ["platform", "CreateKey"],
    ["secrets", "DescribeSecret"],
  ] as const)(
    "exits with 0 only if the key is dead: %s answers %s with HTTP 503",
    async (side, operation) => {
      await start();
      const k2 = await leak();
      world.faults[side] = (called) => (called === operation ? { status: 503, body: "{}" } : undefined);
      const { status, out } = await admin("revoke", ["rotate", NAME, "--now", "--revoke", "--direct"]);
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(exists(k2)).toBe(operation === "DeleteKey");
      world.faults[side] = undefined;
      // Without a replacement, the key before proves the end of this one: what is left to do is to
      // put a key in.
      const again = await revoke(k2);
      expect(again.out + again.err).toContain(`key ${k2} is dead`);
      expect(again.status).toBe(operation === "CreateKey" || operation === "DescribeSecret" ? 1 : 0);
      expect(await isDead(world, k2)).toBe(true);
      await expectOnlyCurrentIsLeft();
    },
  );
});

describe("a revocation", () => {
  it("with --direct deletes no key of another service account, and reads no other secret", async () => {
    await start({ serviceAccounts: [NAME, "call-history"] });
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem, name: "vtv-stray" }).keyId;
    const [k0, other] = [key(), world.keyWith("AWSCURRENT", "call-history")];
    await world.secrets.call("DeleteSecret", {
      SecretId: "voximplant/call-history",
      ForceDeleteWithoutRecovery: true,
    });
    watch.revoked.add(k0);
    expect(await revoke(k0)).toMatchObject({ status: 0 });
    expect([exists(stranger), exists(other ?? "")]).toEqual([true, true]);
  });

  it("deletes a key listed under unmanagedKeys if the operator names it", async () => {
    const keyId = randomUUID();
    await start({}, { unmanagedKeys: [keyId] });
    world.platform.addKey({ accountId: ACCOUNT, keyId, pem, name: "others use it" });
    watch.revoked.add(keyId);
    const { status, err } = await revoke(keyId);
    // No secret holds its private key, so no token of it can be tried: deleted, and not proved.
    expect(status).toBe(1);
    expect(err).toContain("no longer lists it");
    expect(exists(keyId)).toBe(false);
  });

  it("is proved only if the deleted key disappears from the list within the wait", async () => {
    for (const [listMs, expected] of [
      [30_000, 0],
      [5 * MINUTE, 1],
    ] as const) {
      await start({ deletionLag: { listMs } });
      const k2 = await leak();
      const { status, err } = await revoke(k2);
      expect({ status, err }).toMatchObject({ status: expected });
      expect((await isDead(world, k2)) || status !== 0).toBe(true);
    }
  });

  it("is proved only if the deleted key's tokens are refused within the wait", async () => {
    for (const [acceptanceMs, expected] of [
      [30_000, 0],
      [5 * MINUTE, 1],
    ] as const) {
      await start({ deletionLag: { acceptanceMs } });
      const k2 = await leak();
      const { status, err } = await revoke(k2);
      expect({ status, err }).toMatchObject({ status: expected });
      if (expected === 1) expect(err).toContain("still accepts a token of it");
      expect((await isDead(world, k2)) || status !== 0).toBe(true);
    }
  });

  it("in a full account still deletes the leaked key, and says how to make room", async () => {
    await start({ keyLimit: 3 });
    const k2 = await leak();
    const { status, err } = await revoke(k2);
    expect(status).toBe(1);
    expect(err).toContain("--make-room KEY_ID");
    expect(err).toContain("admin import FILE");
    expect(exists(k2)).toBe(false);
  });

  it("in a full account replaces the key if the operator names an unneeded key with --make-room", async () => {
    await start({ keyLimit: 4 });
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem, name: "a stranger" }).keyId;
    const k2 = await leak();
    const { status } = await revoke(k2, "--make-room", stranger);
    expect(status).toBe(0);
    expect([exists(stranger), exists(k2)]).toEqual([false, false]);
    await world.useCurrentKey();
    await expectOnlyCurrentIsLeft();
  });

  it("refuses to make room by deleting a current key, and still ends the leaked key", async () => {
    await start({ keyLimit: 3 });
    const k2 = await leak();
    const { status, err } = await revoke(k2, "--make-room", k2);
    expect(status).toBe(1);
    expect(err).toMatch(/FAIL +make room +Key .* is a current key/);
    expect(exists(k2)).toBe(false);
  });

  it("says what it could not delete to make room, and still ends the leaked key", async () => {
    await start({ keyLimit: 3 });
    const k2 = await leak();
    let deletions = 0;
    world.faults.platform = (called) =>
      called === "DeleteKey" && (deletions += 1) === 1 ? platformFault(104) : undefined;
    const { status, err } = await revoke(k2, "--make-room", key("AWSPREVIOUS"));
    expect(status).toBe(1);
    expect(err).toMatch(/FAIL +make room/);
    expect(err).toMatch(/FAIL +replace/);
    expect(exists(k2)).toBe(false);
  });

  it("that succeeds lists the remaining work if rules could not be moved", async () => {
    await start();
    const k2 = await leak();
    world.faults.platform = (called) => (called === "GetRules" ? { status: 503, body: "{}" } : undefined);
    const { status, err } = await revoke(k2);
    expect(status).toBe(0);
    expect(err).toMatch(/FAIL +rules/);
    expect(err).toContain(`If routing rules were bound to key ${k2}, bind them to the current key`);
  });

  it("with --delete-first leaves no key, and names the command to run", async () => {
    await start();
    const k2 = await leak();
    const { status, err } = await revoke(k2, "--delete-first");
    expect(status).toBe(1);
    expect(err).toContain(`admin import FILE --service-account ${NAME}`);
    expect(exists(k2)).toBe(false);
  });

  it("of a current key that is already deleted fails if no other key can ask the platform", async () => {
    await start();
    const k0 = key();
    watch.revoked.add(k0);
    world.platform.keys.delete(k0);
    const { status, err } = await revoke(k0);
    expect(status).toBe(1);
    expect(err).toContain("refuses a token of it");
    expect(err).toContain("admin bootstrap");
  });

  it("replaces a key that became current a second ago although Secrets Manager's reads are behind", async () => {
    await start({ secretsManager: { readLagMs: 3_000 } });
    const k1 = await rotate();
    watch.revoked.add(k1);
    const { status, err } = await revoke(k1);
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(await isDead(world, k1)).toBe(true);
    await world.useCurrentKey();
  });
});

describe("a rollback", () => {
  const rollback = () => admin("rollback", ["rollback", NAME, "--direct"]);

  it.each(variants)(
    `makes the previous key current, and no rotation reverts it, ${LABELS}`,
    async (secretsManager) => {
      await start({ secretsManager });
      const [k0, k1] = [key(), await rotate()];
      wait(HOUR);
      expect(await rollback()).toMatchObject({ status: 0, out: `${NAME}: key ${k0} is current again\n` });
      expect(world.platform.rules.get(1)?.bindKeyId).toBe(k0);
      wait(MINUTE);
      expect([k0, k1]).not.toContain(await rotate());
      await expectOnlyCurrentIsLeft();
    },
  );

  it("is refused if the previous key was deleted, and changes nothing", async () => {
    await start();
    const k1 = await rotate();
    wait(GRACE_MS + MINUTE);
    await reconcile();
    const { status, err } = await rollback();
    expect(status).toBe(1);
    expect(err).toContain("refuses the previous key");
    expect(key()).toBe(k1);
  });

  it("keeps AWSPENDING while a replica is behind, and a rotation does not make the key current again", async () => {
    await start({ secretsManager: { replicaRegions: ["eu-west-1"] } });
    const [k0, k1] = [key(), await rotate()];
    world.secret().replicas = [{ Region: "eu-west-1", Status: "InProgress" }];
    const { status, err } = await rollback();
    expect({ status, err }).toMatchObject({
      status: 0,
      err: expect.stringContaining("replica is behind") as string,
    });
    expect(key()).toBe(k0);
    world.secret().replicas = [{ Region: "eu-west-1", Status: "InSync" }];
    await rotate();
    expect(key()).not.toBe(k1);
    await rotate();
    expect([k0, k1]).not.toContain(key());
    await expectOnlyCurrentIsLeft();
  });
});
