import { Command, Option } from "commander";
import { CliError, EXIT } from "./cli-error.ts";
import { diagnose, type DoctorFlags } from "./diagnose.ts";
import { colorsFor, type Io, oneLine, printableJson } from "./io.ts";
import { addTokenOptions } from "./vendor.ts";

export function doctorCommand(io: Io): Command {
  return addTokenOptions(new Command("doctor"))
    .description("find out which step fails, and what to do next")
    .argument("[service-account]", "default: the first that you may request")
    .addOption(
      new Option("-o, --output <format>", "for people, or one JSON object per step")
        .choices(["text", "json"])
        .default("text"),
    )
    .option("--api-url <url>", "another Management API (default: VOXIMPLANT_API_URL, or Voximplant's)")
    .addHelpText(
      "after",
      `
Examples:
  $ voxtoken doctor
  $ voxtoken doctor outbound-calls --profile billing

Checks the AWS credentials, the url, the clock, API Gateway's answer, your
grants, and a token at the Management API. Changes nothing and prints no token.`,
    )
    .action(async (serviceAccount: string | undefined, flags: DoctorFlags & { output: "text" | "json" }) => {
      const { green, red, dim } = colorsFor(io, io.stdout);
      let status: number = EXIT.ok;
      for await (const finding of diagnose(io, flags, serviceAccount)) {
        const { ok, what } = finding;
        const next = finding.ok ? undefined : finding.next;
        if (flags.output === "json") io.stdout.write(`${printableJson({ ok, what, next })}\n`);
        else {
          io.stdout.write(`${ok ? green("ok  ") : red("FAIL")}  ${oneLine(what)}\n`);
          if (next !== undefined) io.stdout.write(`${dim(`      next: ${oneLine(next)}`)}\n`);
        }
        if (!finding.ok) status = finding.exitStatus;
      }
      if (status !== EXIT.ok) throw new CliError("", status);
    });
}
