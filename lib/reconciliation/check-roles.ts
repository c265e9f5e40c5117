import type { ServiceAccount } from "../grants/policy.ts";
import { noKeyYet, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { ownRoles, roleNames, ROLES_TAG, rolesTag } from "../key-lifecycle/roles.ts";
import type { HeldSecret } from "../key-lifecycle/held-secret.ts";
import type { Key, Role } from "../voximplant/methods.ts";
import { type Finding, notExamined } from "./finding.ts";
import {
  type AccountSurvey,
  type Member,
  openCurrent,
  type Survey,
  type SurveyPorts,
} from "../key-lifecycle/survey.ts";

/**
 * Compares the roles of the current keys with those written down on the secret. Whoever holds a token can probably call
 * `SetKeyRoles` (435 or not is unknown), and rotation would copy the roles it finds: so a change is told until an operator
 * accepts it (`voxtoken admin keys --accept-roles`) or undoes it. Without a tag, what is there now is written down.
 */
export async function checkRoles(
  ports: SurveyPorts,
  account: AccountSurvey,
  { secrets }: Survey,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { key, standing } of account.keys) {
    const held = secrets.find(
      ({ serviceAccount }) => standing.state === "current" && serviceAccount === standing.serviceAccount,
    );
    if (held === undefined) continue;
    try {
      const finding = await compareRoles(ports, account.members[0], held, key);
      if (finding !== undefined) findings.push(finding);
    } catch (error) {
      findings.push(notExamined({ serviceAccount: held.serviceAccount, error }));
    }
  }
  return findings;
}

async function compareRoles(
  { store, log }: SurveyPorts,
  lister: Member,
  { serviceAccount, state }: HeldSecret,
  key: Key,
): Promise<Finding | undefined> {
  const roles = await readRoles(lister, key.key_id);
  const expected = state.tags.get(ROLES_TAG);
  if (expected === rolesTag(roles)) return undefined;
  if (expected === undefined) {
    await store.tag(state.arn, ROLES_TAG, rolesTag(roles));
    log("info", `Roles of ${serviceAccount} written down: ${roleNames(roles)}.`, { serviceAccount });
    return undefined;
  }
  return {
    reason: "roles_changed",
    action: "reported",
    serviceAccount,
    key,
    detail:
      `The key has the roles ${roleNames(roles)}; written down are the role ids ${expected || "(none)"}. ` +
      `If this was on purpose, \`voxtoken admin keys --accept-roles ${serviceAccount}\`; otherwise somebody has changed ` +
      "what its tokens may do: see docs/keys.md.",
  };
}

/** Writes down the roles that the current key has now, because an operator says that they are right. */
export async function acceptRoles(
  { store, openKey }: SurveyPorts,
  { name, secret }: ServiceAccount,
): Promise<readonly Role[]> {
  const state = await store.describe(secret);
  const key = await openCurrent({ store, openKey }, state);
  if (key === undefined) throw new KeyLifecycleError(noKeyYet(secret, name));
  const roles = await readRoles({ key }, key.keyId);
  await store.tag(state.arn, ROLES_TAG, rolesTag(roles));
  return roles;
}

/** Asked one by one, because the list of keys does not tell a key's own roles from those that come with them. */
async function readRoles({ key }: Pick<Member, "key">, keyId: string): Promise<readonly Role[]> {
  return ownRoles(await key.api.getKeyRoles(keyId));
}
