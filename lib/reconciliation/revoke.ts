import type { EpochMs } from "../epoch.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { dropPending } from "../key-lifecycle/store-current.ts";
import { messageOf } from "./finding.ts";
import { leftToDo } from "./left-to-do.ts";
import { checkNotInUse } from "./make-room.ts";
import { lookInAccounts, proveDead } from "./prove-dead.ts";
import { ReplacementDeletedError, replaceKey, type ReplacementPorts } from "./replace-key.ts";
import {
  type CurrentKey,
  openMatchingKeys,
  readCurrentKeys,
  readCurrentKeysSettled,
} from "./revocation-keys.ts";
import { forgetEverywhere } from "./revocation-containers.ts";
import { moveRulesOff } from "./revocation-rules.ts";
import { findWithoutKey, readCurrentKeysAfter } from "./working-keys.ts";

export interface RevocationPorts extends ReplacementPorts {
  /**
   * Makes the functions' containers drop their keys, in every region. Undefined if the revocation
   * does not run in Lambda: then the step `containers` is left out.
   */
  readonly forgetKeys?: ((replicaRegions: readonly string[]) => Promise<string>) | undefined;
}

interface RevocationRequest {
  readonly serviceAccount: ServiceAccount;
  /**
   * The id of the leaked key. It is required: if the function simply revoked the current key, a
   * repeated request would revoke the new key.
   */
  readonly keyId: string;
  /**
   * The time limit for the replacement, in seconds. After that, the leaked key is deleted anyway.
   */
  readonly timeoutSeconds: number;
  /**
   * If true, this run only deletes the leaked key, and creates no new key. No token of the service
   * account works until an operator stores another key.
   */
  readonly deleteFirst: boolean;
  /**
   * The id of a key to delete before the replacement, for an account that has reached its limit of
   * keys.
   */
  readonly makeRoom?: string | undefined;
}

/**
 * One step and its result. What `ok` means for four of the steps:
 *
 * - `list`: the platform no longer lists the key.
 * - `token`: the platform refuses a token of the key.
 * - `labels`: no version except the current one has AWSPENDING, so the next rotation creates a new
 *   key. It cannot continue with an older version and make the key in that version current. Taking
 *   the label off ends a rotation that is under way.
 * - `containers`: the functions' containers drop their keys.
 */
interface RevocationStep {
  readonly step: "make room" | "replace" | "delete" | "list" | "token" | "containers" | "rules" | "labels";
  readonly ok: boolean;
  /** What AWS or the platform answered, as a sentence for the operator. */
  readonly seen: string;
}

export interface RevocationReport {
  readonly keyId: string;
  readonly steps: readonly RevocationStep[];
  /** The platform no longer lists the key, and refuses a token that was signed with it. */
  readonly proved: boolean;
  /** Service accounts without a working key. */
  readonly withoutKey: readonly string[];
  /** What an operator still has to do, one sentence each. */
  readonly leftToDo: readonly string[];
}

/** How long the leaked key may live while its routing rules are moved. */
const RULES_BEFORE_DELETION_MS = 120_000;

/** After this time no other signer is tried. */
const DELETION_MS = 60_000;

/** The search for rules ends this long after the start of a run. The function has 600 seconds. */
const RULES_END_MS = 540_000;

/**
 * Revokes a leaked key: replaces it, deletes it, and asks the platform for proof.
 *
 * The key is deleted even if it could not be replaced in time, because a leaked key is worse than
 * an outage. The proof is two answers of the platform: a list of keys that lacks this key, and the
 * refusal of a token that this key has signed. If a step fails, the next steps still run.
 */
export async function revokeKey(
  ports: RevocationPorts,
  policy: Policy,
  request: RevocationRequest,
): Promise<RevocationReport> {
  const steps: RevocationStep[] = [];
  /** Runs a step, and adds its result to `steps`. What `work` returns becomes the field `seen`. */
  const step = async (name: RevocationStep["step"], work: () => Promise<string>): Promise<boolean> => {
    const outcome = await work().then(
      (seen) => ({ ok: true, seen }),
      (error: unknown) => ({ ok: false, seen: messageOf(error) }),
    );
    steps.push({ step: name, ...outcome });
    return outcome.ok;
  };

  const startedAt = ports.now();
  const { serviceAccount: named, keyId, makeRoom } = request;
  const before = await readCurrentKeysSettled(ports, policy, keyId);
  const affected = before.found.filter(({ key }) => key.keyId === keyId);
  const leaked = affected[0]?.key ?? (await openMatchingKeys(ports, policy, (key) => key.keyId === keyId))[0];
  // The calls that delete and check the leaked key are signed with other keys of its Voximplant
  // account. If no secret holds the leaked key, its account is unknown, and the keys of every
  // account are tried.
  const isOfAccount = (accountId: number) => leaked === undefined || accountId === leaked.accountId;
  const signersAmong = (current: readonly CurrentKey[]) =>
    current.map(({ key }) => key).filter(({ accountId }) => isOfAccount(accountId));

  if (makeRoom !== undefined) {
    await step("make room", async () => {
      await checkNotInUse(ports, policy, makeRoom);
      const outcome = await deleteWith(ports.now, signersAmong(before.found), makeRoom, { attempts: 1 });
      return outcome === "deleted"
        ? `key ${makeRoom} is deleted`
        : `the Voximplant account has no key ${makeRoom}`;
    });
  }

  /** The new keys, by secret. Several service accounts may share a secret. */
  const replacements = new Map<string, AccountKey>();
  const bySecret = new Map(affected.map((one) => [one.serviceAccount.secret, one]));
  const deadline = ports.now() + request.timeoutSeconds * 1000;
  for (const { serviceAccount, version } of request.deleteFirst ? [] : bySecret.values()) {
    await step("replace", async () => {
      const replace = () => replaceKey(ports, serviceAccount, version, deadline);
      // ReplacementDeletedError: reconciliation deleted the new key on the platform, and after that
      // the first attempt stored this key. Reconciliation deletes such a key only if the secret has
      // not changed for the length of the grace. The first attempt has changed the secret, so the
      // key of the second attempt is safe: see startGrace in replace-key.ts.
      const next = await replace().catch((error: unknown) => {
        if (error instanceof ReplacementDeletedError) return replace();
        throw error;
      });
      replacements.set(serviceAccount.secret, next);
      return `the current key is now ${next.keyId}`;
    });
  }
  const secrets = [...new Set([named.secret, ...bySecret.keys()])];
  for (const secret of secrets) {
    await step("labels", async () => {
      const outcome = await dropPending(ports.store, secret, ports);
      if (outcome === "clean") return "no other version of the secret has the label AWSPENDING";
      throw new KeyLifecycleError(
        `Another version of ${secret} still has the label AWSPENDING. The label stays, because labels must not be ` +
          "moved while the copies of the secret in other regions are being written. This is harmless: rotate-key " +
          "makes no version current that is older than the current one.",
      );
    });
  }

  const { found: now } = await readCurrentKeys(ports, policy);
  const ownAmong = (current: readonly CurrentKey[]) =>
    current.find(({ serviceAccount, key }) => serviceAccount.name === named.name && key.keyId !== keyId)?.key;
  const own = replacements.get(named.secret) ?? ownAmong(now);
  // The calls that delete the leaked key and prove it dead need a key that works. If there is no
  // new key, the key in AWSPREVIOUS may work.
  const fallbacks = replacements.has(named.secret)
    ? []
    : await openMatchingKeys(
        ports,
        policy,
        ({ accountId }, labels) => labels.has("AWSPREVIOUS") && isOfAccount(accountId),
      );
  // A read of Secrets Manager may return old data, so the replacements are added to what it
  // returned.
  const signers = distinct([...replacements.values(), ...signersAmong(now), ...fallbacks]).filter(
    (signer) => signer.keyId !== keyId,
  );
  // The file in the secret may name a wrong account. So the keys of all other accounts are tried
  // too, as the last ones.
  const others = now
    .map(({ key }) => key)
    .filter((key) => key.keyId !== keyId && !isOfAccount(key.accountId));
  let rulesMoved = await step("rules", () =>
    moveRulesOff(ports, keyId, own, leaked, ports.now() + RULES_BEFORE_DELETION_MS),
  );
  let isDeleted = false;
  await step("delete", async () => {
    const outcome = await deleteWith(
      ports.now,
      [...signers, ...(leaked === undefined ? [] : [leaked]), ...others],
      keyId,
      { isAccountUnknown: leaked === undefined },
    );
    isDeleted = outcome === "deleted";
    return isDeleted ? "the platform deleted it" : "it was gone already";
  });
  const proof = await proveDead(ports, signers, leaked, keyId);
  proof.push(...(await lookInAccounts(others, keyId, isDeleted)));
  steps.push(...proof);
  const proved = proof.every(({ ok }) => ok);

  const { forgetKeys } = ports;
  if (forgetKeys !== undefined) await step("containers", () => forgetEverywhere(ports, secrets, forgetKeys));

  const after = await readCurrentKeysAfter(ports, policy, keyId);
  // Rules may be left, or there was no new key for them. A rotation or a reconciliation that read
  // the secret before the replacement may even have bound a rule to the leaked key again.
  const last = own ?? ownAmong(after.found);
  const movedLast =
    last &&
    (await moveRulesOff(ports, keyId, last, leaked, startedAt + RULES_END_MS).catch((error: unknown) => {
      ports.log("warn", `Routing rules were not looked at again: ${messageOf(error)}`);
      return undefined;
    }));
  if (!rulesMoved && movedLast !== undefined) {
    rulesMoved = true;
    steps.push({ step: "rules", ok: true, seen: movedLast });
  }
  const revoked = { deletedId: keyId, named: named.name, before, after, replacements };
  const { withoutKey, unread } = await findWithoutKey(policy, revoked);
  return {
    keyId,
    steps,
    proved,
    withoutKey,
    leftToDo: leftToDo(named.name, keyId, { proved, withoutKey, unread, rulesMoved }),
  };
}

function distinct(keys: readonly AccountKey[]): AccountKey[] {
  return [...new Map(keys.map((key) => [key.keyId, key])).values()];
}

/**
 * Deletes a key. Tries the signers in turn until the platform says that it has deleted the key.
 *
 * @param options.isAccountUnknown whether the key may be in the account of any signer. If so, the
 *   result is "absent" only if the platform answers "absent" to every signer.
 * @param options.attempts see deleteKey in methods.ts
 */
async function deleteWith(
  now: () => EpochMs,
  signers: readonly AccountKey[],
  keyId: string,
  { isAccountUnknown = false, attempts }: { readonly isAccountUnknown?: boolean; readonly attempts?: number },
): Promise<"deleted" | "absent"> {
  const refusals: string[] = [];
  const startedAt = now();
  let absent = false;
  for (const { api, keyId: signer } of signers) {
    // Without this, many signers would use up the time of the function while the platform is down.
    if (now() - startedAt >= DELETION_MS) break;
    try {
      if ((await api.deleteKey(keyId, attempts === undefined ? undefined : { attempts })) === "deleted")
        return "deleted";
      // The platform answers "absent" if the key is gone, but also if the signer is a key of
      // another account. So the next signer is tried.
      absent = true;
    } catch (error) {
      refusals.push(`with key ${signer}: ${messageOf(error)}`);
    }
  }
  if (absent && !(isAccountUnknown && refusals.length > 0)) return "absent";
  throw new KeyLifecycleError(
    refusals.join("; ") || "There is no working key with which to call Voximplant.",
  );
}
