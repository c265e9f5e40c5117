import * as z from "zod";
import { invalidParameter, SecretsManagerError } from "./error.ts";
import { nextRotationDate } from "./rotation.ts";
import type { Secret, SecretVersion } from "./secret.ts";
import { findActiveSecret, findSecret, hasSecret, newArn, seconds, type SecretsState } from "./state.ts";
import { secretId } from "./wire.ts";

export const describeSecretInput = z.object({ SecretId: secretId });

export function describeSecret(state: SecretsState, input: z.infer<typeof describeSecretInput>) {
  const secret = findSecret(state, input.SecretId);
  const stages = stagesByVersion(secret);
  return {
    ...summary(secret),
    ...(Object.keys(stages).length > 0 && { VersionIdsToStages: stages }),
    ...(secret.replicas !== undefined &&
      secret.replicas.length > 0 && { ReplicationStatus: secret.replicas }),
  };
}

const page = {
  MaxResults: z.int().min(1).max(100).optional(),
  NextToken: z.string().optional(),
};

export const listSecretsInput = z.object({
  ...page,
  IncludePlannedDeletion: z.boolean().optional(),
  Filters: z
    .array(
      z.object({
        Key: z.enum(["all", "name", "description", "tag-key", "tag-value"]),
        Values: z.array(z.string()).min(1),
      }),
    )
    .optional(),
});

export function listSecrets(state: SecretsState, input: z.infer<typeof listSecretsInput>) {
  const matching = [...state.secrets.values()].filter(
    (secret) =>
      (input.IncludePlannedDeletion === true || secret.deletedDate === undefined) &&
      (input.Filters ?? []).every((filter) => filter.Values.some((value) => fits(secret, filter.Key, value))),
  );
  const { items, next } = paginate(matching, input);
  return {
    SecretList: items.map((secret) => {
      const stages = stagesByVersion(secret);
      return {
        ...summary(secret),
        ...(Object.keys(stages).length > 0 && { SecretVersionsToStages: stages }),
      };
    }),
    ...next,
  };
}

export const listSecretVersionIdsInput = z.object({
  SecretId: secretId,
  ...page,
  IncludeDeprecated: z.boolean().optional(),
});

export function listSecretVersionIds(state: SecretsState, input: z.infer<typeof listSecretVersionIdsInput>) {
  const secret = findSecret(state, input.SecretId);
  const versions = [...secret.versions.values()].filter(
    (version) => input.IncludeDeprecated === true || version.stages.size > 0,
  );
  const { items, next } = paginate(versions, input);
  return { ARN: secret.arn, Name: secret.name, Versions: items.map(versionSummary), ...next };
}

export const deleteSecretInput = z.object({
  SecretId: secretId,
  RecoveryWindowInDays: z.int().optional(),
  ForceDeleteWithoutRecovery: z.boolean().optional(),
});

export function deleteSecret(state: SecretsState, input: z.infer<typeof deleteSecretInput>) {
  const { RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: force } = input;
  if (force === true && days !== undefined) {
    throw invalidParameter(
      "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
    );
  }
  if (days !== undefined && (days < 7 || days > 30)) {
    throw invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).");
  }
  if (force === true && !hasSecret(state, input.SecretId)) return deletedBefore(state, input.SecretId);
  const secret = force === true ? findSecret(state, input.SecretId) : findActiveSecret(state, input.SecretId);
  secret.deletedDate = seconds(state);
  if (force === true) state.secrets.delete(secret.name);
  const delay = force === true ? 0 : (days ?? 30) * 86_400;
  return { ARN: secret.arn, Name: secret.name, DeletionDate: secret.deletedDate + delay };
}

/**
 * "If you forcibly delete an already deleted or nonexistent secret, the operation does not return
 * ResourceNotFoundException." It answers as if the secret had been there.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
 */
function deletedBefore(state: SecretsState, id: string) {
  const arn = id.startsWith("arn:") ? id : newArn(state, id);
  return { ARN: arn, Name: arn.split(":").slice(6).join(":").slice(0, -7), DeletionDate: seconds(state) };
}

export const restoreSecretInput = z.object({ SecretId: secretId });

export function restoreSecret(state: SecretsState, input: z.infer<typeof restoreSecretInput>) {
  const secret = findSecret(state, input.SecretId);
  delete secret.deletedDate;
  return { ARN: secret.arn, Name: secret.name };
}

export const tagResourceInput = z.object({
  SecretId: secretId,
  Tags: z.array(z.object({ Key: z.string().min(1).max(128), Value: z.string().max(256) })),
});

export function tagResource(state: SecretsState, input: z.infer<typeof tagResourceInput>) {
  const secret = findActiveSecret(state, input.SecretId);
  const named = new Set(input.Tags.map(({ Key }) => Key));
  secret.tags = [...(secret.tags ?? []).filter(({ Key }) => !named.has(Key)), ...input.Tags];
  secret.lastChangedDate = seconds(state);
  return {};
}

/**
 * Fields that AWS omits are undefined here, and so absent from the JSON: an empty description,
 * rotation if it was never turned on, tags if there never were any. LocalStack's recordings of AWS
 * show it: tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json.
 */
function summary(secret: Secret) {
  const { rotation } = secret;
  return {
    ARN: secret.arn,
    Name: secret.name,
    Description: secret.description === "" ? undefined : secret.description,
    KmsKeyId: secret.kmsKeyId,
    CreatedDate: secret.createdDate,
    LastChangedDate: secret.lastChangedDate,
    DeletedDate: secret.deletedDate,
    Tags: secret.tags,
    ...(rotation !== undefined && {
      RotationEnabled: rotation.enabled,
      RotationLambdaARN: rotation.lambdaArn,
      ...(Object.keys(rotation.rules).length > 0 && { RotationRules: rotation.rules }),
      LastRotatedDate: rotation.lastRotatedDate,
      NextRotationDate: nextRotationDate(secret),
    }),
  };
}

/** Versions without a label are deprecated, and not shown. */
function stagesByVersion(secret: Secret): Record<string, string[]> {
  const labelled = [...secret.versions.values()].filter((version) => version.stages.size > 0);
  return Object.fromEntries(labelled.map((version) => [version.id, [...version.stages]]));
}

function versionSummary(version: SecretVersion) {
  return {
    VersionId: version.id,
    ...(version.stages.size > 0 && { VersionStages: [...version.stages] }),
    CreatedDate: version.createdDate,
    KmsKeyIds: ["DefaultEncryptionKey"],
  };
}

/** A filter matches a prefix. A filter that begins with `!` matches everything else. */
function fits(secret: Secret, key: string, value: string): boolean {
  if (value.startsWith("!")) return !fits(secret, key, value.slice(1));
  const texts: Record<string, readonly string[]> = {
    name: [secret.name],
    description: [secret.description ?? ""],
    "tag-key": (secret.tags ?? []).map((tag) => tag.Key),
    "tag-value": (secret.tags ?? []).map((tag) => tag.Value),
  };
  const candidates = key === "all" ? Object.values(texts).flat() : (texts[key] ?? []);
  return candidates.some((text) => text.startsWith(value));
}

function paginate<T>(
  all: readonly T[],
  input: { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined },
): { items: T[]; next: { NextToken?: string } } {
  const start = input.NextToken === undefined ? 0 : Number(input.NextToken);
  if (!Number.isInteger(start)) {
    throw new SecretsManagerError("InvalidNextTokenException", "The NextToken value is invalid.");
  }
  const end = start + (input.MaxResults ?? 100);
  return { items: all.slice(start, end), next: end < all.length ? { NextToken: String(end) } : {} };
}
