import { type Credentials, CredentialsFileError, parseCredentials } from "../keys/credentials-file.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import { type ListedVersion, type SecretState, type SecretStore, versionWith } from "./secret-store.ts";

/** Which key a version of a secret holds. No private key is in it. */
export type KeyIdentity = Pick<Credentials, "keyId" | "accountId">;

/** A secret at one moment: its labels, and the key of every version, labelled or not. */
export interface SecretSnapshot {
  readonly serviceAccount: string;
  readonly state: SecretState;
  /** When each version was made, by version id; milliseconds since 1970. */
  readonly createdAt: ReadonlyMap<string, number>;
  /** By version id. A version that has no value yet is missing. */
  readonly keys: ReadonlyMap<string, KeyIdentity>;
  /** Versions that hold a key for all we know, and cannot be read. */
  readonly unreadable: readonly UnreadableVersion[];
}

export interface UnreadableVersion {
  readonly versionId: string;
  readonly labels: readonly string[];
  readonly error: unknown;
}

/** @throws SecretNotFoundError, and what the AWS SDK throws, where not even the labels can be read. */
export type ReadSecret = (serviceAccount: Pick<ServiceAccount, "name" | "secret">) => Promise<SecretSnapshot>;

/**
 * Reads secrets. One unreadable version does not keep the others from being read.
 *
 * Values never change once put, so which key a version holds is remembered: a schedule that looks every 15 minutes reads
 * each version once. What is remembered is the key's id, never the key.
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
        if (value === undefined) return;
        const { keyId, accountId } = typeof value === "string" ? parseCredentials(value) : value;
        known.set(`${state.arn} ${versionId}`, { keyId, accountId });
        keys.set(versionId, { keyId, accountId });
      } catch (error) {
        // Something else than a key that was put by mistake and is no longer labelled holds no key that is in use.
        if (error instanceof CredentialsFileError && labels.length === 0) return;
        unreadable.push({ versionId, labels, error });
      }
    };

    for (const versionId of new Set([...state.stages.keys(), ...listed.map((one) => one.versionId)]))
      await read(versionId);
    return { serviceAccount: name, state, createdAt: creationTimes(listed), keys, unreadable };
  };
}

/**
 * A version made after the secret was described has no label in that description, although it may be
 * current by now. Making it was a change too: without this, its key would count as superseded since
 * the change before, and be deleted.
 */
function lastChange({ stages, lastChangedAt }: SecretState, listed: readonly ListedVersion[]): number {
  const unlabelled = listed.filter(({ versionId }) => !stages.has(versionId));
  return Math.max(
    lastChangedAt,
    ...unlabelled.map(({ createdAt }) => createdAt).filter((time) => Number.isFinite(time)),
  );
}

function creationTimes(listed: readonly ListedVersion[]): Map<string, number> {
  return new Map(listed.map(({ versionId, createdAt }) => [versionId, createdAt]));
}

/** The key in the version that is current; `undefined` before the first import. */
export function currentKey({ state, keys }: SecretSnapshot): KeyIdentity | undefined {
  const version = versionWith("AWSCURRENT", state);
  return version === undefined ? undefined : keys.get(version);
}

/** Whether every version could be read, so that a key found in none of them is in none of them. */
export function isComplete({ unreadable }: SecretSnapshot): boolean {
  return unreadable.length === 0;
}

/**
 * Whether a version with the label AWSPENDING was current before, or was overtaken by an import: it must never become current
 * (again). Secrets Manager leaves AWSPENDING on a version that it makes current; where AWSCURRENT then moves by other
 * means than a rotation, `RotateSecret` takes that old version for an unfinished rotation and goes on with it.
 *
 * - A version with the label AWSPREVIOUS was current until the last change.
 * - A version made before the current one was current before it, or belongs to a rotation that an import overtook.
 *
 * An unknown time (NaN) proves nothing.
 */
export function isSupersededVersion(
  versionId: string,
  { stages }: Pick<SecretState, "stages">,
  createdAt: (versionId: string) => number | undefined,
): boolean {
  const labels = stages.get(versionId);
  if (labels === undefined || labels.has("AWSCURRENT")) return false;
  if (labels.has("AWSPREVIOUS")) return true;
  const current = [...stages].find(([, ofVersion]) => ofVersion.has("AWSCURRENT"))?.[0];
  if (current === undefined) return false;
  return (createdAt(versionId) ?? Number.NaN) < (createdAt(current) ?? Number.NaN);
}
