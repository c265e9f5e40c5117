import { noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { verifySameAccess } from "../key-lifecycle/roles.ts";
import type { Rotation } from "./rotation.ts";

/**
 * Verifies that the pending key can do exactly what the current one can.
 *
 * Secrets Manager also calls this step when a rotation schedule is set up, with a pending version that has no value: then
 * the current key is tried. A secret without any key passes, or the first deployment, which comes before the import, would
 * fail.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html (RotateImmediately)
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
