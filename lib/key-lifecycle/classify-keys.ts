import type { ServiceAccount } from "../grants/policy.ts";
import type { Key } from "../voximplant/methods.ts";
import { type HeldSecret, judgeKey, type KeyStatus } from "./held-secret.ts";

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
 * belong to: a key that belongs to another service account of ours is not unknown, and one that stands in two secrets is in
 * use as long as it is in one.
 */
export function judgeKeys(
  keys: readonly Key[],
  secrets: readonly HeldSecret[],
  serviceAccounts: readonly ServiceAccount[],
  graceMs: number,
): JudgedKey[] {
  const unmanaged = new Set(serviceAccounts.flatMap(({ unmanagedKeys }) => unmanagedKeys));
  return keys.map((key) => {
    const statuses = secrets.flatMap((secret) => {
      const status = judgeKey(key, secret, graceMs);
      return status === undefined ? [] : [{ ...status, serviceAccount: secret.serviceAccount }];
    });
    const inUse = statuses.find(({ state }) => state === "current" || state === "pending");
    if (inUse !== undefined) return { key, standing: inUse };
    if (unmanaged.has(key.key_id)) return { key, standing: { state: "unmanaged" } };
    const [latest] = statuses.sort((one, other) => retireAt(other) - retireAt(one));
    return { key, standing: latest ?? { state: "unknown" } };
  });
}

/** When a key may be deleted, milliseconds since 1970; infinity for one that is not ours to delete. */
export function retireAt(standing: Standing | KeyStatus): number {
  switch (standing.state) {
    case "superseded":
    case "stray":
      return standing.retireAt;
    case "orphan":
      return 0;
    case "current":
    case "pending":
    case "unmanaged":
    case "unknown":
      return Number.POSITIVE_INFINITY;
  }
}
