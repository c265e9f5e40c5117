import type { Role } from "../voximplant/methods.ts";

/**
 * The tag of a secret that says which roles its key is to have: role ids, `:` between them. On the secret rather than on
 * the key, since whoever can give a key more roles can rewrite its description.
 */
export const ROLES_TAG = "voximplant-token-vendor:roles";

export function rolesTag(roles: readonly Role[]): string {
  return ownRoles(roles)
    .map(({ role_id }) => role_id)
    .sort((one, other) => one - other)
    .join(":");
}

/** Without those that come through another role, and cannot be set by themselves. */
export function ownRoles(roles: readonly Role[]): Role[] {
  return roles.filter(({ inherited }) => inherited !== true);
}

/** For messages: `Admin (1), Support (4)`. */
export function roleNames(roles: readonly Role[]): string {
  return roles.map(({ role_name, role_id }) => `${role_name} (${role_id})`).join(", ") || "none";
}
