import { Command } from "commander";
import { createMethodCaller } from "../client/method-caller.ts";
import { parseParameters } from "./api.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { type Io, printableJson } from "./io.ts";
import { whileWaiting } from "./spinner.ts";
import { addAccountOption, addVendorOptions, type VendorFlags, vendorOptions } from "./vendor.ts";

export function callCommand(io: Io): Command {
  return addAccountOption(addVendorOptions(new Command("call")))
    .description("have the vendor call one method, without a token")
    .argument("<service-account>", "a name that voxtoken whoami lists")
    .argument("<Method>", "one that voxtoken whoami lists")
    .argument("[name=value...]", "the method's parameters")
    .addHelpText(
      "after",
      `
Example:
  $ voxtoken call outbound-calls StartScenarios rule_id=1 | jq .result

The whole answer is printed as JSON. The vendor waits 25 s for Voximplant. If
an answer is lost, voxtoken repeats the call only for methods named Get….`,
    )
    .action(
      async (
        serviceAccount: string,
        method: string,
        pairs: string[],
        flags: VendorFlags & { accountId?: number },
      ) => {
        const { account_id: account, ...parameters } = parseParameters(pairs);
        if (account !== undefined && flags.accountId !== undefined)
          throw new CliError(
            "account_id appears twice",
            EXIT.usage,
            "give --account-id or account_id=, not both",
          );
        const timeoutMs = (flags.timeout ?? 45) * 1000;
        const call = createMethodCaller({
          ...vendorOptions(io, flags),
          serviceAccount,
          timeoutMs,
          attemptTimeoutMs: timeoutMs,
        });
        const accountId = flags.accountId ?? (account === undefined ? undefined : numberOf(account));
        const answer = await whileWaiting(io, `calling ${method}`, () =>
          call(method, parameters, { accountId }),
        );
        io.stdout.write(`${printableJson(answer, 2)}\n`);
      },
    );
}

/** Only digits: `Number` alone would take 0x10 and 1e3 for ids. NaN is refused by the client. */
function numberOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
