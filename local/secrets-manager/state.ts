import { randomBytes } from "node:crypto";
import { invalidRequest, notFound } from "./error.ts";
import type { Secret, SecretVersion } from "./secret.ts";

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
  /** Whether a version that becomes current loses `AWSPENDING`. */
  readonly removesPending: boolean;
  /** The rotation function. */
  readonly rotate?: ((event: RotationEvent) => Promise<void>) | undefined;
  /** Rotations that run in the background. */
  readonly rotations: Set<Promise<void>>;
}

export function seconds(state: SecretsState): number {
  return state.now().getTime() / 1000;
}

/** The ARN of a new secret, with six random characters at its end, as AWS makes it. */
export function newArn(state: SecretsState, name: string): string {
  const suffix = randomBytes(8)
    .toString("base64")
    .replace(/[^A-Za-z0-9]/g, "a")
    .slice(0, 6);
  return `arn:aws:secretsmanager:${state.region}:${state.accountId}:secret:${name}-${suffix}`;
}

/**
 * By name, by ARN, or by an ARN without its suffix.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
 */
export function findSecret(state: SecretsState, id: string): Secret {
  for (const secret of state.secrets.values()) {
    if (id === secret.name || id === secret.arn || id === secret.arn.slice(0, -7)) return secret;
  }
  throw notFound("secret.");
}

/** For all operations but the few that AWS allows on a secret that waits to be deleted. */
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
