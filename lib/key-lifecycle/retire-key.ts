import type { Log } from "../audit/log.ts";
import type { ManagementApi } from "../voximplant/methods.ts";
import { isRefusal } from "../voximplant/errors.ts";

/**
 * Binds to `to` every routing rule that is bound to `from`. May be repeated at any point.
 *
 * A service account without a role for rules can neither see nor bind them. That must not stop a rotation, and most
 * service accounts have no rule: so it is logged, with what to look at.
 */
export async function moveRuleBindings(
  api: ManagementApi,
  from: string,
  to: string,
  log: Log,
): Promise<void> {
  try {
    for (const { rule_id, rule_name } of await api.getRulesBoundTo(from)) {
      await api.bindRule(rule_id, to);
      log("info", `Rule ${rule_name} (${rule_id}) is bound to key ${to} now.`, { rule_id, from, to });
    }
  } catch (error) {
    if (isRefusal(error, "invalidKeyId")) return; // `from` is gone, and nothing can be bound to it
    if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
    log(
      "warn",
      `This service account may not see or change routing rules, so none was moved from key ${from} to key ${to}. ` +
        "If a rule is bound to the old key, bind it to the new one in the control panel before the old one is retired.",
      { from, to, code: error.code },
    );
  }
}

/** Deletes a key after moving what is bound to it. `absent`: another run was faster. */
export async function retireKey(
  api: ManagementApi,
  keyId: string,
  successor: string,
  log: Log,
): Promise<"deleted" | "absent"> {
  await moveRuleBindings(api, keyId, successor, log);
  return api.deleteKey(keyId);
}
