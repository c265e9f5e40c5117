import type { OpenKey } from "../../lib/key-lifecycle/account-key.ts";
import {
  type ListedVersion,
  SecretNotFoundError,
  type SecretStore,
  type SecretVersion,
} from "../../lib/key-lifecycle/secret-store.ts";
import { parseCredentials } from "../../lib/keys/credentials-file.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { tokenClaims } from "../../lib/token/claims.ts";
import { mintToken } from "../../lib/token/mint.ts";
import type { Connection } from "../../lib/voximplant/connection.ts";
import { openManagementApi } from "../../lib/voximplant/methods.ts";
import { SecretsManagerError } from "../../local/secrets-manager/error.ts";
import type { InProcessSecretsManager } from "../../local/secrets-manager/in-process.ts";

/** As much of DescribeSecret's answer as is read here. */
interface Description {
  readonly ARN: string;
  readonly Name: string;
  readonly RotationEnabled?: boolean;
  readonly RotationRules?: { readonly AutomaticallyAfterDays?: number };
  readonly LastChangedDate: number;
  readonly VersionIdsToStages?: Readonly<Record<string, string[]>>;
  readonly ReplicationStatus?: readonly {
    readonly Region: string;
    readonly Status: string;
    readonly StatusMessage?: string;
  }[];
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[];
}

/**
 * The {@link SecretStore} on the stand-in without the AWS SDK, which takes most of the time of an
 * interleaving. The same contract as the real adapter, which every other test uses.
 *
 * @param around called around every remote call
 */
export function openDirectStore(
  secrets: InProcessSecretsManager,
  around: <T>(call: () => Promise<T>) => Promise<T>,
): SecretStore {
  const call = <T>(operation: string, input: object) =>
    around(() => secrets.call(operation, input)) as Promise<T>;
  const isA = (error: unknown, type: string) => error instanceof SecretsManagerError && error.type === type;

  const read = async (input: object): Promise<SecretVersion | undefined> => {
    try {
      const answer = await call<{ VersionId: string; SecretString: string; CreatedDate: number }>(
        "GetSecretValue",
        input,
      );
      const { VersionId: versionId, SecretString: value, CreatedDate } = answer;
      return { versionId, value, createdAt: CreatedDate * 1000 };
    } catch (error) {
      if (isA(error, "ResourceNotFoundException")) return undefined;
      throw error;
    }
  };

  return {
    async describe(secretId) {
      const answer = await call<Description>("DescribeSecret", { SecretId: secretId }).catch(
        (error: unknown) => {
          if (!isA(error, "ResourceNotFoundException")) throw error;
          throw new SecretNotFoundError(`There is no secret ${secretId}.`, { cause: error });
        },
      );
      return {
        arn: answer.ARN,
        name: answer.Name,
        rotationEnabled: answer.RotationEnabled,
        rotationDays: answer.RotationRules?.AutomaticallyAfterDays,
        lastChangedAt: answer.LastChangedDate * 1000,
        stages: new Map(
          Object.entries(answer.VersionIdsToStages ?? {}).map(([id, stages]) => [id, new Set(stages)]),
        ),
        replicas: (answer.ReplicationStatus ?? []).map(({ Region, Status, StatusMessage }) => ({
          region: Region,
          inSync: Status === "InSync",
          problem: Status === "Failed" ? (StatusMessage ?? "no reason given") : undefined,
        })),
        tags: new Map((answer.Tags ?? []).map(({ Key, Value }) => [Key, Value])),
      };
    },
    async listVersions(secretId) {
      const { Versions } = await call<{ Versions: { VersionId: string; CreatedDate: number }[] }>(
        "ListSecretVersionIds",
        { SecretId: secretId, IncludeDeprecated: true },
      );
      return Versions.map(({ VersionId, CreatedDate }): ListedVersion => ({
        versionId: VersionId,
        createdAt: CreatedDate * 1000,
      }));
    },
    readVersion: (secretId, versionId) => read({ SecretId: secretId, VersionId: versionId }),
    readCurrent: (secretId) => read({ SecretId: secretId, VersionStage: "AWSCURRENT" }),
    async putVersion({ secretId, versionId, value, stage }) {
      try {
        await call("PutSecretValue", {
          SecretId: secretId,
          ClientRequestToken: versionId,
          SecretString: value,
          VersionStages: [stage],
        });
        return "stored";
      } catch (error) {
        if (isA(error, "ResourceExistsException")) return "taken";
        throw error;
      }
    },
    async moveStage(secretId, stage, { from, to }) {
      await call("UpdateSecretVersionStage", {
        SecretId: secretId,
        VersionStage: stage,
        RemoveFromVersionId: from,
        MoveToVersionId: to,
      });
    },
    async tag(secretId, name, value) {
      await call("TagResource", { SecretId: secretId, Tags: [{ Key: name, Value: value }] });
    },
  };
}

const signingKeys = new Map<string, ReturnType<typeof importSigningKey>>();

/**
 * Opens keys as `openKeysOver` does, but imports each once, and uses a token for ten simulated
 * seconds: importing and signing take half the time of an interleaving.
 */
export function openKeysCheaply(connection: Connection): OpenKey {
  return async (credentialsFile) => {
    const imported = signingKeys.get(credentialsFile) ?? importSigningKey(parseCredentials(credentialsFile));
    signingKeys.set(credentialsFile, imported);
    const signingKey = await imported;
    const tokens = new Map<string, Promise<string>>();
    const tokenOf = (account: number) => {
      const now = Math.floor(connection.now() / 10_000) * 10_000;
      const token =
        tokens.get(`${account} ${now}`) ?? mintToken(tokenClaims(account, 60, connection.now()), signingKey);
      tokens.set(`${account} ${now}`, token);
      return token;
    };
    const apiOf = (account: number) =>
      openManagementApi(connection, async () => ({ token: await tokenOf(account) }));
    const { keyId, accountId } = signingKey;
    return { keyId, accountId, api: apiOf(accountId), apiOf };
  };
}
