import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { readVariable } from "../../lib/environment.ts";

/** A running Secrets Manager to use instead of the stand-in. */
export interface ExternalSecretsManager {
  readonly url: string;
  /** `AWS_REGION` and credentials, for the functions and for this process. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Creates missing secrets. Existing ones stay unchanged.
 *
 * @param secrets values by name.
 * @param warn called for each secret that could be neither read nor created. The functions then
 *   report the same when they are called.
 * @returns the values that the server now has, without those that failed.
 */
export async function provideSecrets(
  { url, env }: ExternalSecretsManager,
  secrets: ReadonlyMap<string, string>,
  warn: (message: string) => void,
): Promise<Map<string, string>> {
  const sessionToken = readVariable(env, "AWS_SESSION_TOKEN");
  const client = new SecretsManagerClient({
    endpoint: url,
    region: readVariable(env, "AWS_REGION") ?? "us-east-1",
    credentials: {
      accessKeyId: readVariable(env, "AWS_ACCESS_KEY_ID") ?? "",
      secretAccessKey: readVariable(env, "AWS_SECRET_ACCESS_KEY") ?? "",
      ...(sessionToken !== undefined && { sessionToken }),
    },
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });
  const found = new Map<string, string>();
  for (const [name, value] of secrets) {
    try {
      found.set(name, await readOrCreate(client, name, value));
    } catch (error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      warn(`The secret ${name} cannot be read from ${url} and was not created there: ${reason}`);
    }
  }
  client.destroy();
  return found;
}

async function readOrCreate(client: SecretsManagerClient, name: string, value: string): Promise<string> {
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: name }));
    return SecretString ?? "";
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    await client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
    return value;
  }
}
