import { moveRules, otherKeys } from "../key-lifecycle/retire-key.ts";
import { verifySameAccess } from "../key-lifecycle/roles.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { bothVersions, type Rotation } from "./rotation.ts";

/**
 * Makes the event's version current, then moves the rules that are bound to any other key of the secret.
 *
 * The rules follow the promotion: both keys work, so a rule may be bound to either; moved earlier, a rotation that is
 * given up would leave rules on a key that never becomes current. What is left undone here, reconciliation does before it
 * deletes a superseded key.
 *
 * AWSCURRENT is moved by one call, and AWSPENDING is left as AWS leaves it: a second call for that label has left
 * replication stuck (https://github.com/square/password-rotation-lambda/pull/12).
 */
export async function finishSecret(rotation: Rotation): Promise<void> {
  const { store, secret, versionId, openKey, sleep, log } = rotation;
  const { current, pending } = bothVersions(rotation);
  const next = await openKey(pending.value);
  if (current.versionId !== versionId) {
    const superseded = await openKey(current.value);
    // Once more, at the last moment: what is promoted here is what every caller gets.
    await verifySameAccess(superseded, next, { sleep });
    await store.moveStage(secret.arn, "AWSCURRENT", { from: current.versionId, to: versionId });
    log("info", `Key ${next.keyId} is current now; key ${superseded.keyId} is superseded.`, {
      key_id: next.keyId,
      superseded_key_id: superseded.keyId,
    });
  }
  await moveRulesTo(rotation, next);
}

/** From every key of the secret that the platform still has: AWSCURRENT may have moved outside a rotation before. */
async function moveRulesTo(
  { readSecret, serviceAccount, log }: Rotation,
  { api, keyId }: AccountKey,
): Promise<void> {
  const snapshot = await readSecret(serviceAccount);
  await moveRules(api, otherKeys(snapshot, await api.getKeys(), keyId), keyId, log);
}
