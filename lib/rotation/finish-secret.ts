import { parseCredentials } from "../keys/credentials-file.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { belongsToSecret, labelKey } from "../key-lifecycle/key-label.ts";
import { moveRuleBindings } from "../key-lifecycle/retire-key.ts";
import { readCurrent, readPending, type Rotation } from "./rotation.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { proveEqual } from "./test-secret.ts";
import { versionWith } from "../key-lifecycle/secret-store.ts";

/**
 * Makes the event's version current, then moves what is bound to the superseded key.
 *
 * The bindings follow the promotion: both keys work, so a rule may be bound to either; moved earlier, a rotation that is
 * given up would leave rules on a key that never becomes current. What is left undone here, reconciliation does before
 * it retires the superseded key.
 */
export async function finishSecret(rotation: Rotation): Promise<void> {
  const { store, secret, versionId, openKey, log } = rotation;
  const pending = await readPending(rotation);
  if (pending === undefined) {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} has no key, so it cannot become current.`,
    );
  }
  const next = await openKey(pending);
  const currentVersion = versionWith("AWSCURRENT", secret);

  if (currentVersion === versionId) {
    const previousVersion = versionWith("AWSPREVIOUS", secret);
    const previous =
      previousVersion === undefined ? undefined : await store.readVersion(secret.arn, previousVersion);
    if (previous === undefined) return;
    const { keyId } = parseCredentials(previous);
    if (keyId !== next.keyId) await moveRuleBindings(next.api, keyId, next.keyId, log);
    return;
  }

  const current = await readCurrent(rotation);
  if (current === undefined || currentVersion === undefined) {
    throw new KeyLifecycleError(`Secret ${secret.name} has no current version.`);
  }
  const superseded = await openKey(current);
  // Once more, at the last moment: what is promoted here is what every caller gets.
  await proveEqual(rotation, superseded, next);
  await takeOver(rotation, superseded, currentVersion);
  await store.moveStage(secret.arn, "AWSCURRENT", { from: currentVersion, to: versionId });
  log("info", `Key ${next.keyId} is current now; key ${superseded.keyId} is superseded.`, {
    key_id: next.keyId,
    superseded_key_id: superseded.keyId,
  });
  await moveRuleBindings(next.api, superseded.keyId, next.keyId, log);
}

/**
 * Puts our label on a key that was made elsewhere, before it ceases to be current: so that it can be told, and retired,
 * even when the next rotation has taken `AWSPREVIOUS` from it.
 */
async function takeOver(
  { secret, now, log }: Rotation,
  { api, keyId }: AccountKey,
  versionId: string,
): Promise<void> {
  const key = (await api.getKeys()).find(({ key_id }) => key_id === keyId);
  if (key === undefined || belongsToSecret(key, secret.arn)) return;
  try {
    await api.updateKey(keyId, labelKey(secret, versionId, now()));
  } catch (error) {
    if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
    log("warn", `Key ${keyId} may not be renamed: delete it by hand if it is reported as unknown later.`, {
      key_id: keyId,
      code: error.code,
    });
  }
}
