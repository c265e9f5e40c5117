import { randomUUID } from "node:crypto";

import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { Command } from "commander";

import { LOCAL } from "../configuration.ts";
import { isRefusedByAws } from "../key-lifecycle/aws-refusal.ts";
import { graceMs } from "../key-lifecycle/grace.ts";
import {
  createReconciliationHandler,
  type ReconciliationAnswers,
  type ReconciliationCommand,
} from "../reconciliation/handler.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { awsConfiguration, deploymentOf, type Operator, type OperatorFlags } from "./operator.ts";

export interface FunctionFlags extends OperatorFlags {
  readonly direct?: boolean;
}

/** Runs a command of reconcile-keys and resolves to its answer. */
export type RunCommand = <Name extends ReconciliationCommand["command"]>(
  command: Extract<ReconciliationCommand, { command: Name }>,
) => Promise<ReconciliationAnswers[Name]>;

/** The function gave no answer. It may have run the command, or be running it. */
export class LostAnswerError extends Error {
  override readonly name = "LostAnswerError";
}

export function addFunctionOptions(command: Command): Command {
  return command.option(
    "--direct",
    "run on this machine; your AWS credentials must be able to read the secrets (as with `npm start`)",
  );
}

/**
 * Runs commands in the deployed function, because an operator may not read the keys. With
 * `--direct`, runs the same code in this process.
 *
 * @throws CliError the function does not exist, or failed
 * @throws LostAnswerError the command may have taken effect
 * @throws the AWS SDK's error, if the function may not be invoked
 */
export function commandRunner(io: Io, flags: FunctionFlags, operator: Operator): RunCommand {
  return flags.direct === true ? runHere(io, operator) : runDeployed(io, flags);
}

function runHere(io: Io, operator: Operator): RunCommand {
  const handle = createReconciliationHandler({
    ...operator,
    writeLine: () => undefined,
    deployment: LOCAL,
    log: (level, message) => {
      if (level !== "info") io.stderr.write(`${message}\n`);
    },
    now: io.now,
    sleep: io.sleep,
    newId: randomUUID,
    graceMs: graceMs(operator.lifetimes),
  });
  return async <Name extends ReconciliationCommand["command"]>(
    command: Extract<ReconciliationCommand, { command: Name }>,
  ) => (await handle(command)) as ReconciliationAnswers[Name];
}

function runDeployed(io: Io, flags: FunctionFlags): RunCommand {
  // One attempt: a command whose answer was lost may still be running, and must not start twice.
  const client = new LambdaClient({ ...awsConfiguration(io, flags, "LAMBDA"), maxAttempts: 1 });
  const FunctionName = `${deploymentOf(io, flags)}-reconcile-keys`;
  return async <Name extends ReconciliationCommand["command"]>(
    command: Extract<ReconciliationCommand, { command: Name }>,
  ) => {
    const Payload = Buffer.from(JSON.stringify(command));
    // If one of them is missing, this fails, and it is known that nothing was sent.
    await Promise.all([client.config.region(), client.config.credentials()]);
    const answer = await client.send(new InvokeCommand({ FunctionName, Payload })).catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
      if (error.name === "ResourceNotFoundException") {
        const hint = "give --deployment SERVICE-STAGE and the --region of the deployment";
        throw new CliError(`there is no function ${FunctionName}`, EXIT.failure, hint, { cause: error });
      }
      if ("code" in error && (error.code === "ENOTFOUND" || error.code === "ECONNREFUSED")) {
        const hint = "the local stack has no Lambda API: add --direct";
        throw new CliError(`AWS Lambda cannot be reached: ${error.message}`, EXIT.failure, hint, {
          cause: error,
        });
      }
      throw isRefusedByAws(error) ? error : new LostAnswerError(error.message, { cause: error });
    });
    const body: unknown = JSON.parse(Buffer.from(answer.Payload ?? []).toString("utf8") || "null");
    if (answer.FunctionError === undefined) return body as ReconciliationAnswers[Name];
    const { errorMessage = "no message" } = body as { errorMessage?: string };
    throw new CliError(
      `${FunctionName}: ${errorMessage}`,
      EXIT.failure,
      `its log: /aws/lambda/${FunctionName}`,
    );
  };
}
