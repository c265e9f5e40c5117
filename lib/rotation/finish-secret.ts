import { moveAllRules } from "../key-lifecycle/retire-key.ts";
import { verifySameAccess } from "../key-lifecycle/roles.ts";
import { bothVersions, type Rotation } from "./rotation.ts";

/**
 * Makes the event's version current, then moves the rules that are bound to any other key of the
 * secret.
 *
 * Rules move after the promotion. Otherwise a rotation that is given up leaves rules on a key that
 * never becomes current. If rules are left here, reconciliation moves them before it deletes a
 * superseded key.
 *
 * AWSCURRENT is moved in one call, and AWSPENDING stays as AWS leaves it. A second call has left
 * replication stuck (https://github.com/square/password-rotation-lambda/pull/12).
 */
export async function finishSecret(rotation: Rotation): Promise<void> {
  const { store, readSecret, serviceAccount, secret, versionId, openKey, sleep, log } = rotation;
  const { current, pending } = bothVersions(rotation);
  const next = await openKey(pending.value);
  if (current.versionId !== versionId) {
    const superseded = await openKey(current.value);
    // Roles may have changed since testSecret, and every caller gets tokens of this key next.
    await verifySameAccess(superseded, next, { sleep });
    await store.moveStage(secret.arn, "AWSCURRENT", { from: current.versionId, to: versionId });
    log("info", `Key ${next.keyId} is now current; key ${superseded.keyId} is superseded.`, {
      key_id: next.keyId,
      superseded_key_id: superseded.keyId,
    });
  }
  await moveAllRules(await readSecret(serviceAccount), next, log);
}
