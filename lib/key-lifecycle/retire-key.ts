import type { Log } from "../audit/log.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { ManagementApi } from "../voximplant/methods.ts";
import type { AccountKey } from "./account-key.ts";
import { KeyLifecycleError } from "./key-lifecycle-error.ts";
import { keyIdsIn, type SecretSnapshot } from "./snapshot.ts";

/**
 * How many rules were moved, or `not-permitted`: the service account may not see routing rules, so
 * some may be left.
 */
type RulesOutcome = number | "not-permitted";

/**
 * Finds every routing rule that is bound to one of the other keys, and binds the rule to the
 * current key. Safe to repeat. Must run before every deletion of a key: if a rule is bound to a
 * deleted key, the scenarios of the rule fail.
 *
 * A service account without a role for rules cannot see them. Most service accounts have no rule,
 * so this is not an error: the log says what to look at.
 *
 * @param keyIds keys that the platform lists
 * @param checkTime throws if no more time is left
 * @throws KeyLifecycleError the service account may see a rule, but may not bind it
 */
export async function moveRules(
  api: ManagementApi,
  keyIds: readonly string[],
  currentId: string,
  log: Log,
  checkTime?: () => void,
): Promise<RulesOutcome> {
  let moved = 0;
  for (const from of keyIds) {
    if (from === currentId) continue;
    try {
      moved += await moveRulesOf(api, from, currentId, log, checkTime);
    } catch (error) {
      if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
      log(
        "warn",
        `This service account may not see routing rules (error ${error.code}). ` +
          `If a rule is bound to key ${keyIds.join(" or ")}, bind it to key ${currentId} in the control panel.`,
        { from: keyIds.join(" "), to: currentId, code: error.code },
      );
      return "not-permitted";
    }
  }
  return moved;
}

async function moveRulesOf(
  api: ManagementApi,
  from: string,
  to: string,
  log: Log,
  checkTime?: () => void,
): Promise<number> {
  const rules = await api.getRulesBoundTo(from, checkTime).catch(async (error: unknown) => {
    if (!isRefusal(error, "invalidKeyId")) throw error;
    // Either `from` does not exist, so no rule is found by it, or the platform refuses the caller's
    // own key. In the second case this call fails too.
    await api.getAccountInfo();
    return [];
  });
  for (const { rule_id, rule_name } of rules) {
    await api.bindRule(rule_id, to).catch((error: unknown) => {
      if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
      throw new KeyLifecycleError(
        `This service account may not bind rule ${rule_name} (${rule_id}) to key ${to} (error ${error.code}). ` +
          "Bind it in the control panel.",
        { cause: error },
      );
    });
    log("info", `Rule ${rule_name} (${rule_id}) is now bound to key ${to}.`, { rule_id, from, to });
  }
  return rules.length;
}

/**
 * Calls {@link moveRules} for every listed key of the secret, except the current one. The previous
 * key alone does not suffice, because AWSCURRENT may have moved outside a rotation.
 *
 * @returns the ids of these other keys
 */
export async function moveAllRules(
  secret: SecretSnapshot,
  { api, keyId: currentId }: AccountKey,
  log: Log,
): Promise<string[]> {
  const inSecret = keyIdsIn([secret]);
  const listed = (await api.getKeys()).map(({ key_id }) => key_id);
  const others = listed.filter((keyId) => inSecret.has(keyId) && keyId !== currentId);
  await moveRules(api, others, currentId, log);
  return others;
}
