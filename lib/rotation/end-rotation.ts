import { parseCredentials } from "../keys/credentials-file.ts";
import { KeyLifecycleError, putAKeyIn } from "../key-lifecycle/key-lifecycle-error.ts";
import { isBeingReplicated, type SecretState, type SecretStore } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey } from "../key-lifecycle/settle.ts";
import type { VoximplantError } from "../voximplant/errors.ts";
import type { Rotation } from "./rotation.ts";

/**
 * While the version of a pending key is younger than this, the key may be unknown to the platform
 * because it is new, and not because it was deleted.
 */
const CERTAINLY_DELETED_MS = 10 * 60_000;

/**
 * Finds which of the two keys the platform refused, and explains what to do.
 *
 * A pending key that was deleted never comes back, and its version can hold no other key. So
 * AWSPENDING is taken off the version, and the next rotation makes a new key. Without this, every
 * attempt fails. But while the version is younger than ten minutes, it keeps the label. Otherwise a
 * platform that is slow to know a new key would end every rotation.
 */
export async function explainRefusal(rotation: Rotation, refusal: VoximplantError): Promise<Error> {
  const { store, secret, versionId, current, pending, openKey, serviceAccount, now } = rotation;
  const explained = (message: string) => new KeyLifecycleError(message, { cause: refusal });
  if (current === undefined) return refusal;
  const { api, keyId: currentId } = await openKey(current.value);
  let keys;
  try {
    keys = await api.getKeys();
  } catch (error) {
    if (!isUnknownKey(error)) return refusal;
    return explained(
      `The platform refuses the current key ${currentId} of secret ${secret.name}: the key was deleted, or this ` +
        `machine's clock is wrong. If it was deleted: ${putAKeyIn(serviceAccount.name)}`,
    );
  }
  if (pending === undefined) return refusal;
  const { keyId: pendingId } = parseCredentials(pending.value);
  if (keys.some(({ key_id }) => key_id === pendingId)) return refusal;
  if (!(now() - pending.createdAt >= CERTAINLY_DELETED_MS)) {
    return explained(
      `The platform does not know the new key ${pendingId} yet. The next attempt continues the rotation.`,
    );
  }
  const ended = await endRotation(store, secret, versionId);
  return explained(`The new key ${pendingId} was deleted on the platform. ${ended}`);
}

/**
 * Ends a rotation that cannot succeed: takes AWSPENDING off its version, because the next
 * `RotateSecret` would continue with this version. While a replica is written, the label stays, and
 * the next attempt takes it off: see dropPending in store-current.ts.
 *
 * @returns what was done, and what to do, for the error of the step
 */
export async function endRotation(
  store: SecretStore,
  { arn }: SecretState,
  versionId: string,
): Promise<string> {
  // Described again, because the step may have changed the secret since it began.
  if (isBeingReplicated(await store.describe(arn)))
    return (
      `Version ${versionId} keeps the label AWSPENDING for now, because the secret is being copied to other ` +
      "regions. The next attempt takes it off."
    );
  await store.moveStage(arn, "AWSPENDING", { from: versionId, to: undefined });
  return `Version ${versionId} is no longer labelled AWSPENDING. Rotate again to get another key.`;
}
