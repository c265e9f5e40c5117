import { currentKey, type HeldSecret } from "../key-lifecycle/held-secret.ts";
import type { Key } from "../voximplant/methods.ts";

/** The secrets of this account whose current key the platform does not have: their tokens are refused. */
export function missingKeys(
  accountId: number,
  keys: readonly Key[],
  secrets: readonly HeldSecret[],
): { readonly serviceAccount: string; readonly keyId: string }[] {
  return secrets.flatMap((secret) => {
    const held = currentKey(secret);
    const isMissing = held?.accountId === accountId && !keys.some(({ key_id }) => key_id === held.keyId);
    return isMissing ? [{ serviceAccount: secret.serviceAccount, keyId: held.keyId }] : [];
  });
}
