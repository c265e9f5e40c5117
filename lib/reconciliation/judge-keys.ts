import type { ServiceAccount } from "../grants/policy.ts";
import { type HeldSecret, judgeKey, type KeyStatus } from "../rotation/held-secret.ts";
import { ownRoles } from "../rotation/set-secret.ts";
import { versionWith } from "../rotation/vault.ts";
import type { Key, Role } from "../voximplant/methods.ts";

/** What a key of the Voximplant account is to us. */
export type Standing =
  | (KeyStatus & { readonly serviceAccount: string })
  /** Listed under `unmanagedKeys`: used by others on purpose, and never touched. */
  | { readonly state: "unmanaged" }
  /** Nobody here knows it. */
  | { readonly state: "unknown" };

export interface JudgedKey {
  readonly key: Key;
  readonly standing: Standing;
}

/**
 * Says of every key what manages it. `secrets` are all secrets of the policy that could be read, whichever account they
 * belong to: a key that belongs to another service account of ours is not unknown.
 *
 * @param now milliseconds since 1970
 */
export function judgeKeys(
  keys: readonly Key[],
  secrets: readonly HeldSecret[],
  serviceAccounts: readonly ServiceAccount[],
  graceMs: number,
  now: number,
): JudgedKey[] {
  const unmanaged = new Set(serviceAccounts.flatMap(({ unmanagedKeys }) => unmanagedKeys));
  return keys.map((key) => {
    const statuses = secrets.flatMap((secret) => {
      const status = judgeKey(key, secret, graceMs, now);
      return status === undefined ? [] : [{ ...status, serviceAccount: secret.serviceAccount }];
    });
    // One key may stand in two secrets: in use anywhere is in use.
    const inUse = statuses.find(({ state }) => state === "current" || state === "pending");
    if (inUse !== undefined) return { key, standing: inUse };
    if (unmanaged.has(key.key_id)) return { key, standing: { state: "unmanaged" } };
    const latest = statuses.reduce<(typeof statuses)[number] | undefined>(
      (last, status) => (last === undefined || retireAt(status) > retireAt(last) ? status : last),
      undefined,
    );
    return { key, standing: latest ?? { state: "unknown" } };
  });
}

function retireAt(status: KeyStatus): number {
  return status.state === "superseded" ? status.retireAt : 0;
}

/** The secrets of this account whose current key the platform does not have: their tokens are refused. */
export function missingKeys(
  accountId: number,
  keys: readonly Key[],
  secrets: readonly HeldSecret[],
): { readonly serviceAccount: string; readonly keyId: string }[] {
  return secrets.flatMap((secret) => {
    const held = currentKey(secret);
    const isMissing = held?.accountId === accountId && !keys.some(({ key_id }) => key_id === held.keyId);
    return isMissing ? [{ serviceAccount: secret.serviceAccount, keyId: held.keyId }] : [];
  });
}

export function currentKey({ state, keys }: HeldSecret) {
  const version = versionWith("AWSCURRENT", state);
  return version === undefined ? undefined : keys.get(version);
}

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
