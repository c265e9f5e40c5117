import { randomUUID } from "node:crypto";

import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { Command } from "commander";

import { LOCAL, readConfiguration } from "../configuration.ts";
import { readVariable } from "../environment.ts";
import { isRefusedByAws } from "../key-lifecycle/aws-refusal.ts";
import { graceMs } from "../key-lifecycle/grace.ts";
import {
  createReconciliationHandler,
  type ReconciliationAnswers,
  type ReconciliationCommand,
} from "../reconciliation/handler.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { awsConfiguration, deploymentOf, explain, type Operator, type OperatorFlags } from "./operator.ts";

export interface FunctionFlags extends OperatorFlags {
  readonly direct?: boolean;
}

/** Runs a command of reconcile-keys and resolves to its answer. */
export type RunCommand = <Name extends ReconciliationCommand["command"]>(
  command: Extract<ReconciliationCommand, { command: Name }>,
) => Promise<ReconciliationAnswers[Name]>;

/** The command was not run: the function does not exist, cannot be reached, or AWS refused. */
export class NotRunError extends CliError {}

/** The function gave no answer. It may have run the command, or be running it. */
export class LostAnswerError extends Error {
  override readonly name = "LostAnswerError";
}

export function addFunctionOptions(command: Command): Command {
  return command.option(
    "--direct",
    "run on this machine, not in the deployed function (required with the local stack of `npm start`); your AWS credentials must be able to read the secrets",
  );
}

/**
 * Runs commands in the deployed function, because an operator is not allowed to read the keys. With
 * `--direct`, runs the same code in this process.
 *
 * @throws NotRunError
 * @throws LostAnswerError
 * @throws CliError the command failed
 */
export function commandRunner(io: Io, flags: FunctionFlags, operator: Operator): RunCommand {
  return flags.direct === true ? runHere(io, operator) : runDeployed(io, flags);
}

function runHere(io: Io, operator: Operator): RunCommand {
  // Only these variables of the functions: BASE_PATH, for example, often means something else here,
  // and must not stop a revocation.
  const names = ["SIGNING_KEY_TTL_SECONDS", "SIGNING_KEY_MAX_STALE_SECONDS"];
  const lifetimes = readConfiguration(
    Object.fromEntries(names.map((name) => [name, readVariable(io.env, name)])),
  );
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
    graceMs: graceMs(lifetimes),
  });
  return async <Name extends ReconciliationCommand["command"]>(
    command: Extract<ReconciliationCommand, { command: Name }>,
  ) => (await handle(command)) as ReconciliationAnswers[Name];
}

function runDeployed(io: Io, flags: FunctionFlags): RunCommand {
  const client = new LambdaClient({
    // Somewhat longer than the time limit of reconcile-keys. Without it, a lost connection would
    // make the command wait for ever.
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 620_000, throwOnRequestTimeout: true },
    ...awsConfiguration(io, flags, "LAMBDA"),
    // One attempt: a command whose answer was lost may still be running, and must not start twice.
    maxAttempts: 1,
  });
  const FunctionName = `${deploymentOf(io, flags)}-reconcile-keys`;
  return async <Name extends ReconciliationCommand["command"]>(
    command: Extract<ReconciliationCommand, { command: Name }>,
  ) => {
    const Payload = Buffer.from(JSON.stringify(command));
    const notRun = (cause: unknown, failed = `${FunctionName} was not invoked`) => {
      const { message, exitStatus, hint } = explain(cause, failed);
      return new NotRunError(message, exitStatus, hint, { cause });
    };
    // Fails if the region or the credentials are missing: then nothing has been sent.
    await Promise.all([client.config.region(), client.config.credentials()]).catch((error: unknown) => {
      throw notRun(error);
    });
    const answer = await client.send(new InvokeCommand({ FunctionName, Payload })).catch((cause: unknown) => {
      if (!(cause instanceof Error)) throw cause;
      if (cause.name === "ResourceNotFoundException") {
        const hint = "give --deployment SERVICE-STAGE and the --region of the deployment";
        throw new NotRunError(`there is no function ${FunctionName}`, EXIT.failure, hint, { cause });
      }
      if ("code" in cause && (cause.code === "ENOTFOUND" || cause.code === "ECONNREFUSED")) {
        const hint = "for the local stack, add --direct; otherwise, check --region and the network";
        throw new NotRunError(`AWS Lambda cannot be reached: ${cause.message}`, EXIT.failure, hint, {
          cause,
        });
      }
      throw isRefusedByAws(cause) ? notRun(cause) : new LostAnswerError(cause.message, { cause });
    });
    const body: unknown = JSON.parse(Buffer.from(answer.Payload ?? []).toString("utf8") || "null");
    if (answer.FunctionError === undefined) return body as ReconciliationAnswers[Name];
    const { errorType = "", errorMessage = "no message" } = body as FunctionErrorBody;
    const message = `${FunctionName}: ${errorMessage}`;
    if (errorType === "" || OF_LAMBDA.test(errorType)) throw new LostAnswerError(message);
    throw new CliError(message, EXIT.failure, `its log: /aws/lambda/${FunctionName}`);
  };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html */
interface FunctionErrorBody {
  readonly errorType?: string;
  readonly errorMessage?: string;
}

/**
 * Types of errors, such as `Sandbox.Timedout`, that Lambda reports after it has ended the function.
 * Then the command may be half done.
 */
const OF_LAMBDA = /^(Sandbox|Runtime)\./;
