import {
  DescribeSecretCommand,
  type GetSecretValueCommandInput,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  type RotationRulesType,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
  TagResourceCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";

import { withholdAnswer } from "../keys/fetch-secret.ts";
import {
  type ListedVersion,
  SecretNotFoundError,
  type SecretStore,
  type SecretVersion,
} from "./secret-store.ts";

/**
 * The {@link SecretStore} on AWS Secrets Manager. The SDK may send a write twice. The second
 * one changes nothing, but Secrets Manager may refuse it.
 *
 * Permissions: secretsmanager:DescribeSecret, GetSecretValue, ListSecretVersionIds; to change a key
 * also PutSecretValue and UpdateSecretVersionStage; to record roles also TagResource.
 */
export function openSecretsManager(client: SecretsManagerClient): SecretStore {
  async function read(input: GetSecretValueCommandInput): Promise<SecretVersion | undefined> {
    try {
      const answer = await client.send(new GetSecretValueCommand(input));
      return {
        versionId: answer.VersionId ?? "",
        value: answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString("utf8"),
        createdAt: answer.CreatedDate?.getTime() ?? Number.NaN,
      };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw withholdAnswer(error);
    }
  }

  return {
    async describe(secretId) {
      const answer = await client
        .send(new DescribeSecretCommand({ SecretId: secretId }))
        .catch((error: unknown) => {
          if (!(error instanceof ResourceNotFoundException)) throw error;
          throw new SecretNotFoundError(`There is no secret ${secretId} in this account and region.`, {
            cause: error,
          });
        });
      return {
        arn: answer.ARN ?? secretId,
        name: answer.Name ?? secretId,
        rotationEnabled: answer.RotationEnabled,
        rotationDays: daysOf(answer.RotationRules),
        lastChangedAt: answer.LastChangedDate?.getTime() ?? Number.POSITIVE_INFINITY,
        stages: new Map(
          Object.entries(answer.VersionIdsToStages ?? {}).map(([id, stages]) => [id, new Set(stages)]),
        ),
        replicas: (answer.ReplicationStatus ?? []).map(({ Region = "?", Status, StatusMessage }) => ({
          region: Region,
          inSync: Status === "InSync",
          problem: Status === "Failed" ? (StatusMessage ?? "no reason given") : undefined,
        })),
        tags: new Map((answer.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])),
      };
    },
    async listVersions(secretId) {
      const versions: ListedVersion[] = [];
      let NextToken: string | undefined;
      do {
        const page = await client.send(
          new ListSecretVersionIdsCommand({ SecretId: secretId, IncludeDeprecated: true, NextToken }),
        );
        for (const { VersionId, CreatedDate } of page.Versions ?? []) {
          if (VersionId !== undefined)
            versions.push({ versionId: VersionId, createdAt: CreatedDate?.getTime() ?? Number.NaN });
        }
        NextToken = page.NextToken;
      } while (NextToken !== undefined);
      return versions;
    },
    readVersion: (secretId, versionId) => read({ SecretId: secretId, VersionId: versionId }),
    readCurrent: (secretId) => read({ SecretId: secretId, VersionStage: "AWSCURRENT" }),
    async putVersion({ secretId, versionId, value, stage }) {
      try {
        await client.send(
          new PutSecretValueCommand({
            SecretId: secretId,
            ClientRequestToken: versionId,
            SecretString: value,
            VersionStages: [stage],
          }),
        );
        return "stored";
      } catch (error) {
        if (error instanceof ResourceExistsException) return "taken";
        throw error;
      }
    },
    async moveStage(secretId, stage, { from, to }) {
      await client.send(
        new UpdateSecretVersionStageCommand({
          SecretId: secretId,
          VersionStage: stage,
          RemoveFromVersionId: from,
          MoveToVersionId: to,
        }),
      );
    },
    async tag(secretId, name, value) {
      await client.send(new TagResourceCommand({ SecretId: secretId, Tags: [{ Key: name, Value: value }] }));
    },
  };
}

/**
 * Creates a client whose calls have a time limit. Without one, a lost connection uses up the whole
 * time of a function.
 */
export function boundedClient(configuration: SecretsManagerClientConfig = {}): SecretsManagerClient {
  return new SecretsManagerClient({
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
    ...configuration,
  });
}

/** @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html */
function daysOf(rules: RotationRulesType | undefined): number | undefined {
  if (rules?.AutomaticallyAfterDays !== undefined) return rules.AutomaticallyAfterDays;
  const [, count, unit] = /^rate\((\d+) (hour|day)s?\)$/.exec(rules?.ScheduleExpression ?? "") ?? [];
  if (count === undefined) return undefined;
  return unit === "hour" ? Number(count) / 24 : Number(count);
}
