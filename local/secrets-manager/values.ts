import * as z from "zod";
import { invalidParameter, invalidRequest, notFound, SecretsManagerError } from "./error.ts";
import { moveStage, sameContent, type Secret, type SecretContent, versionWithStage } from "./secret.ts";
import { findActiveSecret, findVersion, newArn, seconds, type SecretsState } from "./state.ts";
import { requestToken, requireToken, secretId, secretName } from "./wire.ts";

/**
 * 1 to 65,536 bytes. The API reference gives the number, and the quotas page gives the unit.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
 */
const MAX_VALUE_BYTES = 65_536;
const content = {
  SecretString: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= MAX_VALUE_BYTES, {
      error: "Member must have length less than or equal to 65536",
    })
    .optional(),
  SecretBinary: z
    .base64()
    .min(1)
    .refine((text) => Buffer.from(text, "base64").length <= MAX_VALUE_BYTES, {
      error: "Member must have length less than or equal to 65536",
    })
    .optional(),
};
const tags = z.array(z.object({ Key: z.string(), Value: z.string() })).optional();

export const createSecretInput = z.object({
  Name: secretName,
  ClientRequestToken: requestToken.optional(),
  Description: z.string().optional(),
  KmsKeyId: z.string().optional(),
  Tags: tags,
  ...content,
});

export function createSecret(state: SecretsState, input: z.infer<typeof createSecretInput>) {
  const { Name: name } = input;
  const value = contentOf(input);
  const token = value === undefined ? undefined : requireToken(input.ClientRequestToken);
  const existing = state.secrets.get(name);
  if (existing?.deletedDate !== undefined) {
    throw invalidRequest(
      "You can't create this secret because a secret with this name is already scheduled for deletion.",
    );
  }
  if (existing !== undefined) {
    const version = token === undefined ? undefined : existing.versions.get(token);
    const repeated =
      version?.content !== undefined && value !== undefined && sameContent(version.content, value);
    if (repeated) return { ARN: existing.arn, Name: name, VersionId: token };
    throw new SecretsManagerError(
      "ResourceExistsException",
      `The operation failed because the secret ${name} already exists.`,
    );
  }
  const now = seconds(state);
  const secret: Secret = {
    name,
    arn: newArn(state, name),
    ...(input.Description !== undefined && { description: input.Description }),
    ...(input.KmsKeyId !== undefined && { kmsKeyId: input.KmsKeyId }),
    ...(input.Tags !== undefined && { tags: input.Tags }),
    createdDate: now,
    lastChangedDate: now,
    versions: new Map(),
  };
  state.secrets.set(name, secret);
  if (value === undefined || token === undefined) return { ARN: secret.arn, Name: name };
  putVersion(state, secret, token, value, ["AWSCURRENT"]);
  return { ARN: secret.arn, Name: name, VersionId: token };
}

export const putSecretValueInput = z.object({
  SecretId: secretId,
  ClientRequestToken: requestToken.optional(),
  VersionStages: z.array(z.string().min(1).max(256)).min(1).max(20).optional(),
  RotationToken: z.string().optional(),
  ...content,
});

export function putSecretValue(state: SecretsState, input: z.infer<typeof putSecretValueInput>) {
  const value = contentOf(input);
  const token = requireToken(input.ClientRequestToken);
  const secret = findActiveSecret(state, input.SecretId);
  if (value === undefined) throw invalidRequest("You must provide either SecretString or SecretBinary.");
  const stages = putVersion(state, secret, token, value, input.VersionStages ?? ["AWSCURRENT"]);
  return { ARN: secret.arn, Name: secret.name, VersionId: token, VersionStages: stages };
}

export const updateSecretInput = z.object({
  SecretId: secretId,
  ClientRequestToken: requestToken.optional(),
  Description: z.string().optional(),
  KmsKeyId: z.string().optional(),
  ...content,
});

export function updateSecret(state: SecretsState, input: z.infer<typeof updateSecretInput>) {
  const value = contentOf(input);
  const token = value === undefined ? undefined : requireToken(input.ClientRequestToken);
  const secret = findActiveSecret(state, input.SecretId);
  // First, because it may throw: a call changes everything or nothing.
  if (value !== undefined && token !== undefined) putVersion(state, secret, token, value, ["AWSCURRENT"]);
  if (input.Description !== undefined) secret.description = input.Description;
  if (input.KmsKeyId !== undefined) secret.kmsKeyId = input.KmsKeyId;
  secret.lastChangedDate = seconds(state);
  return { ARN: secret.arn, Name: secret.name, ...(token !== undefined && { VersionId: token }) };
}

export const getSecretValueInput = z.object({
  SecretId: secretId,
  VersionId: requestToken.optional(),
  VersionStage: z.string().min(1).max(256).optional(),
});

export function getSecretValue(state: SecretsState, input: z.infer<typeof getSecretValueInput>) {
  const secret = findActiveSecret(state, input.SecretId);
  const stage = input.VersionStage ?? (input.VersionId === undefined ? "AWSCURRENT" : undefined);
  const version =
    input.VersionId === undefined
      ? versionWithStage(secret, stage ?? "AWSCURRENT")
      : findVersion(secret, input.VersionId);
  if (version?.content === undefined) {
    throw notFound(
      input.VersionId === undefined
        ? `secret value for staging label: ${stage ?? "AWSCURRENT"}`
        : `secret value for VersionId: ${input.VersionId}`,
    );
  }
  if (stage !== undefined && !version.stages.has(stage)) {
    throw invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.");
  }
  return {
    ARN: secret.arn,
    Name: secret.name,
    VersionId: version.id,
    ...version.content,
    VersionStages: [...version.stages],
    CreatedDate: version.createdDate,
  };
}

export const updateSecretVersionStageInput = z.object({
  SecretId: secretId,
  VersionStage: z.string().min(1).max(256),
  RemoveFromVersionId: requestToken.optional(),
  MoveToVersionId: requestToken.optional(),
});

export function updateSecretVersionStage(
  state: SecretsState,
  input: z.infer<typeof updateSecretVersionStageInput>,
) {
  const { VersionStage: stage, RemoveFromVersionId: from, MoveToVersionId: to } = input;
  const secret = findActiveSecret(state, input.SecretId);
  const holder = versionWithStage(secret, stage);
  if (from !== undefined && !findVersion(secret, from).stages.has(stage)) {
    throw invalidParameter(
      `The staging label ${stage} is not attached to the version ${from} in RemoveFromVersionId.`,
    );
  }
  if (to === undefined) {
    if (from === undefined) {
      throw invalidParameter("You must provide MoveToVersionId or RemoveFromVersionId, or both.");
    }
    if (stage === "AWSCURRENT") {
      throw invalidParameter(
        "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.",
      );
    }
    holder?.stages.delete(stage);
  } else {
    const target = findVersion(secret, to);
    if (holder !== undefined && holder !== target && from === undefined) {
      throw invalidParameter(
        `The parameter RemoveFromVersionId can't be empty. Staging label ${stage} is currently attached to version ${holder.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
      );
    }
    const { promotedByUpdate: promoted, demotedByUpdate: demoted } = state.labels;
    moveStage(secret, stage, target, { promoted, demoted });
  }
  secret.lastChangedDate = seconds(state);
  return { ARN: secret.arn, Name: secret.name };
}

/**
 * Creates a version, or stores the value in the empty one that RotateSecret created. The same token
 * with the same value is a repeated request; with another value it is refused. The first version of
 * a secret is always current.
 */
function putVersion(
  state: SecretsState,
  secret: Secret,
  token: string,
  value: SecretContent,
  stages: readonly string[],
): string[] {
  const existing = secret.versions.get(token);
  if (existing?.content !== undefined) {
    if (sameContent(existing.content, value)) return [...existing.stages];
    throw new SecretsManagerError(
      "ResourceExistsException",
      `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secret.arn}.`,
    );
  }
  const version = existing ?? { id: token, createdDate: seconds(state), stages: new Set<string>() };
  version.content = value;
  secret.versions.set(token, version);
  secret.lastChangedDate = seconds(state);
  const currentBefore = versionWithStage(secret, "AWSCURRENT");
  const becomesCurrent = { promoted: "kept", demoted: state.labels.demotedByPut } as const;
  for (const stage of stages) moveStage(secret, stage, version, becomesCurrent);
  if (versionWithStage(secret, "AWSCURRENT") === undefined) moveStage(secret, "AWSCURRENT", version);
  if (stages.includes("AWSCURRENT") && state.labels.otherOnPut === "removed") {
    for (const other of secret.versions.values())
      if (other !== version && other !== currentBefore) other.stages.delete("AWSPENDING");
  }
  return [...version.stages];
}

function contentOf(input: {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: string | undefined;
}): SecretContent | undefined {
  const { SecretString, SecretBinary } = input;
  if (SecretString !== undefined && SecretBinary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  if (SecretString !== undefined) return { SecretString };
  return SecretBinary === undefined ? undefined : { SecretBinary };
}
