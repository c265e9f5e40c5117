import type { Log } from "../audit/log.ts";
import type { ManagementApi } from "../voximplant/methods.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { SecretSnapshot } from "./snapshot.ts";

/**
 * Binds to the current key every routing rule that is bound to one of the others. May be repeated at any point. A rule
 * stays bound to a key that is deleted, and its scenarios fail: so this comes before every deletion.
 *
 * A service account without a role for rules can neither see nor bind them. That must not stop a rotation, and most
 * service accounts have no rule: so it is logged, with what to look at.
 *
 * @param keyIds keys that the platform lists
 */
export async function moveRules(
  api: ManagementApi,
  keyIds: readonly string[],
  currentId: string,
  log: Log,
): Promise<void> {
  for (const keyId of keyIds) {
    if (keyId !== currentId) await moveRulesOf(api, keyId, currentId, log);
  }
}

async function moveRulesOf(api: ManagementApi, from: string, to: string, log: Log): Promise<void> {
  try {
    for (const { rule_id, rule_name } of await api.getRulesBoundTo(from)) {
      await api.bindRule(rule_id, to);
      log("info", `Rule ${rule_name} (${rule_id}) is now bound to key ${to}.`, { rule_id, from, to });
    }
  } catch (error) {
    if (isRefusal(error, "invalidKeyId")) {
      // Either `from` is gone, and no rule can be found by it, or the platform refuses the key that asks.
      await api.getAccountInfo();
      return;
    }
    if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
    log(
      "warn",
      `This service account may not see or change routing rules, so none was moved from key ${from} to key ${to}. ` +
        "If a rule is bound to the old key, bind it to the new one in the control panel before the old one is deleted.",
      { from, to, code: error.code },
    );
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
