import { parseCredentials } from "../keys/credentials-file.ts";
import { KeyLifecycleError, putAKeyIn } from "../key-lifecycle/key-lifecycle-error.ts";
import { isUnknownKey } from "../key-lifecycle/settle.ts";
import type { VoximplantError } from "../voximplant/errors.ts";
import type { Rotation } from "./rotation.ts";

/** A key that the platform does not know for so long was deleted; a shorter silence may be the platform's slowness. */
const CERTAINLY_DELETED_MS = 10 * 60_000;

/**
 * The platform refused one of the two keys: which, and what now?
 *
 * A pending key that was deleted never comes back, and its version can hold no other. So the label is taken off it, and the
 * next rotation starts anew instead of failing for ever. Not before ten minutes have passed: a platform that is slow to
 * know a new key would end every rotation.
 */
export async function explainRefusal(rotation: Rotation, refusal: VoximplantError): Promise<Error> {
  const { store, secret, versionId, current, pending, openKey, serviceAccount, now } = rotation;
  if (current === undefined) return refusal;
  const { api, keyId: currentId } = await openKey(current.value);
  let keys;
  try {
    keys = await api.getKeys();
  } catch (error) {
    if (!isUnknownKey(error)) return refusal;
    return new KeyLifecycleError(
      `The platform refuses the current key ${currentId} of secret ${secret.name}: it was deleted, or this machine's clock ` +
        `is wrong. If it was deleted: ${putAKeyIn(serviceAccount.name)}`,
      { cause: refusal },
    );
  }
  if (pending === undefined) return refusal;
  const { keyId: pendingId } = parseCredentials(pending.value);
  if (keys.some(({ key_id }) => key_id === pendingId)) return refusal;
  if (!(now() - pending.createdAt >= CERTAINLY_DELETED_MS)) {
    return new KeyLifecycleError(
      `The platform does not know the new key ${pendingId} yet. The rotation goes on at its next try.`,
      { cause: refusal },
    );
  }
  await store.moveStage(secret.arn, "AWSPENDING", { from: versionId, to: undefined });
  return new KeyLifecycleError(
    `The new key ${pendingId} was deleted on the platform. Its version ${versionId} is no longer labelled AWSPENDING. ` +
      "Rotate again to get another key.",
    { cause: refusal },
  );
}
