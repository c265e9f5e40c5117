import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdated,
} from "@aws-sdk/client-lambda";
import type { Command } from "commander";

import { graceMs } from "../key-lifecycle/grace.ts";
import {
  createReconciliationHandler,
  type ReconciliationAnswer,
  type ReconciliationCommand,
} from "../reconciliation/handler.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { awsConfiguration, type Operator, type OperatorFlags } from "./operator.ts";

export interface FunctionFlags extends OperatorFlags {
  readonly deployment: string;
  readonly direct?: boolean;
}

/** Has reconciliation carry out a command. */
export type RunCommand = <Answer extends ReconciliationAnswer>(
  command: ReconciliationCommand,
) => Promise<Answer>;

export function addFunctionOptions(command: Command): Command {
  return command
    .option(
      "--deployment <service-stage>",
      "the deployment whose functions are asked",
      "voximplant-token-vendor-dev",
    )
    .option(
      "--direct",
      "ask the platform from here, where these credentials may read the secrets (as with `npm start`)",
    );
}

/**
 * By the deployed function, since an operator may not read the keys; or, with `--direct`, the same code here.
 *
 * @throws CliError the function is not there, may not be invoked, or failed.
 */
export function commandRunner(io: Io, flags: FunctionFlags, operator: Operator): RunCommand {
  if (flags.direct === true) {
    const handle = createReconciliationHandler({
      ...operator,
      writeLine: () => undefined,
      log: (level, message) => {
        if (level !== "info") io.stderr.write(`${message}\n`);
      },
      now: io.now,
      graceMs: graceMs({ signingKeyTtlSeconds: 300, signingKeyMaxStaleSeconds: 3600 }),
    });
    return async <Answer>(command: ReconciliationCommand) => (await handle(command)) as Answer;
  }
  const client = new LambdaClient(awsConfiguration(io, flags, "LAMBDA"));
  const FunctionName = `${flags.deployment}-reconcile-keys`;
  return async <Answer>(command: ReconciliationCommand) => {
    const Payload = Buffer.from(JSON.stringify(command));
    const answer = await client.send(new InvokeCommand({ FunctionName, Payload })).catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
      if (error.name === "ResourceNotFoundException") {
        const hint = "name the deployment as --deployment SERVICE-STAGE, and its --region";
        throw new CliError(`there is no function ${FunctionName}`, EXIT.failure, hint, { cause: error });
      }
      if ("code" in error && (error.code === "ENOTFOUND" || error.code === "ECONNREFUSED")) {
        const hint = "the local stack has no Lambda API: say --direct";
        throw new CliError(`AWS Lambda cannot be reached: ${error.message}`, EXIT.failure, hint, {
          cause: error,
        });
      }
      throw error;
    });
    const body = JSON.parse(Buffer.from(answer.Payload ?? []).toString("utf8") || "null") as Answer;
    if (answer.FunctionError === undefined) return body;
    const { errorMessage = "no message" } = body as { errorMessage?: string };
    throw new CliError(
      `${FunctionName}: ${errorMessage}`,
      EXIT.failure,
      `its log: /aws/lambda/${FunctionName}`,
    );
  };
}

/**
 * Has the warm containers of the vending function forget the keys they hold: a changed environment variable makes Lambda
 * start new ones for all that follows. The variable is read by nothing. What else is set is kept, and Lambda refuses the
 * change where somebody else's came between (RevisionId).
 *
 * Permissions: lambda:GetFunctionConfiguration, UpdateFunctionConfiguration on the vending function.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
export async function forgetKeys(io: Io, flags: FunctionFlags): Promise<void> {
  const client = new LambdaClient(awsConfiguration(io, flags, "LAMBDA"));
  const FunctionName = `${flags.deployment}-vend-token`;
  const { Environment, RevisionId } = await client.send(
    new GetFunctionConfigurationCommand({ FunctionName }),
  );
  const Variables = { ...Environment?.Variables, KEYS_FORGOTTEN_AT: new Date(io.now()).toISOString() };
  await client.send(
    new UpdateFunctionConfigurationCommand({ FunctionName, RevisionId, Environment: { Variables } }),
  );
  await waitUntilFunctionUpdated({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { FunctionName });
}
