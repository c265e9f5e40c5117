import { noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { verifySameAccess } from "../key-lifecycle/roles.ts";
import type { Rotation } from "./rotation.ts";

/**
 * Verifies that the pending key has exactly the access of the current key.
 *
 * Secrets Manager also calls this step when a rotation schedule is set up, with a pending version
 * without a value. Then the current key is tried. A secret without any key passes. Otherwise the
 * first deployment fails, because it comes before the import.
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
