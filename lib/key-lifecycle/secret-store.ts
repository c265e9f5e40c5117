import type { EpochMs } from "../epoch.ts";

/**
 * What key-lifecycle/ needs of Secrets Manager. `secretId` is a name or an ARN. The value of a
 * version never changes once it is put. So labels from one {@link SecretStore.describe} and values
 * by version id are a consistent snapshot.
 *
 * Reads may lag behind writes by some seconds: after a write, wait until it can be read.
 */
export interface SecretStore {
  /** @throws SecretNotFoundError */
  readonly describe: (secretId: string) => Promise<SecretState>;
  /** Every version, with or without a label. */
  readonly listVersions: (secretId: string) => Promise<readonly ListedVersion[]>;
  /** Undefined: the version has no value yet, or does not exist. */
  readonly readVersion: (secretId: string, versionId: string) => Promise<SecretVersion | undefined>;
  /** The version with the label AWSCURRENT, in one call. Undefined: there is none yet. */
  readonly readCurrent: (secretId: string) => Promise<SecretVersion | undefined>;
  /** `taken`: the version already holds another value. The same value again is `stored`. */
  readonly putVersion: (put: PutVersion) => Promise<"stored" | "taken">;
  /** Moves a label. Throws, and moves nothing, unless the version `from` has the label. */
  readonly moveStage: (secretId: string, stage: Stage, move: StageMove) => Promise<void>;
  readonly tag: (secretId: string, name: string, value: string) => Promise<void>;
}

type Stage = "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS";

export interface ListedVersion {
  readonly versionId: string;
  /** NaN: unknown. AWS gives whole seconds. */
  readonly createdAt: EpochMs;
}

export interface SecretVersion extends ListedVersion {
  readonly value: string;
}

interface PutVersion {
  readonly secretId: string;
  readonly versionId: string;
  readonly value: string;
  readonly stage: "AWSCURRENT" | "AWSPENDING";
}

interface StageMove {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface SecretState {
  readonly arn: string;
  readonly name: string;
  /** Undefined: rotation has never been configured. */
  readonly rotationEnabled: boolean | undefined;
  /** Days between two rotations. Undefined: there is no schedule, or it is not a rate. */
  readonly rotationDays: number | undefined;
  /**
   * AWS sets it at every change, including the move of a label. So a version that is not current
   * now has not been current since that time.
   */
  readonly lastChangedAt: EpochMs;
  /** Labels by version id. Has no entry for a version without a label. */
  readonly stages: ReadonlyMap<string, ReadonlySet<string>>;
  /** The other regions that have a replica. */
  readonly replicas: readonly Replica[];
  readonly tags: ReadonlyMap<string, string>;
}

interface Replica {
  readonly region: string;
  readonly inSync: boolean;
  /** Why the replication failed, in AWS's words if there are any. Absent if it has not failed. */
  readonly problem?: string | undefined;
}

/** The id of the version that has the label. */
export function versionWith(stage: Stage, { stages }: Pick<SecretState, "stages">): string | undefined {
  return [...stages].find(([, labels]) => labels.has(stage))?.[0];
}

/**
 * The version of a rotation that has not ended. After a rotation, AWS leaves AWSPENDING on the
 * version that is now current, so that version does not count.
 */
export function unfinishedVersion(secret: SecretState): string | undefined {
  const pending = versionWith("AWSPENDING", secret);
  return pending === versionWith("AWSCURRENT", secret) ? undefined : pending;
}

/** A replica that failed is not being written: it stays as it is until someone repairs it. */
export function isBeingReplicated({ replicas }: SecretState): boolean {
  return replicas.some(({ inSync, problem }) => !inSync && problem === undefined);
}

export function replicasInSync({ replicas }: SecretState): boolean {
  return replicas.every(({ inSync }) => inSync);
}

/** Whether each region of `replicaRegions` has a copy of the secret, and no copy is behind. */
export function isCopied(state: SecretState, replicaRegions: readonly string[] = []): boolean {
  const hasAll = replicaRegions.every((region) => state.replicas.some((one) => one.region === region));
  return hasAll && replicasInSync(state);
}

/**
 * The tag in which reconciliation records whether copies of the secret in other regions are behind:
 * `in sync`, or `behind since ` and a time (RFC 3339). No tag: no copy was behind.
 */
export const COPIES_TAG = "voximplant-token-vendor:copies";
const BEHIND_SINCE = "behind since ";

/** The value of {@link COPIES_TAG}. */
export function copiesTag(behindSince: EpochMs | undefined): string {
  return behindSince === undefined ? "in sync" : BEHIND_SINCE + new Date(behindSince).toISOString();
}

/** Since when {@link COPIES_TAG} says that a copy is behind. Undefined: it does not say so. */
export function copiesBehindSince({ tags, lastChangedAt }: SecretState): EpochMs | undefined {
  const tag = tags.get(COPIES_TAG);
  if (tag?.startsWith(BEHIND_SINCE) !== true) return undefined;
  const since = Date.parse(tag.slice(BEHIND_SINCE.length));
  return Number.isNaN(since) ? lastChangedAt : since;
}

/**
 * The tag with which a command starts the grace again: the time (RFC 3339) of its last start. No
 * code reads the tag. It is apart from the other tags, because an old read of one of those, written
 * back, would undo a change.
 */
export const GRACE_TAG = "voximplant-token-vendor:grace-started";

export class SecretNotFoundError extends Error {
  override readonly name = "SecretNotFoundError";
}
