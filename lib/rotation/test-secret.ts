import { isRefusal } from "../voximplant/errors.ts";
import { SETTLING_PAUSES_MS } from "../key-lifecycle/settle.ts";
import { readCurrent, readPending, type Rotation } from "./rotation.ts";
import { noKeyYet, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";

/**
 * Proves that the pending key can do exactly what the current one can.
 *
 * Secrets Manager also calls this step when a rotation schedule is set up, with a pending version that nothing was put
 * into: then the current key is tried. A secret without any key passes, or the first deployment, which comes before the
 * import, would fail.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html (RotateImmediately)
 */
export async function testSecret(rotation: Rotation): Promise<void> {
  const { secret, openKey, serviceAccount, log } = rotation;
  const [current, pending] = [await readCurrent(rotation), await readPending(rotation)];
  if (current === undefined) {
    log("warn", noKeyYet(secret.name, serviceAccount.name), { secret: secret.name });
    return;
  }
  const currentKey = await openKey(current);
  if (pending === undefined) await currentKey.api.getAccountInfo();
  else await proveEqual(rotation, currentKey, await openKey(pending));
}

/** @throws KeyLifecycleError the keys are not equal; VoximplantError one of them is refused. */
export async function proveEqual(
  { sleep }: Rotation,
  current: AccountKey,
  pending: AccountKey,
): Promise<void> {
  for (const pause of SETTLING_PAUSES_MS) {
    try {
      await compare(current, pending);
      return;
    } catch (error) {
      const mayPass =
        error instanceof KeyLifecycleError || isRefusal(error, "authorizationFailed", "invalidKeyId");
      if (!mayPass) throw error;
      await sleep(pause);
    }
  }
  await compare(current, pending);
}

async function compare(current: AccountKey, pending: AccountKey): Promise<void> {
  const [is, was] = [await pending.api.getAccountInfo(), await current.api.getAccountInfo()];
  if (is.account_id !== was.account_id) {
    throw new KeyLifecycleError(
      `The new key is of account ${is.account_id}, the current one of ${was.account_id}.`,
    );
  }
  const [may, might] = [new Set(is.access_entries), new Set(was.access_entries)];
  const lost = [...might].filter((entry) => !may.has(entry));
  const gained = [...may].filter((entry) => !might.has(entry));
  if (lost.length + gained.length > 0) {
    throw new KeyLifecycleError(
      `The new key ${pending.keyId} may not do the same as the current one: ` +
        `it lacks ${lost.join(", ") || "nothing"}; it adds ${gained.join(", ") || "nothing"}. ` +
        "Compare the roles of both in the control panel; the rotation goes on at its next try.",
    );
  }
}
