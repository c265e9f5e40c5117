import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  type LambdaClientConfig,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdated,
} from "@aws-sdk/client-lambda";

import { messageOf } from "./finding.ts";

/**
 * Has the warm containers of the vending function forget the keys they hold: a changed environment variable makes Lambda
 * start new ones for all that follows. The variable is read by nothing. What else is set is kept, and Lambda refuses the
 * change if another change came in between (RevisionId).
 *
 * Permissions: lambda:GetFunctionConfiguration, UpdateFunctionConfiguration on the vending function, in each region.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 *
 * @returns what was done, for people
 * @throws Error the containers of a region were not made to forget; the message names each region.
 */
export async function forgetKeys(
  FunctionName: string,
  regions: readonly string[],
  now: number,
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
  return `${FunctionName} starts afresh in ${regions.join(", ")}`;
}
