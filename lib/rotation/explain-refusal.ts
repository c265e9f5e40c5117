import { parseCredentials } from "../keys/credentials-file.ts";
import { isRefusal, type VoximplantError } from "../voximplant/errors.ts";
import { readCurrent, readPending, type Rotation } from "./rotation.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";

/**
 * The platform refused one of the two keys: which, and what now?
 *
 * A pending key that is gone from the account never comes back, and its version can hold no other: so the label is taken
 * off it, and the next rotation starts anew instead of failing for ever.
 */
export async function explainRefusal(rotation: Rotation, refusal: VoximplantError): Promise<Error> {
  const { store, secret, versionId, openKey, serviceAccount } = rotation;
  const [current, pending] = [await readCurrent(rotation), await readPending(rotation)];
  if (current === undefined) return refusal;
  const { api, keyId: currentId } = await openKey(current);
  let keys;
  try {
    keys = await api.getKeys();
  } catch (error) {
    if (!isRefusal(error, "authorizationFailed", "invalidKeyId")) return refusal;
    return new KeyLifecycleError(
      `The platform refuses the current key ${currentId} of secret ${secret.name}: it was deleted, or this machine's clock is wrong. ` +
        `If it was deleted, put in another with \`voxtoken admin import\` or \`bootstrap --service-account ${serviceAccount.name}\`.`,
      { cause: refusal },
    );
  }
  const pendingId = pending === undefined ? undefined : parseCredentials(pending).keyId;
  if (pendingId === undefined || keys.some(({ key_id }) => key_id === pendingId)) return refusal;

  await store.moveStage(secret.arn, "AWSPENDING", { from: versionId, to: undefined });
  return new KeyLifecycleError(
    `The new key ${pendingId} has been deleted on the platform. Its version ${versionId} is no longer pending; ` +
      "the next rotation makes another key.",
    { cause: refusal },
  );
}
