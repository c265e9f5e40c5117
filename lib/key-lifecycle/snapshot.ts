import { type Credentials, CredentialsFileError, parseCredentials } from "../keys/credentials-file.ts";
import type { EpochMs } from "../epoch.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import { type ListedVersion, type SecretState, type SecretStore, versionWith } from "./secret-store.ts";

/** Identifies the key that a version of a secret holds. Has no private key. */
export type KeyIdentity = Pick<Credentials, "keyId" | "accountId">;

/** A secret at one moment: its labels, and the key of every version, with or without a label. */
export interface SecretSnapshot {
  readonly serviceAccount: string;
  readonly state: SecretState;
  /** By version id. */
  readonly createdAt: ReadonlyMap<string, EpochMs>;
  /** By version id. Has no entry for a version without a value. */
  readonly keys: ReadonlyMap<string, KeyIdentity>;
  /**
   * Versions that may hold a key and cannot be read. If the list of versions lacks one that is or
   * was current, that one stands here too, without labels: the list may lack others.
   */
  readonly unreadable: readonly UnreadableVersion[];
}

interface UnreadableVersion {
  readonly versionId: string;
  readonly labels: readonly string[];
  readonly error: unknown;
}

/** @throws SecretNotFoundError and the AWS SDK's errors, if the labels cannot be read */
export type ReadSecret = (serviceAccount: Pick<ServiceAccount, "name" | "secret">) => Promise<SecretSnapshot>;

/**
 * Reads secrets. If one version is unreadable, the others are still read.
 *
 * The value of a version never changes, so a warm function reads each version once. It remembers
 * the ids of the key and its account, never the private key.
 */
export function secretReader(store: SecretStore): ReadSecret {
  const known = new Map<string, KeyIdentity>();

  return async ({ name, secret }) => {
    const described = await store.describe(secret);
    const listed = await store.listVersions(described.arn);
    const state = { ...described, lastChangedAt: lastChange(described, listed) };
    const keys = new Map<string, KeyIdentity>();
    const unreadable: UnreadableVersion[] = [];

    const read = async (versionId: string) => {
      const labels = [...(state.stages.get(versionId) ?? [])];
      try {
        const remembered = known.get(`${state.arn} ${versionId}`);
        const value = remembered ?? (await store.readVersion(state.arn, versionId))?.value;
        if (value === undefined) {
          if (wasCurrent(labels)) throw new Error("Secrets Manager returns no value of it.");
          return;
        }
        const { keyId, accountId } = typeof value === "string" ? parseCredentials(value) : value;
        known.set(`${state.arn} ${versionId}`, { keyId, accountId });
        keys.set(versionId, { keyId, accountId });
      } catch (error) {
        // A version without a label that is not a credentials file was stored by mistake. It holds
        // no key that is in use.
        if (error instanceof CredentialsFileError && labels.length === 0) return;
        unreadable.push({ versionId, labels, error });
      }
    };

    for (const versionId of new Set([...state.stages.keys(), ...listed.map((one) => one.versionId)]))
      await read(versionId);
    const createdAt = new Map(listed.map((version) => [version.versionId, version.createdAt]));
    for (const [versionId, labels] of state.stages) {
      // If the list lacks such a version, it is old. Then versions without a label may be missing
      // from it too.
      if (wasCurrent([...labels]) && !createdAt.has(versionId))
        unreadable.push({
          versionId,
          labels: [],
          error: new Error("The list of versions does not have it yet."),
        });
    }
    return { serviceAccount: name, state, createdAt, keys, unreadable };
  };
}

/** Whether a version is or was current. Such a version has a value. Others may be empty. */
function wasCurrent(labels: readonly string[]): boolean {
  return labels.includes("AWSCURRENT") || labels.includes("AWSPREVIOUS");
}

/**
 * A version that was created after the secret was described has no label in the description,
 * although it may be current by now. Its creation counts as a change. Otherwise its key would count
 * as superseded since an earlier change, and would be deleted.
 */
function lastChange({ stages, lastChangedAt }: SecretState, listed: readonly ListedVersion[]): EpochMs {
  const unlabelled = listed.filter(({ versionId }) => !stages.has(versionId));
  const times = unlabelled.map(({ createdAt }) => createdAt).filter(Number.isFinite);
  return Math.max(lastChangedAt, ...times);
}

/** The key in the current version. Undefined: none was imported yet, or it cannot be read. */
export function currentKey({ state, keys }: SecretSnapshot): KeyIdentity | undefined {
  const version = versionWith("AWSCURRENT", state);
  return version === undefined ? undefined : keys.get(version);
}

/** The ids of all keys in the secrets. */
export function keyIdsIn(secrets: readonly Pick<SecretSnapshot, "keys">[]): Set<string> {
  return new Set(secrets.flatMap(({ keys }) => [...keys.values()].map(({ keyId }) => keyId)));
}

/** Whether every version was read. If not, a version that was not read may hold a key. */
export function isComplete({ unreadable }: SecretSnapshot): boolean {
  return unreadable.length === 0;
}

/**
 * Whether a version with the label AWSPENDING must never become current. Secrets Manager leaves
 * AWSPENDING on a version that it makes current. If AWSCURRENT then moves outside a rotation,
 * `RotateSecret` continues with the old version, and would make its key current again. A version
 * must never become current if it
 *
 * - has the label AWSPREVIOUS: it was current until the last change; or
 * - is older than the current version: it was current before, or an import stored another version
 *   during its rotation. If a time is unknown (NaN), the version does not count as older.
 */
export function isSupersededVersion(
  versionId: string,
  { stages }: Pick<SecretState, "stages">,
  createdAt: (versionId: string) => EpochMs | undefined,
): boolean {
  const labels = stages.get(versionId);
  if (labels === undefined || labels.has("AWSCURRENT")) return false;
  if (labels.has("AWSPREVIOUS")) return true;
  const current = versionWith("AWSCURRENT", { stages });
  if (current === undefined) return false;
  return (createdAt(versionId) ?? Number.NaN) < (createdAt(current) ?? Number.NaN);
}
