/**
 * What rotation and reconciliation need of Secrets Manager. `secretId` is a name or an ARN. Values are immutable once
 * put, so a snapshot is consistent: the labels from one {@link SecretStore.describe}, the values by version id.
 */
export interface SecretStore {
  /** @throws SecretNotFoundError */
  readonly describe: (secretId: string) => Promise<SecretState>;
  /** `undefined`: the version is there, but no value was ever put into it, or it has been purged. */
  readonly readVersion: (secretId: string, versionId: string) => Promise<string | undefined>;
  /** `taken`: the version holds another value already. The same value again is `stored`. */
  readonly putVersion: (put: PutVersion) => Promise<"stored" | "taken">;
  /** Moves a label; `from` is the version that must bear it now, or nothing is moved and it throws. */
  readonly moveStage: (secretId: string, stage: Stage, move: StageMove) => Promise<void>;
  readonly tag: (secretId: string, name: string, value: string) => Promise<void>;
}

export type Stage = "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS";

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
  /**
   * Milliseconds since 1970. AWS sets it at every change, the move of a label included: so a version that is not
   * current now has not been current since.
   */
  readonly lastChangedAt: number;
  /** Of the versions that bear a label. */
  readonly stages: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether every replica region has what the primary has. */
  readonly replicasInSync: boolean;
  readonly tags: ReadonlyMap<string, string>;
}

/** The version that bears a label. */
export function versionWith(stage: Stage, { stages }: SecretState): string | undefined {
  for (const [versionId, labels] of stages) if (labels.has(stage)) return versionId;
  return undefined;
}

export class SecretNotFoundError extends Error {
  override readonly name = "SecretNotFoundError";
}
