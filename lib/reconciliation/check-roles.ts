import { ownRoles, roleNames } from "../rotation/set-secret.ts";
import type { Finding } from "./finding.ts";
import { ROLES_TAG, rolesTag } from "./judge-keys.ts";
import type { AccountSurvey, Survey, SurveyPorts } from "./survey.ts";

/**
 * Compares the roles of the current keys with those written down on the secret. Whoever holds a token can probably call
 * `SetKeyRoles` (435 or not is unknown), and rotation would copy the roles it finds: so a change is told until an operator
 * accepts it (`voxtoken admin keys --accept-roles`) or undoes it. Without a tag, what is there now is written down.
 */
export async function checkRoles(
  { vault, log }: SurveyPorts,
  account: AccountSurvey,
  { secrets }: Survey,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { key, standing } of account.keys) {
    const held = secrets.find(
      ({ serviceAccount }) => standing.state === "current" && serviceAccount === standing.serviceAccount,
    );
    if (held === undefined) continue;
    const { serviceAccount, state } = held;
    // Asked again, because the list does not tell a key's own roles from those that come with them.
    const roles = ownRoles(await account.members[0].key.api.getKeyRoles(key.key_id));
    const [expected, actual] = [state.tags.get(ROLES_TAG), rolesTag(roles)];
    if (expected === undefined) {
      await vault.tag(state.arn, ROLES_TAG, actual);
      log("info", `Roles of ${serviceAccount} written down: ${roleNames(roles)}.`, { serviceAccount });
    } else if (expected !== actual) {
      findings.push({
        reason: "roles_changed",
        action: "reported",
        serviceAccount,
        key,
        detail:
          `The key has the roles ${roleNames(roles)}; written down are the role ids ${expected || "(none)"}. ` +
          `If this was on purpose, \`voxtoken admin keys --accept-roles ${serviceAccount}\`; otherwise somebody has changed ` +
          "what its tokens may do: see docs/keys.md.",
      });
    }
  }
  return findings;
}
