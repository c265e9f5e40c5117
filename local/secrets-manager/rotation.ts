import * as z from "zod";
import { invalidParameter, invalidRequest } from "./error.ts";
import { moveStage, type Secret, type SecretVersion, versionWithStage } from "./secret.ts";
import { findActiveSecret, type RotationEvent, seconds, type SecretsState } from "./state.ts";
import { requestToken, requireToken, secretId } from "./wire.ts";

export const rotateSecretInput = z.object({
  SecretId: secretId,
  ClientRequestToken: requestToken.optional(),
  RotationLambdaARN: z.string().max(2048).optional(),
  RotationRules: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  RotateImmediately: z.boolean().optional(),
});

/**
 * Every 30 days, as serverless.yml has it. The stand-in keeps no schedule: RotateSecret starts each
 * rotation.
 */
export function enabledRotation(
  state: SecretsState,
  lambdaArn: string,
): NonNullable<Secret["rotation"]> & { enabledDate: number } {
  return { enabled: true, lambdaArn, rules: { AutomaticallyAfterDays: 30 }, enabledDate: seconds(state) };
}

/**
 * The end of the day on which the next rotation is due, as AWS reports it ("on or before this
 * date"). For a rate in hours, the time itself. Undefined if rotation is off or its schedule is a
 * cron expression.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
 */
export function nextRotationDate({ rotation, createdDate }: Secret): number | undefined {
  if (rotation?.enabled !== true) return undefined;
  const { AutomaticallyAfterDays: days, ScheduleExpression: schedule = "" } = rotation.rules;
  const [, every, unit] = /^rate\((\d+) (hour|day)s?\)$/.exec(String(schedule)) ?? [];
  const from = rotation.lastRotatedDate ?? rotation.enabledDate ?? createdDate;
  if (unit === "hour") return from + Number(every) * 3600;
  const period = days ?? every;
  return period === undefined ? undefined : (Math.floor(from / 86_400) + Number(period) + 1) * 86_400 - 1;
}

/**
 * Starts a rotation and returns at once, as AWS does. It creates an empty version with the label
 * `AWSPENDING` and calls the function for the four steps. A step that fails ends the rotation.
 *
 * While `AWSPENDING` is on a version that is not current, RotateSecret continues with that version
 * and answers with an error. AWS documents the error, and its text says that the rotation is
 * reattempted. Terraform's runs against AWS report the same text:
 * https://github.com/hashicorp/terraform-provider-aws,
 * internal/service/secretsmanager/secret_rotation_test.go.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 */
export function rotateSecret(state: SecretsState, input: z.infer<typeof rotateSecretInput>) {
  const token = requireToken(input.ClientRequestToken, invalidParameter);
  const secret = findActiveSecret(state, input.SecretId);
  const lambdaArn = input.RotationLambdaARN ?? secret.rotation?.lambdaArn;
  if (lambdaArn === undefined) {
    throw invalidRequest("No Lambda rotation function ARN is associated with this secret.");
  }
  secret.rotation = {
    ...enabledRotation(state, lambdaArn),
    ...secret.rotation,
    enabled: true,
    lambdaArn,
    ...(input.RotationRules && { rules: input.RotationRules }),
  };
  if (input.RotateImmediately === false) {
    start(state, testConfiguration(state, secret, token));
    return { ARN: secret.arn, Name: secret.name };
  }
  const pending = versionWithStage(secret, "AWSPENDING");
  if (pending !== undefined && pending.id !== token && !pending.stages.has("AWSCURRENT")) {
    start(state, runSteps(state, secret, pending));
    throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
  }
  start(state, runSteps(state, secret, addPending(state, secret, token)));
  return { ARN: secret.arn, Name: secret.name, VersionId: token };
}

export const cancelRotateSecretInput = z.object({ SecretId: secretId });

/** Turns rotation off. The version of a failed rotation keeps its labels, as on AWS. */
export function cancelRotateSecret(state: SecretsState, input: z.infer<typeof cancelRotateSecretInput>) {
  const secret = findActiveSecret(state, input.SecretId);
  if (secret.rotation !== undefined) secret.rotation.enabled = false;
  return { ARN: secret.arn, Name: secret.name };
}

function addPending(state: SecretsState, secret: Secret, token: string): SecretVersion {
  const version = secret.versions.get(token) ?? {
    id: token,
    createdDate: seconds(state),
    stages: new Set<string>(),
  };
  secret.versions.set(token, version);
  moveStage(secret, "AWSPENDING", version);
  return version;
}

/** The rotation function failed. */
class FunctionFailed extends Error {
  override readonly name = "FunctionFailed";
}

function start(state: SecretsState, rotation: Promise<void>): void {
  const settled = rotation.catch((error: unknown) => {
    // As on AWS, only the labels show the failure. The function that failed has its own log.
    if (error instanceof FunctionFailed) return;
    console.error("The Secrets Manager stand-in failed in a rotation:", error);
  });
  state.rotations.add(settled);
  void settled.then(() => state.rotations.delete(settled));
}

async function runSteps(state: SecretsState, secret: Secret, version: SecretVersion): Promise<void> {
  for (const Step of ["createSecret", "setSecret", "testSecret", "finishSecret"] as const) {
    await invoke(state, { Step, SecretId: secret.arn, ClientRequestToken: version.id });
  }
  if (!version.stages.has("AWSCURRENT")) return;
  if (secret.rotation !== undefined) secret.rotation.lastRotatedDate = seconds(state);
  if (state.labels.afterRotation === "removed") version.stages.delete("AWSPENDING");
}

/**
 * Without an immediate rotation, AWS tests the function: it creates a pending version, calls
 * `testSecret`, and removes the version's label.
 */
async function testConfiguration(state: SecretsState, secret: Secret, token: string): Promise<void> {
  const version = addPending(state, secret, token);
  try {
    await invoke(state, { Step: "testSecret", SecretId: secret.arn, ClientRequestToken: token });
  } finally {
    version.stages.delete("AWSPENDING");
  }
}

async function invoke(state: SecretsState, event: RotationEvent): Promise<void> {
  // Not in the same turn: RotateSecret answers before the function runs.
  await new Promise((resolve) => setImmediate(resolve));
  if (state.rotate === undefined) throw new Error("There is no rotation function behind this stand-in.");
  try {
    await state.rotate(event);
  } catch (cause) {
    throw new FunctionFailed("The rotation function failed.", { cause });
  }
}
