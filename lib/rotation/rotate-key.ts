import type { Policy } from "../grants/policy.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { createSecret } from "./create-secret.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { finishSecret } from "./finish-secret.ts";
import type { Rotation, RotationPorts } from "./rotation.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { setSecret } from "./set-secret.ts";
import { testSecret } from "./test-secret.ts";

/** What Secrets Manager sends: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html */
export interface RotationEvent {
  readonly Step: "createSecret" | "setSecret" | "testSecret" | "finishSecret";
  /** The secret's ARN. */
  readonly SecretId: string;
  /** The id of the version that is to become current. */
  readonly ClientRequestToken: string;
}

const steps = { createSecret, setSecret, testSecret, finishSecret };

/**
 * Carries out one step of a rotation. Each may be repeated, and killed at any point: docs/keys.md has the table.
 *
 * @throws KeyLifecycleError what is wrong and what to do; VoximplantError, VoximplantUnavailableError and the AWS SDK's errors.
 */
export async function rotateKey(ports: RotationPorts, policy: Policy, event: RotationEvent): Promise<void> {
  const rotation = await prepare(ports, policy, event);
  // Where the version is current, only what follows the promotion can be left to do.
  const isCurrent = rotation.secret.stages.get(rotation.versionId)?.has("AWSCURRENT") ?? false;
  if (isCurrent && event.Step !== "finishSecret") return;
  try {
    await steps[event.Step](rotation);
  } catch (error) {
    if (!isRefusal(error, "authorizationFailed", "invalidKeyId")) throw error;
    throw await explainRefusal(rotation, error);
  }
}

/** The checks of AWS's own templates, and that the secret is one of ours. */
async function prepare(ports: RotationPorts, policy: Policy, event: RotationEvent): Promise<Rotation> {
  const { SecretId: secretId, ClientRequestToken: versionId } = event;
  const secret = await ports.store.describe(secretId);
  const serviceAccount = policy.serviceAccounts.find((candidate) => candidate.secret === secret.name);
  if (serviceAccount === undefined) {
    throw new KeyLifecycleError(
      `Secret ${secret.name} belongs to no service account of grants.yml, so this function does not rotate it.`,
    );
  }
  if (secret.rotationEnabled === false) {
    throw new KeyLifecycleError(
      `Rotation of secret ${secret.name} is switched off. Switch it on with RotateSecret.`,
    );
  }
  const labels = secret.stages.get(versionId);
  if (labels === undefined || !(labels.has("AWSCURRENT") || labels.has("AWSPENDING"))) {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} is not staged as AWSPENDING: the rotation it belonged to is over.`,
    );
  }
  return { ...ports, policy, serviceAccount, secret, versionId };
}
