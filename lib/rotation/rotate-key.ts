import * as z from "zod/mini";
import type { Policy } from "../grants/policy.ts";
import { parseCredentials } from "../keys/credentials-file.ts";
import { checkAccount, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { type SecretState, type SecretVersion, versionWith } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, SETTLING_PAUSES_MS, STORE_PAUSES } from "../key-lifecycle/settle.ts";
import { isSupersededVersion } from "../key-lifecycle/snapshot.ts";
import { createSecret } from "./create-secret.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { finishSecret } from "./finish-secret.ts";
import type { Rotation, RotationPorts } from "./rotation.ts";
import { setSecret } from "./set-secret.ts";
import { testSecret } from "./test-secret.ts";

const steps = { createSecret, setSecret, testSecret, finishSecret };

/**
 * What Secrets Manager sends.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
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
 * Runs one step of a rotation. Each may be repeated, and killed at any point: docs/keys.md has the table.
 *
 * @throws KeyLifecycleError what is wrong and what to do; VoximplantError, VoximplantUnavailableError and the AWS SDK's
 * errors.
 */
export async function rotateKey(ports: RotationPorts, policy: Policy, event: RotationEvent): Promise<void> {
  const rotation = await prepare(ports, policy, event);
  // Where the version is current, only what follows the promotion can be left to do.
  const isCurrent = rotation.secret.stages.get(rotation.versionId)?.has("AWSCURRENT") ?? false;
  if (isCurrent && event.Step !== "finishSecret") return;
  try {
    await steps[event.Step](rotation);
  } catch (error) {
    if (!isUnknownKey(error)) throw error;
    throw await explainRefusal(rotation, error);
  }
}

/** The checks of AWS's own templates; that grants.yml names the secret; and that the version was never current before. */
async function prepare(ports: RotationPorts, policy: Policy, event: RotationEvent): Promise<Rotation> {
  const { store } = ports;
  const { SecretId: secretId, ClientRequestToken: versionId } = event;
  const secret = await describeStaged(ports, secretId, versionId);
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
  const isEmptyExpected = event.Step === "createSecret" || current === undefined;
  const pending = await readSoon(ports, secret, versionId, isEmptyExpected ? 0 : STORE_PAUSES);
  const createdAt = (id: string) => [current, pending].find((one) => one?.versionId === id)?.createdAt;
  if (isSupersededVersion(versionId, secret, createdAt)) {
    throw await endRotation(ports, secret, versionId);
  }
  for (const version of [current, pending])
    if (version !== undefined) checkAccount(serviceAccount, parseCredentials(version.value));
  return { ...ports, policy, serviceAccount, secret, versionId, current, pending };
}

/** Secrets Manager's reads may lag behind the write that staged the version. */
async function describeStaged(
  { store, sleep }: RotationPorts,
  secretId: string,
  versionId: string,
): Promise<SecretState> {
  let secret = await store.describe(secretId);
  for (const pause of SETTLING_PAUSES_MS.slice(0, STORE_PAUSES)) {
    if (isStaged(secret, versionId)) return secret;
    await sleep(pause);
    secret = await store.describe(secretId);
  }
  if (isStaged(secret, versionId)) return secret;
  throw new KeyLifecycleError(
    `Version ${versionId} of secret ${secret.name} does not have the label AWSPENDING. ` +
      "The rotation that it belonged to is over.",
  );
}

function isStaged({ stages }: SecretState, versionId: string): boolean {
  const labels = stages.get(versionId);
  return labels !== undefined && (labels.has("AWSCURRENT") || labels.has("AWSPENDING"));
}

async function readSoon(
  { store, sleep }: RotationPorts,
  { arn }: SecretState,
  versionId: string,
  pauses: number,
): Promise<SecretVersion | undefined> {
  for (const pause of SETTLING_PAUSES_MS.slice(0, pauses)) {
    const version = await store.readVersion(arn, versionId);
    if (version !== undefined) return version;
    await sleep(pause);
  }
  return store.readVersion(arn, versionId);
}

/**
 * A version that was current before must not become current again: its key may be the one that leaked. Without its label,
 * the next `RotateSecret` starts a new rotation instead of going on with this one.
 */
async function endRotation(
  { store }: RotationPorts,
  { arn, name }: SecretState,
  versionId: string,
): Promise<KeyLifecycleError> {
  await store.moveStage(arn, "AWSPENDING", { from: versionId, to: undefined });
  return new KeyLifecycleError(
    `Version ${versionId} of secret ${name} is older than the current version, so it does not become current again. ` +
      "It is no longer labelled AWSPENDING. Rotate again to get a new key.",
  );
}
