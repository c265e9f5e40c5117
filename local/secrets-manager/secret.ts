/** A secret and its versions, as Secrets Manager keeps them. Times are seconds since the epoch, as on the wire. */
export interface Secret {
  readonly name: string;
  /** With the random suffix: `arn:…:secret:NAME-a1B2c3`. */
  readonly arn: string;
  description?: string;
  kmsKeyId?: string;
  tags: readonly { readonly Key: string; readonly Value: string }[];
  readonly createdDate: number;
  lastChangedDate: number;
  /** Set while it waits to be deleted. */
  deletedDate?: number;
  rotation?: {
    enabled: boolean;
    lambdaArn: string;
    rules: Readonly<Record<string, string | number>>;
    lastRotatedDate?: number;
  };
  readonly versions: Map<string, SecretVersion>;
}

export interface SecretVersion {
  readonly id: string;
  readonly createdDate: number;
  /** None yet, where RotateSecret made the version and the rotation function has not put a value. */
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

/**
 * A label is on one version at a time; whoever moves `AWSCURRENT` moves `AWSPREVIOUS` with it, to the version that was
 * current.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
 */
export function moveStage(secret: Secret, stage: string, to: SecretVersion): void {
  const from = versionWithStage(secret, stage);
  if (from === to) return;
  from?.stages.delete(stage);
  to.stages.add(stage);
  if (stage === "AWSCURRENT" && from !== undefined) {
    versionWithStage(secret, "AWSPREVIOUS")?.stages.delete("AWSPREVIOUS");
    from.stages.add("AWSPREVIOUS");
  }
}
