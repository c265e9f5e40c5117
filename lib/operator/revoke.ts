import { Command } from "commander";

import type { RevocationReport } from "../reconciliation/revoke.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { type Io, oneLine } from "../cli/io.ts";
import { wholeNumber } from "../cli/whole-number.ts";
import {
  addFunctionOptions,
  commandRunner,
  type FunctionFlags,
  NotRunError,
  type RunCommand,
} from "./key-functions.ts";
import { GRANTS_FILE } from "./grants-file.ts";
import { addOperatorOptions, explain, openOperator, orExplain, serviceAccountOf } from "./operator.ts";
import { confirmOrStop } from "./prompt.ts";
import { wrap } from "./wrap.ts";

interface RevokeFlags extends FunctionFlags {
  readonly key?: string;
  readonly yes?: boolean;
  readonly deleteFirst?: boolean;
  readonly makeRoom?: string;
  readonly timeout: number;
}

/** The default of `--timeout`. */
export const REPLACEMENT_SECONDS = 90;

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
    .option("--make-room <id>", "delete this key first; for an account at its limit of keys")
    .option(
      "--timeout <seconds>",
      "time for the replacement; if it fails, the leaked key is deleted anyway",
      wholeNumber(0, 300, "a whole number of seconds up to 300"),
      REPLACEMENT_SECONDS,
    )
    .addHelpText(
      "after",
      `
Exit status 0: the platform no longer lists the key and refuses a token of it,
and the service account has a working key. Safe to repeat with --key. Without
--key, a repeated command revokes the new key. If the key was rotated after the
leak, the leaked key is superseded: name it with --key.`,
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
  const question = `Delete key ${keyId} of ${name}?\nIts tokens stop working at once.`;
  if (flags.yes !== true) {
    if (io.stdin.isTerminal) await nameSuperseded(io, run, name, keyId, flags);
    await confirmOrStop(io, question, "--yes");
  }

  io.stderr.write(
    `Revoking key ${keyId}. This takes up to ten minutes.\nIf it is interrupted, repeat it:\n` +
      `${inColumns(revocationOf(name, keyId, flags))}\n`,
  );
  const report = await run<"revoke">({
    command: "revoke",
    serviceAccount: name,
    keyId,
    timeoutSeconds: flags.timeout,
    deleteFirst: flags.deleteFirst ?? false,
    ...(flags.makeRoom !== undefined && { makeRoom: flags.makeRoom }),
  }).catch((error: unknown) => {
    if (error instanceof NotRunError) throw error;
    const { message } = explain(error, "the revocation did not answer");
    throw new CliError(
      `${message.replace(/\.$/, "")}. The revocation may have continued, but nothing is proved`,
      EXIT.failure,
      `run it again: ${revocationOf(name, keyId, flags).join(" ")}`,
      { cause: error },
    );
  });
  io.stderr.write(report.steps.map(({ step, ok, seen }) => line(ok ? "ok" : "FAIL", step, seen)).join(""));
  await nameSuperseded(io, run, name, keyId, flags);
  conclude(io, report);
}

/**
 * Names each superseded key of the service account that still works, and the command that revokes
 * the key. If the key was rotated after the leak, the leaked key is superseded. Without this
 * list, an operator might revoke the current key and leave the leaked one. A failure does not stop
 * the revocation.
 */
async function nameSuperseded(
  io: Io,
  run: RunCommand,
  name: string,
  revokedId: string,
  flags: FunctionFlags,
): Promise<void> {
  const notKnown = (reason: string) => [
    wrap(`It is not known whether superseded keys of ${name} still work: ${oneLine(reason)}`, 0),
    "See: voxtoken admin keys",
  ];
  const lines = await run<"list-keys">({ command: "list-keys" }).then(
    ({ keys, problems }) => {
      // A problem of another service account says nothing about these keys.
      const problem = problems.find((one) => one.startsWith(`${name}: `));
      const others = keys.flatMap(({ keyId, state, serviceAccount }) =>
        state === "superseded" && serviceAccount === name && keyId !== null && keyId !== revokedId
          ? [inColumns(revocationOf(name, keyId, flags))]
          : [],
      );
      const intro = `Superseded keys of ${name} still work. If one of them has leaked, revoke it too:`;
      return [
        ...(others.length > 0 ? [wrap(intro, 0), ...others] : []),
        ...(problem === undefined ? [] : notKnown(problem)),
      ];
    },
    (error: unknown) => notKnown(explain(error, "they cannot be listed").message),
  );
  io.stderr.write(lines.map((text) => `${text}\n`).join(""));
}

/** A command for sh that revokes a key, with the options that name the same deployment. */
function revocationOf(name: string, keyId: string, flags: FunctionFlags): readonly string[] {
  const { deployment, region, profile, grants, direct } = flags;
  const target = { deployment, region, profile, ...(grants !== GRANTS_FILE && { grants }) };
  return [
    `voxtoken admin revoke ${name}`,
    `--key ${keyId}`,
    ...Object.entries(target).flatMap(([option, value]) => (value ? [`--${option} ${quoted(value)}`] : [])),
    ...(direct === true ? ["--direct"] : []),
  ];
}

/** The command, in several lines if one would be longer than 80 columns. */
function inColumns(command: readonly string[]): string {
  const inOne = command.join(" ");
  return inOne.length <= 80 ? inOne : command.join(" \\\n  ");
}

function quoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
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
