import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  type SecretsManagerClient,
  TagResourceCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";

import { withholdAnswer } from "../keys/withhold-answer.ts";
import { SecretNotFoundError, type SecretStore } from "./secret-store.ts";

/**
 * The {@link SecretStore} on AWS Secrets Manager. All its writes may be repeated, so the SDK's own retries are safe.
 *
 * Permissions: secretsmanager:DescribeSecret, GetSecretValue; for rotation also PutSecretValue and
 * UpdateSecretVersionStage; for reconciliation and import TagResource.
 */
export function openSecretsManager(client: SecretsManagerClient): SecretStore {
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
        lastChangedAt: answer.LastChangedDate?.getTime() ?? Number.POSITIVE_INFINITY,
        stages: new Map(
          Object.entries(answer.VersionIdsToStages ?? {}).map(([id, stages]) => [id, new Set(stages)]),
        ),
        replicasInSync: (answer.ReplicationStatus ?? []).every(({ Status }) => Status === "InSync"),
        tags: new Map((answer.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])),
      };
    },
    async readVersion(secretId, versionId) {
      try {
        const answer = await client.send(
          new GetSecretValueCommand({ SecretId: secretId, VersionId: versionId }),
        );
        return answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString("utf8");
      } catch (error) {
        if (error instanceof ResourceNotFoundException) return undefined;
        throw withholdAnswer(error);
      }
    },
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
