import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  type LambdaClientConfig,
  ResourceNotFoundException,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdated,
} from "@aws-sdk/client-lambda";

import type { EpochMs } from "../epoch.ts";
import { serviceAccountsFor, type Policy } from "../grants/policy.ts";
import { messageOf } from "./finding.ts";

/**
 * The functions whose containers hold keys between requests. Without a grant of methods there is no
 * call-method, nor the permission to look for it.
 */
export function functionsThatHoldKeys(policy: Policy, deployment: string): readonly string[] {
  const names =
    serviceAccountsFor("calls", policy).length > 0 ? ["vend-token", "call-method"] : ["vend-token"];
  return names.map((name) => `${deployment}-${name}`);
}

/**
 * Makes the warm containers of functions drop their keys: changes an environment variable, and
 * Lambda then starts new containers. No code reads the variable. The other variables stay. Lambda
 * refuses the change if the function was changed after it was read (RevisionId).
 *
 * Permissions on the functions, in each region: lambda:GetFunctionConfiguration and
 * UpdateFunctionConfiguration.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 * @returns what was done, for people
 * @throws Error some containers may keep their keys; the message names each region and function. A
 *   missing function is an error too, because its region then has another grants.yml.
 */
export async function forgetKeys(
  functionNames: readonly string[],
  regions: readonly string[],
  now: EpochMs,
  configuration: LambdaClientConfig = {},
): Promise<string> {
  const places = regions.flatMap((region) => functionNames.map((name) => ({ region, name })));
  const failures = await Promise.all(
    places.map(async ({ region, name }) => {
      try {
        await startNewContainers(name, now, { ...configuration, region });
        return [];
      } catch (error) {
        return [`${region}: ${explain(error, name)}`];
      }
    }),
  );
  const messages = failures.flat();
  if (messages.length > 0) throw new Error(messages.join(" "));
  return `new containers of ${functionNames.join(" and ")} start in ${regions.join(", ")}`;
}

async function startNewContainers(
  FunctionName: string,
  now: EpochMs,
  configuration: LambdaClientConfig,
): Promise<void> {
  // By default the SDK waits for ever, and a region that fails must not use up a revocation's time.
  const client = new LambdaClient({
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
    ...configuration,
  });
  try {
    const { Environment, RevisionId } = await client.send(
      new GetFunctionConfigurationCommand({ FunctionName }),
    );
    // Without this, the function would lose its variables.
    const unreadable = Environment?.Error?.ErrorCode;
    if (unreadable !== undefined) throw new Error(`Lambda could not read its variables: ${unreadable}`);
    const Variables = { ...Environment?.Variables, KEYS_FORGOTTEN_AT: new Date(now).toISOString() };
    await client.send(
      new UpdateFunctionConfigurationCommand({ FunctionName, RevisionId, Environment: { Variables } }),
    );
    await waitUntilFunctionUpdated({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { FunctionName });
  } finally {
    client.destroy();
  }
}

function explain(error: unknown, name: string): string {
  if (error instanceof ResourceNotFoundException) {
    return `there is no function ${name}. Deploy this grants.yml to that region, then revoke again.`;
  }
  return `${name}: ${messageOf(error)}`;
}
