/**
 * A secret and its versions, as Secrets Manager keeps them. Times are seconds since the epoch, as
 * on the wire.
 */
export interface Secret {
  readonly name: string;
  /** With the random suffix: `arn:…:secret:NAME-a1B2c3`. */
  readonly arn: string;
  description?: string;
  kmsKeyId?: string;
  /** Undefined if it was never tagged: AWS then omits the field. */
  tags?: readonly { readonly Key: string; readonly Value: string }[];
  readonly createdDate: number;
  lastChangedDate: number;
  /** Set while the secret is scheduled for deletion. */
  deletedDate?: number;
  rotation?: {
    enabled: boolean;
    lambdaArn: string;
    rules: Readonly<Record<string, string | number>>;
    /**
     * When rotation was turned on: determines the date of the first rotation. Default: when the
     * secret was created.
     */
    enabledDate?: number;
    lastRotatedDate?: number;
  };
  /** The copies in other regions, which tests set and change. The stand-in copies nothing. */
  replicas?: readonly Replica[];
  readonly versions: Map<string, SecretVersion>;
}

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicationStatusType.html */
interface Replica {
  readonly Region: string;
  readonly Status: "InSync" | "Failed" | "InProgress";
  readonly StatusMessage?: string;
}

export interface SecretVersion {
  readonly id: string;
  readonly createdDate: number;
  /**
   * Absent if RotateSecret created the version and the rotation function has not stored a value.
   */
  content?: SecretContent;
  readonly stages: Set<string>;
}

export type SecretContent = { readonly SecretString: string } | { readonly SecretBinary: string };

export function sameContent(one: SecretContent, other: SecretContent): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

export function versionWithStage(secret: Secret, stage: string): SecretVersion | undefined {
  return [...secret.versions.values()].find((version) => version.stages.has(stage));
}

/** What happens to the label `AWSPENDING`. */
export type PendingLabel = "kept" | "removed";

/**
 * Moves a label, which is on one version at a time. When `AWSCURRENT` moves, `AWSPREVIOUS` moves to
 * the version that was current.
 *
 * @param becomesCurrent what happens to `AWSPENDING` on the two versions when `AWSCURRENT` moves.
 * Default: nothing.
 * @see
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
 */
export function moveStage(
  secret: Secret,
  stage: string,
  to: SecretVersion,
  becomesCurrent?: { readonly promoted: PendingLabel; readonly demoted: PendingLabel },
): void {
  const from = versionWithStage(secret, stage);
  if (from === to) return;
  from?.stages.delete(stage);
  to.stages.add(stage);
  if (stage === "AWSCURRENT" && from !== undefined) {
    versionWithStage(secret, "AWSPREVIOUS")?.stages.delete("AWSPREVIOUS");
    from.stages.add("AWSPREVIOUS");
  }
  if (stage !== "AWSCURRENT") return;
  if (becomesCurrent?.promoted === "removed") to.stages.delete("AWSPENDING");
  if (becomesCurrent?.demoted === "removed") from?.stages.delete("AWSPENDING");
}
