import type { ServiceAccount } from "../grants/policy.ts";
import { KeyLifecycleError, noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { ownRoles, roleNames, ROLES_TAG, rolesTag } from "../key-lifecycle/roles.ts";
import { currentKey, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { AccountSnapshot, SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import type { ManagementApi, Role } from "../voximplant/methods.ts";
import { type Finding, notExamined } from "./finding.ts";

/**
 * Compares the roles of the current keys with those written down on the secret. A token can probably call `SetKeyRoles`,
 * and a rotation would copy the roles it finds: so a change is reported until an operator accepts it
 * (`voxtoken admin keys --accept-roles`) or undoes it. Without a tag, the roles of this moment are written down.
 */
export async function checkRoles(
  ports: SnapshotPorts,
  { accountId, keys, lister }: AccountSnapshot,
  secrets: readonly SecretSnapshot[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const secret of secrets) {
    const current = currentKey(secret);
    const listed = keys.find(({ key }) => key.key_id === current?.keyId);
    if (current?.accountId !== accountId || listed === undefined) continue;
    try {
      const roles = await readRoles(lister.api, current.keyId);
      const change = await compareRoles(ports, secret, roles);
      if (change !== undefined) findings.push({ ...change, key: listed.key });
    } catch (error) {
      findings.push(notExamined({ serviceAccount: secret.serviceAccount, error }));
    }
  }
  return findings;
}

async function compareRoles(
  { store, log }: SnapshotPorts,
  { serviceAccount, state }: SecretSnapshot,
  roles: readonly Role[],
): Promise<Finding | undefined> {
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
    detail:
      `The key has the roles ${roleNames(roles)}; written down are the role ids ${expected || "(none)"}. If this was on ` +
      `purpose: \`voxtoken admin keys --accept-roles ${serviceAccount}\`. Otherwise someone changed what its tokens may do: ` +
      "docs/runbook.md#roles-changed.",
  };
}

/** Writes down the roles that the current key has now, because an operator says that they are right. */
export async function acceptRoles(
  { store, openKey }: Pick<SnapshotPorts, "store" | "openKey">,
  { name, secret }: ServiceAccount,
): Promise<readonly Role[]> {
  const { arn } = await store.describe(secret);
  const version = await store.readCurrent(arn);
  if (version === undefined) throw new KeyLifecycleError(noKeyYet(secret, name));
  const { api, keyId } = await openKey(version.value);
  const roles = await readRoles(api, keyId);
  await store.tag(arn, ROLES_TAG, rolesTag(roles));
  return roles;
}

/** Asked key by key, because the list of keys does not tell a key's own roles from those that come with them. */
async function readRoles(api: ManagementApi, keyId: string): Promise<readonly Role[]> {
  return ownRoles(await api.getKeyRoles(keyId));
}
