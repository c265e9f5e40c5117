import { type Policy, wrongAccount } from "../grants/policy.ts";
import { currentKey, isComplete } from "../key-lifecycle/snapshot.ts";
import type { Snapshot } from "../key-lifecycle/take-snapshot.ts";

/**
 * Why a key may be the last one that works for a service account. Undefined: in this run, the
 * platform accepted the current key of `owner`, and the current key of every other secret that
 * holds the key `keyId`. A secret with a version that cannot be read counts as one that holds the
 * key, because it may hold it.
 */
export function whyLast(
  { secrets, accounts, refused }: Snapshot,
  { serviceAccounts }: Policy,
  { keyId, owner }: { readonly keyId: string; readonly owner: string | undefined },
): string | undefined {
  for (const secret of secrets) {
    const { serviceAccount, keys } = secret;
    const mayHoldKey = !isComplete(secret) || [...keys.values()].some((key) => key.keyId === keyId);
    if (serviceAccount !== owner && !mayHoldKey) continue;

    const current = currentKey(secret);
    if (current === undefined) {
      // The secret has never had a key, so nothing depends on a stray that is named for it.
      if (keys.size === 0 && isComplete(secret)) continue;
      return `the secret of ${serviceAccount} has no current version that can be read`;
    }
    const account = accounts.find(({ accountId }) => accountId === current.accountId);
    if (account?.keys.some(({ key }) => key.key_id === current.keyId) !== true)
      return `the platform does not list the current key ${current.keyId}`;
    if (refused.has(current.keyId)) return `the platform refuses the current key ${current.keyId}`;
    if (!account.accepted.has(current.keyId)) return `the current key ${current.keyId} could not be tried`;
    const expected = serviceAccounts.find(({ name }) => name === serviceAccount);
    const wrong = expected && wrongAccount(expected, current);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
