import type { ServiceAccount } from "../grants/policy.ts";
import type { Key } from "../voximplant/methods.ts";
import { belongsToSecret, keyName } from "./key-label.ts";
import { replicasInSync, versionWith } from "./secret-store.ts";
import { isComplete, isSupersededVersion, type SecretSnapshot } from "./snapshot.ts";

/** What a key of a Voximplant account is to us. Times are milliseconds since 1970. */
export type KeyState =
  | (OwnKeyState & { readonly serviceAccount: string })
  /** Listed under `unmanagedKeys`: others use it on purpose, and it is never touched. */
  | { readonly state: "unmanaged" }
  /** No secret holds it, and every secret could be read. */
  | { readonly state: "unknown" }
  /** It is in no secret that could be read, and may be in one that could not. */
  | { readonly state: "undetermined" };

/** What a key is to the one secret that it belongs to. */
export type OwnKeyState =
  | { readonly state: "current" }
  /** Of a rotation that has not ended. */
  | { readonly state: "pending" }
  /** Was current: tokens made with it may live until `retireAt`. */
  | { readonly state: "superseded"; readonly retireAt: number }
  /**
   * Has one of our names and is in no version: left by a rotation that was given up or a revocation that broke off, or made
   * by someone who has seen our names. It may have been current, so it is kept until `retireAt`.
   */
  | { readonly state: "stray"; readonly retireAt: number }
  /** Made for a version that holds another key. No token was ever made with it, and its private key is lost. */
  | { readonly state: "orphan" };

export interface ClassifiedKey {
  readonly key: Key;
  readonly state: KeyState;
}

export interface ClassificationContext {
  readonly serviceAccounts: readonly ServiceAccount[];
  /** Of every secret whose labels could be read, whichever Voximplant account it belongs to. */
  readonly secrets: readonly SecretSnapshot[];
  /** How long a superseded key is kept: see grace.ts. */
  readonly graceMs: number;
}

/**
 * Says of every key what manages it. The secrets must be read after the keys were listed: then a key on the list is found
 * in a secret, or its name says which version it is made for.
 */
export function classifyKeys(keys: readonly Key[], context: ClassificationContext): ClassifiedKey[] {
  const { serviceAccounts, secrets } = context;
  const unmanaged = new Set(serviceAccounts.flatMap(({ unmanagedKeys }) => unmanagedKeys));
  const allWereRead =
    secrets.every(isComplete) &&
    serviceAccounts.every(({ name }) => secrets.some(({ serviceAccount }) => serviceAccount === name));

  return keys.map((key) => {
    const states = secrets.flatMap((secret) => {
      const state = stateIn(secret, key, context.graceMs);
      return state === undefined ? [] : [{ ...state, serviceAccount: secret.serviceAccount }];
    });
    // A key may be in two secrets: it is in use as long as it is in use in one.
    const inUse =
      states.find(({ state }) => state === "current") ?? states.find(({ state }) => state === "pending");
    if (inUse !== undefined) return { key, state: inUse };
    if (unmanaged.has(key.key_id)) return { key, state: { state: "unmanaged" } };
    const [latest] = states.sort((one, other) => retireAt(other) - retireAt(one));
    return { key, state: latest ?? { state: allWereRead ? "unknown" : "undetermined" } };
  });
}

/**
 * What a key is to a secret, or `undefined`: it does not belong to it.
 *
 * A key that is not current has not been current since the secret last changed, because moving a label is a change. So the
 * grace counts from there; later changes make it longer, never shorter, and nothing has to be written down. The key's
 * description proves nothing: a token can rewrite it.
 */
function stateIn(secret: SecretSnapshot, key: Key, graceMs: number): OwnKeyState | undefined {
  const { state, keys, createdAt } = secret;
  const versions = [...keys].filter(([, { keyId }]) => keyId === key.key_id).map(([versionId]) => versionId);
  const pending = versionWith("AWSPENDING", state);
  const isPending = (versionId: string) =>
    versionId === pending && !isSupersededVersion(versionId, state, (id) => createdAt.get(id));

  if (versions.includes(versionWith("AWSCURRENT", state) ?? "")) return { state: "current" };
  if (versions.some(isPending)) return { state: "pending" };
  const until = replicasInSync(state) ? state.lastChangedAt + graceMs : Number.POSITIVE_INFINITY;
  if (versions.length > 0) return { state: "superseded", retireAt: until };

  if (!belongsToSecret(key, state.arn)) return undefined;
  const isNamedFor = (versionId: string) => key.key_name === keyName(state.arn, versionId);
  if (pending !== undefined && !keys.has(pending) && isNamedFor(pending)) return { state: "pending" };
  if ([...keys.keys()].some(isNamedFor)) return { state: "orphan" };
  return { state: "stray", retireAt: until };
}

/** When a key may be deleted, milliseconds since 1970; infinity for one that is not ours to delete. */
export function retireAt(state: KeyState | OwnKeyState): number {
  switch (state.state) {
    case "superseded":
    case "stray":
      return state.retireAt;
    case "orphan":
      return 0;
    case "current":
    case "pending":
    case "unmanaged":
    case "unknown":
    case "undetermined":
      return Number.POSITIVE_INFINITY;
  }
}
