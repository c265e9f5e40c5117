import { Command, Option } from "commander";
import { connect } from "../client/connection.ts";
import { parseVendorOptions } from "../client/options.ts";
import { requestEntitlements } from "../client/requests.ts";
import type { EntitlementsResponse } from "../http/wire.ts";
import { colorsFor, type Io } from "./io.ts";
import { whileWaiting } from "./spinner.ts";
import { addVendorOptions, startDeadline, type VendorFlags, vendorOptions } from "./vendor.ts";

export function whoamiCommand(io: Io): Command {
  return addVendorOptions(new Command("whoami"))
    .description("show your identity as the vendor sees it, and what you may request")
    .addOption(
      new Option("-o, --output <format>", "for people or for programs")
        .choices(["text", "json"])
        .default("text"),
    )
    .addHelpText(
      "after",
      `
Examples:
  $ voxtoken whoami
  $ voxtoken whoami --profile billing --output json | jq -r '.service_accounts[].name'`,
    )
    .action(async (flags: VendorFlags & { output: "text" | "json" }) => {
      const timeLeft = startDeadline(io, flags);
      const found = await whileWaiting(io, "asking who you are", () =>
        requestEntitlements(connect(parseVendorOptions(vendorOptions(io, flags))), timeLeft()),
      );
      io.stdout.write(flags.output === "json" ? `${JSON.stringify(found)}\n` : asText(io, found));
    });
}

function asText(io: Io, { principal, service_accounts }: EntitlementsResponse): string {
  const { bold, dim } = colorsFor(io, io.stdout);
  const lines = service_accounts.map(({ name, tokens, max_ttl_seconds, child_account_ids, methods = [] }) => {
    const children = child_account_ids.length > 0 ? [`child accounts ${child_account_ids.join(", ")}`] : [];
    const lifetime = tokens ? [`up to ${max_ttl_seconds} s`] : [];
    const calls = methods.length > 0 ? `calls of ${methods.join(", ")}` : "";
    const parts = [[...lifetime, ...children].join(", "), calls].filter((part) => part !== "");
    return `  ${name}  ${dim(parts.join("; "))}`;
  });
  return `${[bold(principal), ...(lines.length > 0 ? lines : ["  no service accounts"])].join("\n")}\n`;
}
