import { Command } from "commander";
import { hasCode } from "./cache-file.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Io } from "./io.ts";
import { whileWaiting } from "./spinner.ts";
import { addTokenOptions, type TokenFlags, tokenFinder } from "./vendor.ts";

export function execCommand(io: Io): Command {
  return addTokenOptions(new Command("exec"))
    .description("run a command with VOXIMPLANT_ACCESS_TOKEN set")
    .argument("<service-account>", "as voxtoken whoami lists it")
    .argument("<command...>", "the command and its arguments, after --")
    .addHelpText(
      "after",
      `
Examples:
  $ voxtoken exec call-history -- ./report.sh --since yesterday
  $ voxtoken exec outbound-calls --ttl 900 -- node start-scenario.mjs

The token is in the command's environment, never among its arguments, where ps would show it. Signals reach the command, and
its exit status is voxtoken's: 127 when it is not found, 126 when it cannot be run, 128 + n when signal n ended it.`,
    )
    .action(async (serviceAccount: string, [command = "", ...args]: string[], flags: TokenFlags) => {
      const { access_token } = await whileWaiting(io, "asking for a token", () =>
        tokenFinder(io, serviceAccount, flags)(),
      );
      const status = await run(io, command, args, access_token);
      if (status !== EXIT.ok) throw new CliError("", status);
    });
}

async function run(io: Io, command: string, args: readonly string[], token: string): Promise<number> {
  try {
    return await io.runChild(command, args, { ...io.env, VOXIMPLANT_ACCESS_TOKEN: token });
  } catch (error) {
    if (hasCode(error, "ENOENT")) throw new CliError(`${command}: command not found`, 127);
    if (hasCode(error, "EACCES")) throw new CliError(`${command}: permission denied`, 126);
    throw error;
  }
}
