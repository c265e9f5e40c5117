/**
 * What the key's life needs of Secrets Manager. `secretId` is a name or an ARN. The value of a version never changes once
 * it is put, so a snapshot is consistent: labels from one {@link SecretStore.describe}, values by version id.
 *
 * Reads may lag behind writes by some seconds: a caller that has just written waits until it can read what it wrote.
 */
export interface SecretStore {
  /** @throws SecretNotFoundError */
  readonly describe: (secretId: string) => Promise<SecretState>;
  /** Every version, with or without a label. */
  readonly listVersions: (secretId: string) => Promise<readonly ListedVersion[]>;
  /** `undefined`: the version has no value yet, or is gone. */
  readonly readVersion: (secretId: string, versionId: string) => Promise<SecretVersion | undefined>;
  /** The version labelled AWSCURRENT, in one call. `undefined`: there is none yet. */
  readonly readCurrent: (secretId: string) => Promise<SecretVersion | undefined>;
  /** `taken`: the version already holds another value. The same value again is `stored`. */
  readonly putVersion: (put: PutVersion) => Promise<"stored" | "taken">;
  /** Moves a label. Throws, and moves nothing, unless the version `from` has the label. */
  readonly moveStage: (secretId: string, stage: Stage, move: StageMove) => Promise<void>;
  readonly tag: (secretId: string, name: string, value: string) => Promise<void>;
}

export type Stage = "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS";

export interface ListedVersion {
  readonly versionId: string;
  /** Milliseconds since 1970; AWS gives whole seconds. */
  readonly createdAt: number;
}

export interface SecretVersion extends ListedVersion {
  readonly value: string;
}

export interface PutVersion {
  readonly secretId: string;
  readonly versionId: string;
  readonly value: string;
  readonly stage: "AWSCURRENT" | "AWSPENDING";
}

export interface StageMove {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface SecretState {
  readonly arn: string;
  readonly name: string;
  /** `undefined`: rotation has never been configured. */
  readonly rotationEnabled: boolean | undefined;
  /** Days between two rotations, where the schedule is a rate. */
  readonly rotationDays: number | undefined;
  /**
   * Milliseconds since 1970. AWS sets it at every change, the move of a label included. So a version that is not current
   * now has not been current since.
   */
  readonly lastChangedAt: number;
  /** Labels by version id, of the versions that have one. */
  readonly stages: ReadonlyMap<string, ReadonlySet<string>>;
  /** Regions other than this one that have a copy. */
  readonly replicas: readonly { readonly region: string; readonly inSync: boolean }[];
  readonly tags: ReadonlyMap<string, string>;
}

/** The version that has a label. */
export function versionWith(stage: Stage, { stages }: SecretState): string | undefined {
  for (const [versionId, labels] of stages) if (labels.has(stage)) return versionId;
  return undefined;
}

export function replicasInSync({ replicas }: SecretState): boolean {
  return replicas.every(({ inSync }) => inSync);
}

export class SecretNotFoundError extends Error {
  override readonly name = "SecretNotFoundError";
}
