import type { EpochMs } from "../epoch.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { moveRules } from "../key-lifecycle/retire-key.ts";
import type { ReplacementPorts } from "./replace-key.ts";

/**
 * Binds the routing rules of a leaked key to the current key of the service account.
 *
 * @param current undefined if the service account has no other key
 * @param leaked undefined if no secret holds the leaked key
 * @param deadline after this time, no more rules are read. Otherwise, in an account with many
 *   Voximplant applications, the revocation might end before it deletes the leaked key
 * @returns what was done, for people
 * @throws KeyLifecycleError rules may be left
 */
export async function moveRulesOff(
  { log, now }: Pick<ReplacementPorts, "log" | "now">,
  keyId: string,
  current: AccountKey | undefined,
  leaked: AccountKey | undefined,
  deadline: EpochMs,
): Promise<string> {
  if (current === undefined)
    throw new KeyLifecycleError(
      "There is no new key, so routing rules that are bound to the leaked key stay bound to it.",
    );
  const isSameAccount =
    leaked === undefined
      ? (await current.api.getKeys()).some(({ key_id }) => key_id === keyId)
      : leaked.accountId === current.accountId;
  if (!isSameAccount)
    throw new KeyLifecycleError(
      (leaked === undefined
        ? `Account ${current.accountId} of the current key does not list the leaked key. `
        : `The current key is of account ${current.accountId}, but the leaked key is not. `) +
        "So rules cannot move to the current key.",
    );
  const moved = await moveRules(current.api, [keyId], current.keyId, log, () => {
    if (now() >= deadline) throw new KeyLifecycleError("Reading the routing rules took too long.");
  });
  if (moved === "not-permitted")
    return `not moved, because key ${current.keyId} has no role for routing rules: check the rules in the control panel`;
  if (moved === 0) return "found no routing rule that is bound to the leaked key";
  return `${moved === 1 ? "1 rule is" : `${moved} rules are`} now bound to key ${current.keyId}`;
}
