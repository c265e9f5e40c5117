import { ownRoles, roleNames } from "../key-lifecycle/roles.ts";
import type { Role } from "../voximplant/methods.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { readCurrent, readPending, type Rotation } from "./rotation.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";

/** Gives the pending key the roles of the current one: its own, since those inherited come with them. */
export async function setSecret(rotation: Rotation): Promise<void> {
  const { secret, versionId, openKey } = rotation;
  const [current, pending] = [await readCurrent(rotation), await readPending(rotation)];
  if (current === undefined || pending === undefined) {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} has no key: createSecret comes first.`,
    );
  }
  const { api, keyId: currentId } = await openKey(current);
  const { keyId: pendingId } = await openKey(pending);

  const wanted = ownRoles(await api.getKeyRoles(currentId));
  const held = ownRoles(await api.getKeyRoles(pendingId));
  const missing = wanted.filter(({ role_id }) => !has(held, role_id));
  const surplus = held.filter(({ role_id }) => !has(wanted, role_id));
  try {
    if (missing.length > 0)
      await api.setKeyRoles(
        pendingId,
        wanted.map(({ role_id }) => role_id),
      );
    if (surplus.length > 0)
      await api.removeKeyRoles(
        pendingId,
        surplus.map(({ role_id }) => role_id),
      );
  } catch (error) {
    if (!isRefusal(error, "authorizationFailed", "forbidden", "invalidRoleSet")) throw error;
    throw new KeyLifecycleError(
      `Key ${currentId} may not give its roles to the new key ${pendingId} (error ${error.code}). ` +
        `Give that key the roles ${roleNames(wanted)} in the control panel, under Service accounts; the rotation goes on at its next try.`,
      { cause: error },
    );
  }
}

function has(roles: readonly Role[], roleId: number): boolean {
  return roles.some(({ role_id }) => role_id === roleId);
}
