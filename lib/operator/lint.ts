import { Command, Option } from "commander";
import { formatProblem, parseGrants, type Problem } from "../grants/parse.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { colorsFor, type Io } from "../cli/io.ts";
import { GRANTS_FILE, readGrantsFile } from "./grants-file.ts";

interface Report {
  readonly file: string;
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly summary: string;
}

/** `voxtoken admin lint`: everything that is wrong with a grants file, or legal but suspicious. */
export function lintCommand(io: Io): Command {
  return new Command("lint")
    .description("check a grants file; warnings alone do not fail")
    .argument("[file]", "the grants file", GRANTS_FILE)
    .addOption(
      new Option("--format <format>", "how to print").choices(["text", "json", "github"]).default("text"),
    )
    .option("--strict", "fail on warnings too", false)
    .action(async (file: string, { format, strict }: { format: keyof typeof printers; strict: boolean }) => {
      const report = lint(await readGrantsFile(file), file, io.now());
      io.stdout.write(printers[format](report, io));
      if (report.errors.length > 0 || (strict && report.warnings.length > 0))
        throw new CliError("", EXIT.failure);
    });
}

function lint(text: string, file: string, now: number): Report {
  const parsed = parseGrants(text, file, undefined, now);
  if ("problems" in parsed) {
    return { file, errors: parsed.problems, warnings: [], summary: count(parsed.problems.length, "error") };
  }
  const { policy, warnings } = parsed;
  const contents = `${count(policy.serviceAccounts.length, "service account")}, ${count(policy.grants.length, "grant")}`;
  return { file, errors: [], warnings, summary: `${contents}, ${count(warnings.length, "warning")}` };
}

const printers = {
  text({ file, errors, warnings, summary }: Report, io: Io): string {
    const colors = colorsFor(io, io.stdout);
    const lines = [
      ...errors.map((problem) => line(problem, colors.red("error"))),
      ...warnings.map((problem) => line(problem, colors.yellow("warning"))),
      `${file}: ${summary}`,
    ];
    return `${lines.join("\n")}\n`;
  },

  json({ file, errors, warnings }: Report): string {
    return `${JSON.stringify({ file, errors, warnings }, null, 2)}\n`;
  },

  github({ file, errors, warnings, summary }: Report): string {
    const lines = [
      ...errors.map((problem) => annotation("error", problem)),
      ...warnings.map((problem) => annotation("warning", problem)),
      `${file}: ${summary}`,
    ];
    return `${lines.join("\n")}\n`;
  },
};

function line(problem: Problem, severity: string): string {
  return formatProblem({ ...problem, message: `${severity}: ${problem.message}` });
}

/**
 * https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message
 */
export function annotation(
  severity: "error" | "warning" | "notice",
  { file, line, column, message }: Problem,
): string {
  const data = (text: string) => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = (text: string) => data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
  return `::${severity} file=${property(file)},line=${line},col=${column}::${data(message)}`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
