import { Command } from "commander";
import type { Environment } from "../environment.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Io } from "./io.ts";
import { whileWaiting } from "./spinner.ts";
import { addHandOverOptions, findTokenToHandOver, type HandOverFlags } from "./vendor.ts";

export function execCommand(io: Io): Command {
  return addHandOverOptions(new Command("exec"))
    .description("run a command with VOXIMPLANT_ACCESS_TOKEN set")
    .argument("<service-account>", "as voxtoken whoami lists it")
    .argument("<command...>", "the command and its arguments, after --")
    .addHelpText(
      "after",
      `
Examples:
  $ voxtoken exec call-history -- ./report.sh --since yesterday
  $ voxtoken exec outbound-calls --ttl 900 -- node start-scenario.mjs

The token is in the command's environment, never among its arguments, where ps
shows it; VOXIMPLANT_ACCESS_TOKEN_EXPIRES_AT says when it ends. It is good for at
least half of its lifetime when the command starts; --min-ttl asks for more or
less. Signals reach the command. The exit status is the command's, 127 if the
command is not found, 126 if it cannot be run, 128 + n if signal n ended it.`,
    )
    .action(async (serviceAccount: string, [command = "", ...args]: string[], flags: HandOverFlags) => {
      const token = await whileWaiting(io, "asking for a token", () =>
        findTokenToHandOver(io, serviceAccount, flags),
      );
      const status = await run(io, command, args, {
        VOXIMPLANT_ACCESS_TOKEN: token.access_token,
        VOXIMPLANT_ACCESS_TOKEN_EXPIRES_AT: token.expires_at,
      });
      if (status !== EXIT.ok) throw new CliError("", status);
    });
}

async function run(
  io: Io,
  command: string,
  args: readonly string[],
  variables: Environment,
): Promise<number> {
  try {
    return await io.runChild(command, args, { ...io.env, ...variables });
  } catch (error) {
    // As a shell: 127 where there is no such file, 126 where the system does not run it.
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw new CliError(`${command}: command not found`, 127);
    if (code === "EACCES") throw new CliError(`${command}: permission denied`, 126);
    throw new CliError(`${command}: cannot be run (${code})`, 126, undefined, { cause: error });
  }
}
