import { isRefusal } from "../voximplant/errors.ts";
import type { ManagementApi, Role } from "../voximplant/methods.ts";
import type { AccountKey } from "./account-key.ts";
import { KeyLifecycleError } from "./key-lifecycle-error.ts";
import { isUnknownKey, settle, type Waiting } from "./settle.ts";

/**
 * The tag of a secret that says which roles its key must have: role ids, separated by `:`. They are
 * not in the key's description, because a token that can give a key more roles can also change the
 * description.
 */
export const ROLES_TAG = "voximplant-token-vendor:roles";

export function rolesTag(roles: readonly Role[]): string {
  return ownRoles(roles)
    .map(({ role_id }) => role_id)
    .sort((one, other) => one - other)
    .join(":");
}

/** Without inherited roles, which are part of another role and cannot be set by themselves. */
export function ownRoles(roles: readonly Role[]): Role[] {
  return roles.filter(({ inherited }) => inherited !== true);
}

/** For messages: `Owner (1), Support (5)`. */
export function roleNames(roles: readonly Role[]): string {
  return roles.map(({ role_name, role_id }) => `${role_name} (${role_id})`).join(", ") || "none";
}

/**
 * Gives the new key the current key's own roles, and removes all others.
 *
 * @param api its calls are signed with the current key
 * @param advice what to do if the current key may not set the roles. In the message, it follows
 *   the list of the roles.
 * @throws KeyLifecycleError the current key may not set the roles of the new key
 */
export async function copyRoles(
  api: ManagementApi,
  currentId: string,
  newId: string,
  advice: string,
): Promise<void> {
  const wanted = ownRoles(await api.getKeyRoles(currentId));
  const present = ownRoles(await api.getKeyRoles(newId));
  const missing = wanted.filter((role) => !includes(present, role));
  const surplus = present.filter((role) => !includes(wanted, role));
  const ids = (roles: readonly Role[]) => roles.map(({ role_id }) => role_id);
  try {
    if (missing.length > 0) await api.setKeyRoles(newId, ids(wanted));
    if (surplus.length > 0) await api.removeKeyRoles(newId, ids(surplus));
  } catch (error) {
    if (!isRefusal(error, "authorizationFailed", "forbidden", "invalidRoleSet")) throw error;
    throw new KeyLifecycleError(
      `Key ${currentId} may not set the roles of the new key ${newId} (error ${error.code}). ` +
        `The roles are: ${roleNames(wanted)}. ${advice}`,
      { cause: error },
    );
  }
}

function includes(roles: readonly Role[], { role_id }: Role): boolean {
  return roles.some((role) => role.role_id === role_id);
}

/**
 * Verifies that the new key belongs to the same account as the current key and may call the same
 * methods. Waits up to a minute, because the platform may need time to know new keys and roles.
 *
 * @throws KeyLifecycleError they differ
 * @throws VoximplantError the platform refuses one of them
 */
export async function verifySameAccess(
  current: AccountKey,
  next: AccountKey,
  waiting: Waiting,
): Promise<void> {
  await settle(
    () => compareAccess(current, next),
    (error) => error instanceof KeyLifecycleError || isUnknownKey(error),
    waiting,
  );
}

async function compareAccess(current: AccountKey, next: AccountKey): Promise<void> {
  const [ofNext, ofCurrent] = [await next.api.getAccountInfo(), await current.api.getAccountInfo()];
  if (ofNext.account_id !== ofCurrent.account_id) {
    throw new KeyLifecycleError(
      `The new key belongs to account ${ofNext.account_id}, the current key to account ${ofCurrent.account_id}.`,
    );
  }
  const [after, before] = [new Set(ofNext.access_entries), new Set(ofCurrent.access_entries)];
  const lost = [...before].filter((entry) => !after.has(entry));
  const gained = [...after].filter((entry) => !before.has(entry));
  if (lost.length + gained.length === 0) return;
  throw new KeyLifecycleError(
    `The new key ${next.keyId} does not have the same access as the current key: ` +
      `it lacks ${lost.join(", ") || "nothing"}; it adds ${gained.join(", ") || "nothing"}. ` +
      "Compare the roles of both keys in the control panel, and try again.",
  );
}
