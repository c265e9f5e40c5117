import type { Log } from "../audit/log.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import type { AccountKey, OpenKey } from "../key-lifecycle/account-key.ts";
import { checkAccount, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { labelKey } from "../key-lifecycle/key-label.ts";
import { moveAllRules } from "../key-lifecycle/retire-key.ts";
import { copyRoles, ROLES_TAG, rolesTag, verifySameAccess } from "../key-lifecycle/roles.ts";
import type { SecretState, SecretStore, SecretVersion } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, settle, SETTLING_PAUSES_MS, STORE_PAUSES } from "../key-lifecycle/settle.ts";
import type { ReadSecret } from "../key-lifecycle/snapshot.ts";
import { storeCurrent } from "../key-lifecycle/store-current.ts";
import { serializeCredentials } from "../keys/credentials-file.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { messageOf } from "./finding.ts";

export interface ReplacementPorts {
  readonly store: SecretStore;
  readonly readSecret: ReadSecret;
  readonly openKey: OpenKey;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** A new UUID. */
  readonly newId: () => string;
}

/**
 * Replaces a service account's current key at once, without Secrets Manager's rotation: that may be switched off, or stuck,
 * and reports nothing but its end. The new key has the roles of the old one and is proved before it becomes current.
 *
 * Killed between `CreateKey` and the moment it is current, it leaves a key with one of our names, which reconciliation
 * deletes.
 *
 * @param deadline milliseconds since 1970: no step begins after it. A key that was made until then is taken back.
 * @throws KeyLifecycleError and the errors of both services: the old key is current still.
 */
export async function replaceKey(
  ports: ReplacementPorts,
  serviceAccount: ServiceAccount,
  version: SecretVersion,
  deadline: number,
): Promise<AccountKey> {
  const { store, openKey, now, sleep, log } = ports;
  const waiting = { sleep, deadline: { now, at: deadline } };
  const inTime = () => {
    if (now() < deadline) return;
    throw new KeyLifecycleError("The time for it was over.");
  };
  const old = await openKey(version.value);
  checkAccount(serviceAccount, old);
  const state = await store.describe(serviceAccount.secret);
  const versionId = ports.newId();
  await startGrace(ports, state, old);
  inTime();
  const created = await old.api.createKey(labelKey(state, versionId, now())).catch((error: unknown) => {
    if (!isRefusal(error, "tooManyKeys")) throw error;
    const advice = "Name an unused key with --make-room KEY_ID: `voxtoken admin keys` lists them.";
    throw new KeyLifecycleError(`${error.message} ${advice}`, { cause: error });
  });
  let next: AccountKey;
  const value = serializeCredentials(created);
  try {
    next = await openKey(value);
    checkAccount(serviceAccount, next);
    await settle(() => old.api.getKeyRoles(created.key_id), isUnknownKey, waiting);
    await copyRoles(old.api, old.keyId, created.key_id);
    await verifySameAccess(old, next, waiting);
    inTime();
  } catch (error) {
    await takeBack(old, created.key_id, error);
    throw error;
  }
  await storeCurrent(store, state, { versionId, value }, waiting);
  // Before it was stored, a reconciliation could have taken it for a stray.
  await settle(() => next.api.getAccountInfo(), isUnknownKey, waiting).catch((cause: unknown) => {
    if (!isUnknownKey(cause)) return;
    throw new ReplacementDeletedError(
      `The new key ${created.key_id} was deleted while it was stored, so the current key does not work.`,
      { cause },
    );
  });
  // Both keys work, so a failure here ends nothing: reconciliation moves the rules that are left.
  try {
    await moveAllRules(await ports.readSecret(serviceAccount), next, log);
  } catch (error) {
    log("warn", `Routing rules were not moved to key ${next.keyId}: ${messageOf(error)}`, {
      key_id: next.keyId,
    });
  }
  return next;
}

/** The new key is current, and was deleted before it was: the old key works still, and may make another. */
export class ReplacementDeletedError extends KeyLifecycleError {}

/**
 * Until it is stored, the new key is a stray: it has one of our names and is in no version. A secret
 * that has not changed for a grace lets reconciliation delete its strays at once. The tag is a
 * change, so the stray is kept. Waits until the change can be read, because reads may lag.
 */
async function startGrace(
  { store, sleep, log }: ReplacementPorts,
  { arn, tags, lastChangedAt }: SecretState,
  { api, keyId }: AccountKey,
): Promise<void> {
  try {
    await store.tag(arn, ROLES_TAG, tags.get(ROLES_TAG) ?? rolesTag(await api.getKeyRoles(keyId)));
    for (const pause of SETTLING_PAUSES_MS.slice(0, STORE_PAUSES)) {
      if ((await store.describe(arn)).lastChangedAt > lastChangedAt) return;
      await sleep(pause);
    }
  } catch (error) {
    log("warn", `The secret could not be tagged before its key is replaced: ${messageOf(error)}`);
  }
}

/** A key that is in no secret is of no use, and one more to steal. */
async function takeBack({ api }: AccountKey, keyId: string, reason: unknown): Promise<void> {
  try {
    await api.deleteKey(keyId);
  } catch (error) {
    throw new KeyLifecycleError(
      `${messageOf(reason)} The new key ${keyId} could not be deleted again: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
