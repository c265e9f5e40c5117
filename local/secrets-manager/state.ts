import { randomBytes } from "node:crypto";
import { invalidRequest, notFound } from "./error.ts";
import type { PendingLabel, Secret, SecretVersion } from "./secret.ts";

/** What Secrets Manager sends to a rotation function, once per step. */
export interface RotationEvent {
  readonly Step: "createSecret" | "setSecret" | "testSecret" | "finishSecret";
  readonly SecretId: string;
  /** The id of the version that is to become current. */
  readonly ClientRequestToken: string;
}

export interface SecretsState {
  readonly region: string;
  readonly accountId: string;
  readonly now: () => Date;
  readonly secrets: Map<string, Secret>;
  readonly labels: LabelRules;
  /** The rotation function. */
  readonly rotate?: ((event: RotationEvent) => Promise<void>) | undefined;
  /** Rotations that run in the background. */
  readonly rotations: Set<Promise<void>>;
}

/**
 * What happens to `AWSPENDING` when `AWSCURRENT` moves. AWS documents little of it; see
 * SecretsManagerOptions.
 */
interface LabelRules {
  /** UpdateSecretVersionStage: on the version that becomes current. */
  readonly promotedByUpdate: PendingLabel;
  /** UpdateSecretVersionStage: on the version that was current. */
  readonly demotedByUpdate: PendingLabel;
  /** PutSecretValue and UpdateSecret: on the version that was current. */
  readonly demotedByPut: PendingLabel;
  /** PutSecretValue and UpdateSecret: on any other version. */
  readonly otherOnPut: PendingLabel;
  /** The end of a rotation: on the new current version. */
  readonly afterRotation: PendingLabel;
}

export function seconds(state: SecretsState): number {
  return state.now().getTime() / 1000;
}

/** The ARN of a new secret, with six random characters at its end, as on AWS. */
export function newArn(state: SecretsState, name: string): string {
  const suffix = randomBytes(8)
    .toString("base64")
    .replace(/[^A-Za-z0-9]/g, "a")
    .slice(0, 6);
  return `arn:aws:secretsmanager:${state.region}:${state.accountId}:secret:${name}-${suffix}`;
}

/**
 * Finds a secret by name, by ARN, or by an ARN without its suffix.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
 */
export function findSecret(state: SecretsState, id: string): Secret {
  for (const secret of state.secrets.values()) if (isNamed(secret, id)) return secret;
  throw notFound("secret.");
}

export function hasSecret(state: SecretsState, id: string): boolean {
  return [...state.secrets.values()].some((secret) => isNamed(secret, id));
}

/**
 * An ARN without its suffix does not find a secret whose name ends like a suffix: AWS takes the end
 * of the name for the suffix (LocalStack's recording, test_create_and_update_secret).
 */
function isNamed({ name, arn }: Secret, id: string): boolean {
  return id === name || id === arn || (id === arn.slice(0, -7) && !/-[A-Za-z0-9]{6}$/.test(id));
}

/** For operations that AWS refuses on a secret that is scheduled for deletion. */
export function findActiveSecret(state: SecretsState, id: string): Secret {
  const secret = findSecret(state, id);
  if (secret.deletedDate !== undefined) {
    throw invalidRequest(
      "You can't perform this operation on the secret because it was marked for deletion.",
    );
  }
  return secret;
}

export function findVersion(secret: Secret, id: string): SecretVersion {
  const version = secret.versions.get(id);
  if (version === undefined) throw notFound(`secret value for VersionId: ${id}`);
  return version;
}
