import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  type LambdaClientConfig,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdated,
} from "@aws-sdk/client-lambda";

import type { EpochMs } from "../epoch.ts";
import { messageOf } from "./finding.ts";

/**
 * Makes the warm containers of the vending function drop their keys. It changes an environment
 * variable, for which Lambda starts new containers. No code reads the variable. The other variables
 * stay, and Lambda refuses the change if there was another change in between (RevisionId).
 *
 * Permissions on the vending function, in each region: lambda:GetFunctionConfiguration and
 * UpdateFunctionConfiguration.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 * @returns what was done, for people
 * @throws Error the containers of a region may keep their keys; the message names each such region
 */
export async function forgetKeys(
  FunctionName: string,
  regions: readonly string[],
  now: EpochMs,
  configuration: LambdaClientConfig = {},
): Promise<string> {
  const outcomes = await Promise.all(
    regions.map(async (region) => {
      const client = new LambdaClient({ ...configuration, region });
      try {
        const { Environment, RevisionId } = await client.send(
          new GetFunctionConfigurationCommand({ FunctionName }),
        );
        const Variables = { ...Environment?.Variables, KEYS_FORGOTTEN_AT: new Date(now).toISOString() };
        await client.send(
          new UpdateFunctionConfigurationCommand({ FunctionName, RevisionId, Environment: { Variables } }),
        );
        await waitUntilFunctionUpdated(
          { client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 },
          { FunctionName },
        );
        return { region };
      } catch (error) {
        return { region, failure: messageOf(error) };
      } finally {
        client.destroy();
      }
    }),
  );
  const failures = outcomes.flatMap(({ region, failure }) =>
    failure === undefined ? [] : [`${region}: ${failure}`],
  );
  if (failures.length > 0) throw new Error(failures.join(" "));
  return `new containers of ${FunctionName} start in ${regions.join(", ")}`;
}
