import type { Log } from "../audit/log.ts";
import type { ManagementApi } from "../voximplant/methods.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { SecretSnapshot } from "./snapshot.ts";

/** `not-permitted`: the service account has no role for routing rules, so none was looked at. */
export type RulesOutcome = "moved" | "not-permitted";

/**
 * Binds to the current key every routing rule that is bound to one of the others. May be repeated at
 * any point. Comes before every deletion: a rule that is bound to a deleted key fails its scenarios.
 *
 * A service account without a role for rules can neither see nor bind them. Most service accounts
 * have no rule, so this stops nothing; the log says what to look at.
 *
 * @param keyIds keys that the platform lists
 */
export async function moveRules(
  api: ManagementApi,
  keyIds: readonly string[],
  currentId: string,
  log: Log,
): Promise<RulesOutcome> {
  for (const from of keyIds) {
    if (from === currentId) continue;
    try {
      await moveRulesOf(api, from, currentId, log);
    } catch (error) {
      if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
      log(
        "warn",
        `This service account may not see or change routing rules (error ${error.code}). ` +
          `If a rule is bound to key ${keyIds.join(" or ")}, bind it to key ${currentId} in the control panel.`,
        { from: keyIds.join(" "), to: currentId, code: error.code },
      );
      return "not-permitted";
    }
  }
  return "moved";
}

async function moveRulesOf(api: ManagementApi, from: string, to: string, log: Log): Promise<void> {
  try {
    for (const { rule_id, rule_name } of await api.getRulesBoundTo(from)) {
      await api.bindRule(rule_id, to);
      log("info", `Rule ${rule_name} (${rule_id}) is now bound to key ${to}.`, { rule_id, from, to });
    }
  } catch (error) {
    if (!isRefusal(error, "invalidKeyId")) throw error;
    // Either `from` is gone, and no rule can be found by it, or the platform refuses the key that asks.
    await api.getAccountInfo();
  }
}

/** The keys of a secret that the platform lists, but for one: those whose rules belong to that one. */
export function otherKeys(
  { keys }: SecretSnapshot,
  listed: readonly { readonly key_id: string }[],
  currentId: string,
): string[] {
  const own = new Set([...keys.values()].map(({ keyId }) => keyId));
  return listed.map(({ key_id }) => key_id).filter((keyId) => own.has(keyId) && keyId !== currentId);
}
