import type { EpochMs } from "../epoch.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import type { Key } from "../voximplant/methods.ts";
import { belongsToSecret, keyName } from "./key-label.ts";
import { copiesBehindSince, isCopied, versionWith } from "./secret-store.ts";
import { isComplete, isSupersededVersion, type SecretSnapshot } from "./snapshot.ts";

/** The state of a key of a Voximplant account: docs/keys.md#states. */
export type KeyState =
  | (OwnKeyState & { readonly serviceAccount: string })
  /** Listed under `unmanagedKeys`: something other than the vendor uses it. Never changed. */
  | { readonly state: "unmanaged" }
  /**
   * No version that was read holds it. If a version was not read, this does not matter: the key in
   * that version has not been in use for at least the length of the grace.
   */
  | { readonly state: "unknown" }
  /**
   * No version that was read holds it. A version that was not read may hold it, so the key may be
   * in use.
   */
  | { readonly state: "undetermined" };

/** The state of a key that belongs to a secret. */
type OwnKeyState =
  | { readonly state: "current" }
  /** A rotation that has not ended is preparing it. */
  | { readonly state: "pending" }
  /**
   * It was current, or its rotation was abandoned. Tokens signed with it may be valid until
   * `retireAt`.
   */
  | { readonly state: "superseded"; readonly retireAt: EpochMs }
  /**
   * No version holds it, but it has a name that only rotation, revocation and bootstrap give. One
   * of them was interrupted, or someone copied the form of such a name. It may have been
   * current, so it is kept until `retireAt`.
   */
  | { readonly state: "stray"; readonly retireAt: EpochMs }
  /**
   * Created for a version that holds another key. Its private key is lost, so it signed no token.
   */
  | { readonly state: "orphan" };

export interface ClassifiedKey {
  readonly key: Key;
  readonly state: KeyState;
}

interface ClassificationContext {
  readonly serviceAccounts: readonly ServiceAccount[];
  /** All secrets whose labels could be read, of all Voximplant accounts. */
  readonly secrets: readonly SecretSnapshot[];
  /** How long a superseded key is kept: see grace.ts. */
  readonly graceMs: number;
  /** The regions that must have a replica of each secret. Default: none. */
  readonly replicaRegions?: readonly string[] | undefined;
  /** Service accounts whose secret does not exist. Default: none. */
  readonly absent?: readonly string[];
  readonly now: EpochMs;
}

/**
 * Finds the state of each key. The secrets must be read after the keys are listed. Otherwise a key
 * that is stored in between is in no secret that was read, and counts as unknown.
 */
export function classifyKeys(keys: readonly Key[], context: ClassificationContext): ClassifiedKey[] {
  const { serviceAccounts, secrets, now } = context;
  const unmanaged = new Set(serviceAccounts.flatMap(({ unmanagedKeys }) => unmanagedKeys));
  const unreadUntil = unreadVersionsMatterUntil(context);
  // If the time is unknown (NaN), it is not over.
  const isUnreadTimeOver = unreadUntil <= now;
  const isEachKeyInUseKnown =
    isUnreadTimeOver &&
    serviceAccounts.every(({ name }) => secrets.some(({ serviceAccount }) => serviceAccount === name));

  return keys.map((key) => {
    const states = secrets.flatMap((secret) => {
      const state = stateIn(secret, key, context);
      return state === undefined ? [] : [{ ...state, serviceAccount: secret.serviceAccount }];
    });
    // A key may be in two secrets. It is in use if one of them uses it.
    const inUse =
      states.find(({ state }) => state === "current") ?? states.find(({ state }) => state === "pending");
    if (inUse !== undefined) return { key, state: inUse };
    if (unmanaged.has(key.key_id)) return { key, state: { state: "unmanaged" } };
    const [latest] = states.sort((one, other) => retireAt(other) - retireAt(one));
    // A version that was not read may hold this key too, and may be in use.
    if (latest?.state === "superseded" || latest?.state === "stray")
      return { key, state: { ...latest, retireAt: Math.max(latest.retireAt, unreadUntil) } };
    if (latest?.state === "orphan" && !isUnreadTimeOver) return { key, state: { state: "undetermined" } };
    return { key, state: latest ?? { state: isEachKeyInUseKnown ? "unknown" : "undetermined" } };
  });
}

/**
 * Returns the time until which a key in an unread version may be in use. Infinity: such a version
 * is current or pending, or a secret was not read at all. 0: every version was read.
 */
function unreadVersionsMatterUntil(context: ClassificationContext): EpochMs {
  const { serviceAccounts, secrets, absent = [] } = context;
  const read = new Set(secrets.map(({ serviceAccount }) => serviceAccount));
  if (serviceAccounts.some(({ name }) => !read.has(name) && !absent.includes(name)))
    return Number.POSITIVE_INFINITY;
  const incomplete = secrets.filter((secret) => !isComplete(secret));
  const isInUse = ({ unreadable }: SecretSnapshot) =>
    unreadable.some(({ labels }) => labels.includes("AWSCURRENT") || labels.includes("AWSPENDING"));
  if (incomplete.some(isInUse)) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...incomplete.map((secret) => graceEnd(secret, context)));
}

/**
 * The state of a key in a secret. Undefined: the key does not belong to the secret, or may be in a
 * version that cannot be read.
 *
 * The grace counts from the secret's last change. Moving a label is a change, so a key that is not
 * current now has not been current since that change. Later changes make the grace longer, never
 * shorter. The time in the description of the key is not used, because anyone with a token can
 * change it.
 */
function stateIn(secret: SecretSnapshot, key: Key, context: ClassificationContext): OwnKeyState | undefined {
  const { state, keys, createdAt, unreadable } = secret;
  const versions = [...keys].filter(([, { keyId }]) => keyId === key.key_id).map(([versionId]) => versionId);
  const current = versionWith("AWSCURRENT", state);
  const pending = versionWith("AWSPENDING", state);
  const isPending = (versionId: string) =>
    versionId === pending && !isSupersededVersion(versionId, state, (id) => createdAt.get(id));

  if (versions.some((versionId) => versionId === current)) return { state: "current" };
  if (versions.some(isPending)) return { state: "pending" };
  const until = graceEnd(secret, context);
  if (versions.length > 0) return { state: "superseded", retireAt: until };

  if (!belongsToSecret(key, state.arn)) return undefined;
  const isNamedFor = (versionId: string) => key.key_name === keyName(state.arn, versionId);
  const isPreparedFor = (versionId: string) => !keys.has(versionId) && isNamedFor(versionId);
  if (pending !== undefined && isPending(pending) && isPreparedFor(pending)) return { state: "pending" };
  // The version that the name contains may hold the key, and may be the current one.
  if (unreadable.some(({ versionId }) => isNamedFor(versionId))) return undefined;
  if ([...keys.keys()].some(isNamedFor)) return { state: "orphan" };
  return { state: "stray", retireAt: until };
}

/**
 * When the grace of superseded keys ends. Infinity: in a region, the copy of the secret is missing
 * or old, or COPIES_TAG still says that a copy is behind. In the last case, the copy may be up to
 * date now, but until it was, its region signed with a superseded key. Reconciliation will change
 * the tag, and this change starts the grace again.
 */
function graceEnd(
  { state }: SecretSnapshot,
  { graceMs, replicaRegions = [] }: ClassificationContext,
): EpochMs {
  const isUpToDate = isCopied(state, replicaRegions) && copiesBehindSince(state) === undefined;
  return isUpToDate ? state.lastChangedAt + graceMs : Number.POSITIVE_INFINITY;
}

/** When a key may be deleted. Infinity: its state does not allow it. */
export function retireAt(state: KeyState | OwnKeyState): EpochMs {
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
