import type { EpochMs } from "../epoch.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { isRefusedByAws } from "../key-lifecycle/aws-refusal.ts";
import { createKey, deleteAgain, LostKeyError } from "../key-lifecycle/create-key.ts";
import { checkAccount, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { labelKey } from "../key-lifecycle/key-label.ts";
import { copyRoles, verifySameAccess } from "../key-lifecycle/roles.ts";
import { GRACE_TAG, type SecretState, type SecretVersion } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, proveKnown, readUntil, settle } from "../key-lifecycle/settle.ts";
import { storeCurrent } from "../key-lifecycle/store-current.ts";
import type { SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { serializeCredentials } from "../keys/credentials-file.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { messageOf } from "./finding.ts";

export interface ReplacementPorts extends Omit<SnapshotPorts, "graceMs"> {
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** A new UUID. */
  readonly newId: () => string;
}

/**
 * Replaces a service account's current key without Secrets Manager's rotation, which may be
 * switched off or stuck. The new key gets the roles of the old one, and is tested before it becomes
 * current. Routing rules stay bound to the old key.
 *
 * If the function is killed after `CreateKey` and before the key is current, a stray remains.
 * Reconciliation deletes the stray.
 *
 * @param deadline after this time, no key is created or stored. A new key that is not stored by
 *   then is deleted.
 * @throws MayBeCurrentError the new key may be current
 * @throws ReplacementDeletedError the new key is current, but was deleted
 * @throws other KeyLifecycleErrors, and the errors of Voximplant and of Secrets Manager: the old
 *   key is still current
 */
export async function replaceKey(
  ports: ReplacementPorts,
  serviceAccount: ServiceAccount,
  version: SecretVersion,
  deadline: EpochMs,
): Promise<AccountKey> {
  const { store, openKey, now, sleep } = ports;
  const waiting = { sleep, deadline: { now, at: deadline } };
  const checkDeadline = () => {
    if (now() >= deadline) throw new KeyLifecycleError("The replacement timed out.");
  };
  const old = await openKey(version.value);
  checkAccount(serviceAccount, old);
  const state = await store.describe(serviceAccount.secret);
  const versionId = ports.newId();
  await startGrace(ports, state);
  checkDeadline();
  const created = await createKey(old.api, labelKey(state, versionId, now())).catch((error: unknown) => {
    if (error instanceof LostKeyError)
      throw new LostKeyError(`${error.message} Reconciliation deletes it after the grace.`, { cause: error });
    if (!isRefusal(error, "tooManyKeys")) throw error;
    const advice = "Name an unused key with --make-room KEY_ID: see `voxtoken admin keys`.";
    throw new KeyLifecycleError(`${error.message} ${advice}`, { cause: error });
  });
  let next: AccountKey;
  const value = serializeCredentials(created);
  try {
    next = await openKey(value);
    checkAccount(serviceAccount, next);
    await settle(() => old.api.getKeyRoles(created.key_id), isUnknownKey, waiting);
    await copyRoles(
      old.api,
      old.keyId,
      created.key_id,
      "In the control panel, under Service accounts, create a key with exactly these " +
        `roles, and import it: \`voxtoken admin import FILE --service-account ${serviceAccount.name}\`.`,
    );
    await verifySameAccess(old, next, waiting);
    checkDeadline();
  } catch (error) {
    await deleteAgain(old.api, created.key_id, error);
    throw error;
  }
  await storeCurrent(store, state, { versionId, value }, waiting).catch(async (error: unknown) => {
    if (isRefusedByAws(error)) await deleteAgain(old.api, created.key_id, error);
    throw error;
  });
  // Until it was stored, the key was a stray, which a reconciliation may have deleted.
  await settle(() => proveKnown(next), isUnknownKey, waiting).catch((cause: unknown) => {
    if (!isUnknownKey(cause)) return;
    throw new ReplacementDeletedError(
      `The new key ${created.key_id} was deleted during the replacement, ` +
        "so the current key does not work.",
      { cause },
    );
  });
  return next;
}

/** The new key is current but deleted. The old key still works, so `replaceKey` can run again. */
export class ReplacementDeletedError extends KeyLifecycleError {}

/**
 * Starts the grace again, by writing a tag of the secret. Until the new key is stored, no secret
 * holds it. Reconciliation deletes such a key when the grace, which starts at the last change of
 * the secret, is over.
 *
 * If the tag cannot be written, the replacement continues. Reconciliation may then delete the new
 * key on the platform. `replaceKey` stores the deleted key, sees that the platform does not know
 * it, and throws {@link ReplacementDeletedError}. A second run does not have this problem, because
 * the first run changed the secret: it stored the deleted key. So the grace has started again.
 */
export async function startGrace(
  { store, sleep, log, now }: Pick<ReplacementPorts, "store" | "sleep" | "log" | "now">,
  { arn, lastChangedAt }: SecretState,
): Promise<void> {
  try {
    await store.tag(arn, GRACE_TAG, new Date(now()).toISOString());
    await readUntil(
      () => store.describe(arn),
      (state) => state.lastChangedAt > lastChangedAt,
      { sleep },
    );
  } catch (error) {
    log("warn", `It is not known whether the grace has started again: ${messageOf(error)}`);
  }
}
