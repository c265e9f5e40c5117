import type { ServiceAccount } from "../grants/policy.ts";
import { KeyLifecycleError, noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { ownRoles, roleNames, ROLES_TAG, rolesTag } from "../key-lifecycle/roles.ts";
import { currentKey, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { AccountSnapshot, SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import type { ManagementApi, Role } from "../voximplant/methods.ts";
import { type Finding, notExamined, reported } from "./finding.ts";

/**
 * Compares the roles of the current keys with the roles recorded on the secret. A token can
 * probably call `SetKeyRoles`, and a rotation copies the roles that it finds. So a change is
 * reported until an operator accepts it (`voxtoken admin keys --accept-roles`) or undoes it. If the
 * secret has no tag, the present roles are recorded.
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
    log("info", `Recorded the roles of ${serviceAccount}: ${roleNames(roles)}.`, { serviceAccount });
    return undefined;
  }
  return reported(
    "roles_changed",
    serviceAccount,
    `The key has the roles ${roleNames(roles)}, but the recorded role ids are ${expected || "(none)"}. If this ` +
      `change was intended, accept it with \`voxtoken admin keys --accept-roles ${serviceAccount}\`. Otherwise ` +
      "someone changed what its tokens may do: see docs/runbook.md#roles-changed.",
  );
}

/** Records the present roles of the current key, after an operator has confirmed them. */
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

/** One call per key, because the list of keys may not say which roles are inherited. */
async function readRoles(api: ManagementApi, keyId: string): Promise<readonly Role[]> {
  return ownRoles(await api.getKeyRoles(keyId));
}
