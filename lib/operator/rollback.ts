import { Command } from "commander";

import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { addFunctionOptions, commandRunner, type FunctionFlags, LostAnswerError } from "./key-functions.ts";
import { addOperatorOptions, explain, openOperator, orExplain, serviceAccountOf } from "./operator.ts";

export function rollbackCommand(io: Io): Command {
  const command = new Command("rollback")
    .description("make the previous key current again, if the platform accepts it")
    .argument("<service-account>", "as grants.yml names it");
  return addFunctionOptions(addOperatorOptions(command)).action(
    orExplain("not rolled back", (name: string, flags: FunctionFlags) => rollback(io, name, flags)),
  );
}

/** The answer may be lost although the rollback took effect. */
const LOOK_FIRST = "look at `voxtoken admin keys` before you repeat it: a second rollback undoes the first";

async function rollback(io: Io, name: string, flags: FunctionFlags): Promise<void> {
  const operator = await openOperator(io, flags);
  serviceAccountOf(operator.policy, name);
  const run = commandRunner(io, flags, operator);
  const report = await run<"rollback">({ command: "rollback", serviceAccount: name }).catch(
    (cause: unknown) => {
      const failed =
        cause instanceof LostAnswerError
          ? "it is not known whether the previous key is current again"
          : "the rollback failed";
      const { message, exitStatus, hint = LOOK_FIRST } = explain(cause, failed);
      throw new CliError(message, exitStatus, hint, { cause });
    },
  );
  const { keyId, supersededKeyId, pending, leftToDo } = report;
  io.stdout.write(`${name}: key ${keyId} is current again\n`);
  if (supersededKeyId !== undefined)
    io.stderr.write(
      `Key ${supersededKeyId} is superseded.\n` +
        "It stays until no container can sign with it and its tokens have expired.\n",
    );
  if (pending === "replicas-behind")
    io.stderr.write(
      "A replica is behind, so AWSPENDING stays on another version.\n" +
        "If that version was current before, rotate-key refuses it. If the next\n" +
        "rotation fails, run\n" +
        `voxtoken admin rotate ${name}\n`,
    );
  if (leftToDo.length > 0) {
    const hint = "do not repeat the rollback: a second one undoes it";
    throw new CliError(`key ${keyId} is current, but: ${leftToDo.join(" ")}`, EXIT.failure, hint);
  }
}
