import { Command, Option } from "commander";
import type { Io } from "./io.ts";
import { whileWaiting } from "./spinner.ts";
import { addHandOverOptions, findTokenToHandOver, type HandOverFlags } from "./vendor.ts";

export function tokenCommand(io: Io): Command {
  return addHandOverOptions(new Command("token"))
    .description("print a token")
    .argument("<service-account>", "a name that voxtoken whoami lists")
    .addOption(
      new Option("-o, --output <format>", "the token, or the whole answer as JSON")
        .choices(["text", "json"])
        .default("text"),
    )
    .addHelpText(
      "after",
      `
Examples:
  $ voxtoken token outbound-calls
  $ voxtoken token outbound-calls --ttl 60 --output json
  $ curl -H @- https://api.voximplant.com/platform_api/GetAccountInfo <<< "Authorization: Bearer $(voxtoken token outbound-calls)"

A token is a secret. voxtoken exec passes it to a program without showing it.`,
    )
    .action(async (serviceAccount: string, flags: HandOverFlags & { output: "text" | "json" }) => {
      const token = await whileWaiting(io, "asking for a token", () =>
        findTokenToHandOver(io, serviceAccount, flags),
      );
      io.stdout.write(flags.output === "json" ? `${JSON.stringify(token)}\n` : `${token.access_token}\n`);
    });
}
