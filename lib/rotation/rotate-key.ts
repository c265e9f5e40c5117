import * as z from "zod/mini";
import type { Policy } from "../grants/policy.ts";
import { parseCredentials } from "../keys/credentials-file.ts";
import { checkAccount, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { type SecretState, versionWith } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, readUntil } from "../key-lifecycle/settle.ts";
import { isSupersededVersion } from "../key-lifecycle/snapshot.ts";
import { createSecret } from "./create-secret.ts";
import { endRotation, explainRefusal } from "./end-rotation.ts";
import { finishSecret, setSecret, testSecret } from "./later-steps.ts";
import type { Rotation, RotationPorts } from "./rotation.ts";

const steps = { createSecret, setSecret, testSecret, finishSecret };

/**
 * The event that Secrets Manager sends.
 *
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 */
export const RotationEvent = z.object({
  Step: z.enum(["createSecret", "setSecret", "testSecret", "finishSecret"]),
  /** The secret's ARN. */
  SecretId: z.string().check(z.minLength(1)),
  /** The id of the version that is to become current. */
  ClientRequestToken: z.string().check(z.minLength(1)),
});
export type RotationEvent = z.infer<typeof RotationEvent>;

/**
 * Runs one step of a rotation. It is safe to repeat a step, and to kill it at any point: see the
 * two tables in docs/keys.md#rotation-step-by-step.
 *
 * @throws KeyLifecycleError says what is wrong and what to do
 * @throws VoximplantError, VoximplantUnavailableError and the AWS SDK's errors
 */
export async function rotateKey(ports: RotationPorts, policy: Policy, event: RotationEvent): Promise<void> {
  const rotation = await prepare(ports, policy, event);
  // If the version is current already, an earlier attempt of this rotation made it current in
  // finishSecret, and was interrupted before the end of that step. The steps before finishSecret
  // are complete, so they are skipped.
  const isCurrent = versionWith("AWSCURRENT", rotation.secret) === rotation.versionId;
  if (isCurrent && event.Step !== "finishSecret") return;
  try {
    await steps[event.Step](rotation);
  } catch (error) {
    if (!isUnknownKey(error)) throw error;
    throw await explainRefusal(rotation, error);
  }
}

/**
 * Reads the current and the pending version of the secret. Makes the same checks as the rotation
 * functions that AWS publishes as templates. Also checks that grants.yml names the secret, and that
 * the version may become current: see isSupersededVersion in snapshot.ts.
 */
async function prepare(ports: RotationPorts, policy: Policy, event: RotationEvent): Promise<Rotation> {
  const { store } = ports;
  const { SecretId: secretId, ClientRequestToken: versionId } = event;
  // Secrets Manager has just labelled the version. A read may still return the labels from before.
  const secret = await readUntil(
    () => store.describe(secretId),
    (state) => isStaged(state, versionId),
    ports,
  );
  if (!isStaged(secret, versionId)) {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} does not have the label AWSPENDING. The rotation to this version has ended.`,
    );
  }
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

  const currentId = versionWith("AWSCURRENT", secret);
  const current = currentId === undefined ? undefined : await store.readVersion(secret.arn, currentId);
  const mayBeEmpty = event.Step === "createSecret" || current === undefined;
  const pending = await readUntil(
    () => store.readVersion(secret.arn, versionId),
    (version) => mayBeEmpty || version !== undefined,
    ports,
  );
  const createdAt = (id: string) => [current, pending].find((one) => one?.versionId === id)?.createdAt;
  if (isSupersededVersion(versionId, secret, createdAt)) {
    // The key in this version may have leaked. Only an operator's rollback makes it current again.
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} was current before or is older than the current version, so ` +
        `this rotation does not make it current. ${await endRotation(store, secret, versionId)}`,
    );
  }
  for (const version of [current, pending])
    if (version !== undefined) checkAccount(serviceAccount, parseCredentials(version.value));
  return { ...ports, policy, serviceAccount, secret, versionId, current, pending };
}

function isStaged({ stages }: SecretState, versionId: string): boolean {
  const labels = stages.get(versionId);
  return labels !== undefined && (labels.has("AWSCURRENT") || labels.has("AWSPENDING"));
}
