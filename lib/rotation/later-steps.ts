import { KeyLifecycleError, noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { moveAllRules } from "../key-lifecycle/retire-key.ts";
import { copyRoles, verifySameAccess } from "../key-lifecycle/roles.ts";
import type { SecretVersion } from "../key-lifecycle/secret-store.ts";
import type { Rotation } from "./rotation.ts";

/** Gives the pending key the current key's own roles. Inherited roles come with them. */
export async function setSecret(rotation: Rotation): Promise<void> {
  const { openKey } = rotation;
  const { current, pending } = bothVersions(rotation);
  const { api, keyId: currentId } = await openKey(current.value);
  const { keyId: pendingId } = await openKey(pending.value);
  const advice =
    "In the control panel, under Service accounts, give the new key exactly these roles. Then try again.";
  await copyRoles(api, currentId, pendingId, advice);
}

/**
 * Verifies that the pending key has exactly the access of the current key.
 *
 * Secrets Manager also calls this step when a rotation schedule is set up, with a pending version
 * without a value. Then the current key is tried. A secret without any key passes. If it
 * did not, the first deployment would fail, because it comes before the import.
 *
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 *   (RotateImmediately)
 */
export async function testSecret(rotation: Rotation): Promise<void> {
  const { secret, openKey, serviceAccount, current, pending, sleep, log } = rotation;
  if (current === undefined) {
    log("warn", noKeyYet(secret.name, serviceAccount.name), { secret: secret.name });
    return;
  }
  const currentKey = await openKey(current.value);
  if (pending === undefined) await currentKey.api.getAccountInfo();
  else await verifySameAccess(currentKey, await openKey(pending.value), { sleep });
}

/**
 * Makes the event's version current, then moves the rules that are bound to any other key of the
 * secret.
 *
 * Rules move after the promotion. Otherwise a rotation that is abandoned leaves rules on a key that
 * never becomes current. If rules are left here, reconciliation moves them before it deletes a
 * superseded key.
 *
 * AWSCURRENT is moved in one call, and AWSPENDING stays as AWS leaves it. A second call, which
 * takes AWSPENDING off, can leave replication stuck
 * (https://github.com/square/password-rotation-lambda/pull/12).
 */
export async function finishSecret(rotation: Rotation): Promise<void> {
  const { store, readSecret, serviceAccount, secret, versionId, openKey, sleep, log } = rotation;
  const { current, pending } = bothVersions(rotation);
  const next = await openKey(pending.value);
  if (current.versionId !== versionId) {
    const superseded = await openKey(current.value);
    // Roles may have changed since testSecret, and from now on callers get tokens of the new key.
    await verifySameAccess(superseded, next, { sleep });
    // The platform may accept tokens of a deleted key for some seconds. So getKeyRoles is called
    // too: it fails for a deleted key.
    await superseded.api.getKeyRoles(next.keyId);
    await store.moveStage(secret.arn, "AWSCURRENT", { from: current.versionId, to: versionId });
    log("info", `Key ${next.keyId} is now current; key ${superseded.keyId} is superseded.`, {
      key_id: next.keyId,
      superseded_key_id: superseded.keyId,
    });
  }
  await moveAllRules(await readSecret(serviceAccount), next, log).catch((error: unknown) => {
    // A service account that may not bind rules: no repetition of this step helps.
    if (!(error instanceof KeyLifecycleError)) throw error;
    log("warn", error.message, { key_id: next.keyId });
  });
}

/** @throws KeyLifecycleError the current or the pending version has no key */
function bothVersions({ current, pending, secret, versionId, serviceAccount }: Rotation): {
  current: SecretVersion;
  pending: SecretVersion;
} {
  if (current === undefined) throw new KeyLifecycleError(noKeyYet(secret.name, serviceAccount.name));
  if (pending === undefined) {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} has no key. createSecret must run first.`,
    );
  }
  return { current, pending };
}
