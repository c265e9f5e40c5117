import { Command } from "commander";

import type { RevocationReport } from "../reconciliation/revoke.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { wholeNumber } from "../cli/whole-number.ts";
import { addFunctionOptions, commandRunner, type FunctionFlags, type RunCommand } from "./key-functions.ts";
import { addOperatorOptions, explain, openOperator, orExplain, serviceAccountOf } from "./operator.ts";
import { confirmOrStop } from "./prompt.ts";

interface RevokeFlags extends FunctionFlags {
  readonly key?: string;
  readonly yes?: boolean;
  readonly deleteFirst?: boolean;
  readonly makeRoom?: string;
  readonly timeout: number;
}

export function revokeCommand(io: Io): Command {
  const command = new Command("revoke")
    .description("replace a leaked key, delete it, and prove that it is dead")
    .argument("<service-account>", "as grants.yml names it")
    .option("--key <id>", "the leaked key (default: the current one)")
    .option("--yes", "do not ask for confirmation")
    .option(
      "--delete-first",
      "delete the key without a replacement: no token works until you store another key",
    )
    .option("--make-room <id>", "first delete this key, if the account is at its limit of keys")
    .option(
      "--timeout <seconds>",
      "time for the replacement; if it fails, the leaked key is deleted all the same",
      wholeNumber(0, 300, "a whole number of seconds up to 300"),
      90,
    )
    .addHelpText(
      "after",
      `
Exit status 0: the platform no longer lists the key and refuses a token of it,
and a new key is current. Safe to repeat with --key. Without --key, a repeated
command revokes the new key.`,
    );
  return addFunctionOptions(addOperatorOptions(command)).action(
    orExplain("not revoked", (name: string, flags: RevokeFlags) => revoke(io, name, flags)),
  );
}

export async function revoke(io: Io, name: string, flags: RevokeFlags): Promise<void> {
  const operator = await openOperator(io, flags);
  serviceAccountOf(operator.policy, name);
  const run = commandRunner(io, flags, operator);
  const keyId = flags.key ?? (await currentKeyOf(run, name));
  const question = `Delete key ${keyId} of ${name}? Its tokens stop working at once.`;
  if (flags.yes !== true) await confirmOrStop(io, question, "--yes");

  io.stderr.write(
    `Revoking key ${keyId}. This takes up to five minutes.\nIf it is interrupted, repeat it: ` +
      `voxtoken admin revoke ${name} --key ${keyId}\n`,
  );
  const report = await run<"revoke">({
    command: "revoke",
    serviceAccount: name,
    keyId,
    timeoutSeconds: flags.timeout,
    deleteFirst: flags.deleteFirst ?? false,
    ...(flags.makeRoom !== undefined && { makeRoom: flags.makeRoom }),
  }).catch((error: unknown) => {
    const { message } = explain(error, "the revocation did not answer");
    throw new CliError(
      `${message} The revocation may have continued, but nothing is proved`,
      EXIT.failure,
      `run it again: voxtoken admin revoke ${name} --key ${keyId}`,
      { cause: error },
    );
  });
  io.stderr.write(report.steps.map(({ step, ok, seen }) => line(ok ? "ok" : "FAIL", step, seen)).join(""));
  conclude(io, report);
}

async function currentKeyOf(run: RunCommand, name: string): Promise<string> {
  const { keyId } = await run<"current-key">({ command: "current-key", serviceAccount: name });
  if (keyId !== null) return keyId;
  throw new CliError(`${name} has no key yet`, EXIT.failure, "name the leaked key with --key");
}

function line(verdict: string, step: string, seen: string): string {
  return `${verdict.padEnd(4)}  ${step.padEnd(10)}  ${seen}\n`;
}

function conclude(io: Io, report: RevocationReport): void {
  const { keyId, proved, withoutKey, leftToDo, steps } = report;
  const isDone = proved && withoutKey.length === 0;
  // If an error is thrown below, the first sentence is printed as its hint.
  const [first, ...more] = leftToDo;
  for (const sentence of isDone ? leftToDo : more) io.stderr.write(`${sentence}\n`);
  if (!proved) throw new CliError(`key ${keyId} is not proved dead`, EXIT.failure, first);
  if (!isDone) {
    throw new CliError(
      `key ${keyId} is dead, and ${withoutKey.join(", ")} has no key to sign with`,
      EXIT.failure,
      first,
    );
  }
  io.stdout.write(`key ${keyId} is dead: no longer listed, and refused\n`);
  if (!steps.some(({ step, ok }) => step === "containers" && ok)) {
    io.stderr.write(
      "Warm containers of the functions keep the dead key until\n" +
        "SIGNING_KEY_TTL_SECONDS (300 by default) have passed.\n",
    );
  }
  io.stderr.write("Next: look for keys that were created with the leaked one: voxtoken admin keys\n");
}
