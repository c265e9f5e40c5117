import { MAX_TTL_SECONDS } from "../../lib/grants/policy.ts";
import type { Policy } from "../../lib/grants/policy.ts";
import { parseCredentials } from "../../lib/keys/credentials-file.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import type { Finding } from "../../lib/reconciliation/finding.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { tokenClaims } from "../../lib/token/claims.ts";
import { mintToken } from "../../lib/token/mint.ts";
import { isRefusal } from "../../lib/voximplant/errors.ts";
import { openManagementApi } from "../../lib/voximplant/methods.ts";
import { ACCOUNT, GRACE_MS, LIFETIMES, type World } from "./world.ts";

/**
 * How long after a key was current a token of it may still be in use. Without the margin that the
 * grace adds.
 */
export const IN_USE_MS =
  (LIFETIMES.signingKeyTtlSeconds + LIFETIMES.signingKeyMaxStaleSeconds + MAX_TTL_SECONDS) * 1000;

/**
 * Processes in which an operator names the key that becomes current: it may have been current
 * before.
 */
const BY_NAME = new Set(["import", "rollback"]);

/**
 * Watches a world: after every remote call of every process it checks what must hold at any moment
 * (the first three of the five invariants; see {@link settleAndCheck} and {@link isDead} for the
 * others). A broken invariant is noted, not thrown, because a process could catch it.
 */
export function watchInvariants(world: World, policy: Policy) {
  const violations: string[] = [];
  const trace: string[] = [];
  /** Keys that an operator has revoked: they may be deleted, and may dangle, at any time. */
  const revoked = new Set<string>();
  /** Keys of which a command has said, with status 0, that they are dead. */
  const proved = new Set<string>();
  /** When each key was current last. */
  const lastCurrent = new Map<string, number>();
  const current = new Map<string, string | undefined>();
  /** Keys of a service account that may be current again, because an operator named them. */
  const named = new Set<string>();

  const say = (text: string) => {
    if (violations.length === 0) trace.push("-- broken");
    if (!violations.includes(text)) violations.push(text);
  };
  const short = (keyId: string) => keyId.slice(0, 8);

  const check = (process: string) => {
    const { now } = world.clock;
    for (const { name } of policy.serviceAccounts) {
      const before = current.get(name);
      const keyId = world.keyWith("AWSCURRENT", name);
      if (before !== undefined) lastCurrent.set(before, now);
      if (keyId !== before) {
        trace.push(`${process}: key ${keyId && short(keyId)} is current in ${name}`);
        if (keyId !== undefined && lastCurrent.has(keyId) && !BY_NAME.has(process) && !named.has(keyId))
          say(`superseded key ${short(keyId)} became current again, by ${process}`);
        current.set(name, keyId);
      }
      if (keyId !== undefined) lastCurrent.set(keyId, now);
    }
    for (const [keyId, at] of lastCurrent) {
      if (now - at <= IN_USE_MS && !world.platform.keys.has(keyId) && !revoked.has(keyId))
        say(`key ${short(keyId)} is gone, and a container may still sign with it`);
    }
    for (const { name, bindKeyId } of world.platform.rules.values()) {
      if (bindKeyId !== undefined && !world.platform.keys.has(bindKeyId) && !revoked.has(bindKeyId))
        say(`rule ${name} is bound to deleted key ${short(bindKeyId)}`);
    }
  };
  check("start");
  world.hooks.afterCall = check;

  return {
    violations,
    trace,
    revoked,
    proved,
    /** An operator names a key: it may become current again. */
    name: (keyId: string) => void named.add(keyId),
    /**
     * Whether nothing can need the key any more, so that it may be deleted at any moment. Nobody
     * goes back to such a key.
     */
    isOver: (keyId: string) => world.clock.now - (lastCurrent.get(keyId) ?? 0) > IN_USE_MS - 10 * 60_000,
    /** After the test itself has changed something. */
    check: () => {
      check("test");
    },
  };
}

export type Watch = ReturnType<typeof watchInvariants>;

/**
 * What must come true once nothing fails any more: one more rotation succeeds, and after the grace
 * only the current keys are left. Every other key is a finding that says what to do; the findings
 * of the last reconciliation are returned.
 */
export async function settleAndCheck(world: World, policy: Policy, watch: Watch): Promise<Finding[]> {
  world.faults.platform = world.faults.secrets = undefined;
  const say = (text: string) => void watch.violations.push(`in the end, ${text}`);
  const { ports } = world.openProcess("settling");
  // Slow reads and slow lists have caught up.
  world.clock.now += 2 * 60_000;
  await reconcileKeys(ports, policy).catch((error: unknown) => {
    say(`reconciliation fails: ${String(error)}`);
  });
  for (const { name } of policy.serviceAccounts) {
    const before = world.keyWith("AWSCURRENT", name);
    if (before === undefined) continue;
    if (watch.revoked.has(before) && !world.platform.keys.has(before)) {
      // What `revoke` then says: put another key in.
      await world.plantCurrent(name);
      watch.check();
    }
    let failure: Error | undefined;
    // RotateSecret goes on with a version that is pending. Where that one is refused, the next call
    // makes another.
    for (const pause of [0, 15 * 60_000, 0, GRACE_MS, 0]) {
      if (world.keyWith("AWSCURRENT", name) !== before) break;
      failure = undefined;
      // Secrets Manager tries again within the hour. After ten minutes a key that is unknown counts
      // as deleted; in a full account there is no room before a grace is over.
      world.clock.now += pause;
      try {
        for (const event of world.startRotation(name)) await rotateKey(ports, policy, event);
      } catch (error) {
        failure = error as Error;
      }
    }
    if (failure !== undefined) say(`no rotation succeeds: ${String(failure)}`);
    await world.useCurrentKey(name).catch((error: unknown) => {
      say(`the current key of ${name} is refused: ${String(error)}`);
    });
  }
  let findings: Finding[] = [];
  for (let runs = 0; runs < 2; runs += 1) {
    world.clock.now += GRACE_MS + 1_000;
    findings = await reconcileKeys(ports, policy);
  }
  const currentKeys = new Set(policy.serviceAccounts.map(({ name }) => world.keyWith("AWSCURRENT", name)));
  for (const keyId of world.platform.keys.keys()) {
    if (currentKeys.has(keyId)) continue;
    if (policy.serviceAccounts.some(({ unmanagedKeys }) => unmanagedKeys.includes(keyId))) continue;
    if (!findings.some(({ key }) => key?.key_id === keyId))
      say(`key ${keyId} is left, and no finding names it`);
  }
  for (const { name, bindKeyId } of world.platform.rules.values()) {
    // With no other key left, a revocation says that it could not move them.
    if (bindKeyId !== undefined && watch.revoked.has(bindKeyId) && !watch.proved.has(bindKeyId)) continue;
    if (!currentKeys.has(bindKeyId)) say(`rule ${name} is bound to ${bindKeyId}, which is not current`);
  }
  for (const keyId of watch.proved)
    if (world.platform.keys.has(keyId)) say(`revoked key ${keyId} is on the platform`);
  return findings;
}

/**
 * Whether the platform itself neither lists a key nor accepts a token of it, now. Asked past all
 * injected faults.
 */
export async function isDead(world: World, keyId: string, pem?: string): Promise<boolean> {
  const { platform: fault, secrets: secretsFault } = world.faults;
  world.faults.platform = world.faults.secrets = undefined;
  try {
    const connection = { ...world.connection, fetch: world.platform.fetch };
    const asAccount = openManagementApi(connection, () => ({
      accountId: ACCOUNT,
      apiKey: "deprecated-api-key",
    }));
    if ((await asAccount.getKeys()).some(({ key_id }) => key_id === keyId)) return false;
    const file = pem === undefined ? world.fileWith(keyId) : credentialsOf(keyId, pem);
    if (file === undefined) return !world.platform.keys.has(keyId);
    const key = await importSigningKey(parseCredentials(file));
    const token = await mintToken(tokenClaims(key.accountId, 60, world.clock.now), key);
    await openManagementApi(connection, () => ({ token })).getAccountInfo();
    return false;
  } catch (error) {
    if (isRefusal(error, "authorizationFailed", "invalidKeyId")) return true;
    throw error;
  } finally {
    Object.assign(world.faults, { platform: fault, secrets: secretsFault });
  }
}

function credentialsOf(keyId: string, pem: string): string {
  return JSON.stringify({
    account_email: "ops@example.com",
    account_id: ACCOUNT,
    key_id: keyId,
    private_key: pem,
  });
}
