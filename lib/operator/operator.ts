import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { Command } from "commander";

import { LOCAL_STAGE } from "../grants/parse.ts";
import { isLoopback } from "../voximplant/api-url.ts";
import { present, readVariable } from "../environment.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import { boundedClient, openSecretsManager } from "../key-lifecycle/secrets-manager.ts";
import { type ReadSecret, secretReader } from "../key-lifecycle/snapshot.ts";
import { type OpenKey, openKeysOver } from "../key-lifecycle/account-key.ts";
import { messageOf } from "../reconciliation/finding.ts";
import type { SecretStore } from "../key-lifecycle/secret-store.ts";
import type { Connection } from "../voximplant/connection.ts";
import { awsCredentials, awsRegion } from "../client/credentials.ts";
import { managementApiUrl } from "../cli/api.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { GRANTS_FILE, readPolicy } from "./grants-file.ts";

export interface OperatorFlags {
  readonly grants: string;
  readonly region?: string;
  readonly profile?: string;
  readonly deployment?: string;
}

/** What the commands that change or list keys need. */
export interface Operator {
  readonly policy: Policy;
  readonly store: SecretStore;
  readonly readSecret: ReadSecret;
  readonly secretsManager: SecretsManagerClient;
  readonly connection: Connection;
  readonly openKey: OpenKey;
}

export function addOperatorOptions(command: Command): Command {
  return command
    .option("--grants <file>", "the grants file, which names each service account's secret", GRANTS_FILE)
    .option(
      "--deployment <service-stage>",
      `the deployment to work on (default: VOXTOKEN_DEPLOYMENT, or ${SERVICE}-dev)`,
    )
    .option("--profile <name>", "AWS profile (default: as the AWS CLI finds it)")
    .option("--region <region>", "AWS region of the secrets (default: as the AWS SDK finds it)");
}

/** The `service` of serverless.yml. */
const SERVICE = "voximplant-token-vendor";

export function deploymentOf(
  { env }: Pick<Io, "env">,
  { deployment }: Pick<OperatorFlags, "deployment">,
): string {
  return present(deployment) ?? readVariable(env, "VOXTOKEN_DEPLOYMENT") ?? `${SERVICE}-dev`;
}

/** The stage in the deployment's name. If Secrets Manager is on this machine, `local`. */
function stageOf(io: Io, flags: OperatorFlags): string {
  const endpoint = awsEndpoint(io, "SECRETS_MANAGER");
  if (endpoint !== undefined && URL.canParse(endpoint) && isLoopback(new URL(endpoint))) return LOCAL_STAGE;
  const name = deploymentOf(io, flags);
  return name.startsWith(`${SERVICE}-`) ? name.slice(SERVICE.length + 1) : (name.split("-").at(-1) ?? name);
}

function awsEndpoint({ env }: Io, service: "LAMBDA" | "SECRETS_MANAGER"): string | undefined {
  return readVariable(env, `AWS_ENDPOINT_URL_${service}`) ?? readVariable(env, "AWS_ENDPOINT_URL");
}

export async function openOperator(io: Io, flags: OperatorFlags): Promise<Operator> {
  const policy = await readPolicy(flags.grants, stageOf(io, flags));
  const secretsManager = boundedClient(awsConfiguration(io, flags, "SECRETS_MANAGER"));
  const connection = { ...connectionOf(io), deadlineMs: 20_000 };
  const store = openSecretsManager(secretsManager);
  return {
    policy,
    store,
    readSecret: secretReader(store),
    secretsManager,
    connection,
    openKey: openKeysOver(connection),
  };
}

/** A connection to the platform that VOXIMPLANT_API_URL names, through {@link Io}. */
export function connectionOf(io: Io): Connection {
  const { fetch, now, sleep } = io;
  return { url: managementApiUrl(io), fetch, now, sleep, random: Math.random };
}

/** Region and credentials as the AWS CLI finds them. Variables are read from {@link Io}. */
export function awsConfiguration(
  io: Io,
  { region, profile }: Pick<OperatorFlags, "region" | "profile">,
  service: "LAMBDA" | "SECRETS_MANAGER",
) {
  const { env, awsClient } = io;
  const find = awsCredentials(present(profile), env);
  const endpoint = awsEndpoint(io, service);
  return {
    ...(endpoint && { endpoint }),
    region: async () => {
      const found = await awsRegion(present(region), present(profile), env);
      if (found !== undefined) return found;
      throw new CliError("no AWS region", EXIT.usage, "give --region, or set AWS_REGION");
    },
    credentials: async () => {
      const { sessionToken, ...key } = await find();
      return { ...key, ...(sessionToken === undefined ? {} : { sessionToken }) };
    },
    ...awsClient,
  };
}

export function serviceAccountOf(policy: Policy, name: string): ServiceAccount {
  const found = policy.serviceAccounts.find((serviceAccount) => serviceAccount.name === name);
  if (found !== undefined) return found;
  const known = policy.serviceAccounts.map((serviceAccount) => serviceAccount.name).join(", ");
  throw new CliError(`no service account ${name} in the grants file`, EXIT.usage, `it has ${known}`);
}

/**
 * The action of an operator's command, whose errors become one line and a hint.
 *
 * @param failed what the message begins with: `not rotated`
 */
export function orExplain<Parameters extends unknown[]>(
  failed: string,
  run: (...parameters: Parameters) => Promise<void>,
): (...parameters: Parameters) => Promise<void> {
  return async (...parameters) => {
    try {
      await run(...parameters);
    } catch (error) {
      throw explain(error, failed);
    }
  };
}

/** Whether AWS refused a call because the secret will be deleted. Only the message says so. */
export function isMarkedForDeletion(error: unknown): boolean {
  return error instanceof Error && /marked for deletion/i.test(error.message);
}

/** Turns any error of an operator's command into one line and a hint. */
export function explain(error: unknown, failed: string): CliError {
  if (error instanceof CliError) return error;
  const isDenied = error instanceof Error && error.name === "AccessDeniedException";
  const hint = isDenied
    ? "these AWS credentials lack a permission: docs/keys.md lists what each command needs"
    : isMarkedForDeletion(error)
      ? "restore the secret: `aws secretsmanager restore-secret --secret-id NAME` (docs/runbook.md#a-secret-was-deleted)"
      : undefined;
  return new CliError(`${failed}: ${messageOf(error)}`, isDenied ? EXIT.denied : EXIT.failure, hint, {
    cause: error,
  });
}
