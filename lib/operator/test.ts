import { Command, Option } from "commander";
import { methodOf } from "../grants/policy.ts";
import { describeFailure, hasPassed, runTests, type TestResult, untestedGrants } from "../grants/tests.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { colorsFor, type Io } from "../cli/io.ts";
import { GRANTS_FILE, parseGrantsFile } from "./grants-file.ts";
import { annotation, count } from "./lint.ts";
import { wrapLines } from "./wrap.ts";

interface Report {
  readonly file: string;
  readonly results: readonly TestResult[];
  readonly describe: (result: TestResult) => string[];
  /** {@link Grant.source} of each grant without a test. Undefined without `--coverage`. */
  readonly untested: readonly string[] | undefined;
}

/** `voxtoken admin test`: runs the tests of a grants file, as every build does. */
export function testCommand(io: Io): Command {
  return new Command("test")
    .description("run the tests of a grants file; a failing one stops every build")
    .argument("[file]", "the grants file", GRANTS_FILE)
    .option("--coverage", "list the grants that could be removed without a failing test", false)
    .addOption(
      new Option("--format <format>", "how to print").choices(["text", "json", "github"]).default("text"),
    )
    .action(async (file: string, flags: { format: keyof typeof printers; coverage: boolean }) => {
      const now = io.now();
      const { policy, tests } = await parseGrantsFile(file);
      const results = runTests(policy, tests, now);
      const untested = flags.coverage
        ? untestedGrants(policy, tests, now).map(({ source }) => source)
        : undefined;
      const describe = (result: TestResult) => describeFailure(result, policy, now);
      io.stdout.write(printers[flags.format]({ file, results, describe, untested }, io));
      if (!results.every(hasPassed)) throw new CliError("", EXIT.failure);
    });
}

/** Width of the column with the result. */
const MARGIN = "no test  ".length;

const printers = {
  text({ file, results, describe, untested }: Report, io: Io): string {
    const { green, red, yellow } = colorsFor(io, io.stdout);
    const rows = results.map((result) => [`${file}:${result.test.line}`, ...questionOf(result)]);
    const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
    const lines = results.map((result, i) => {
      const row = rows[i]?.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
      const passed = hasPassed(result);
      const mark = passed ? green("ok     ") : red("FAILED ");
      const detail = passed
        ? ""
        : wrapLines(describe(result), MARGIN)
            .map((text) => `\n${text}`)
            .join("");
      return `${mark}  ${row?.trimEnd() ?? ""}${detail}`;
    });
    const holes = untested?.map((source) => `${yellow("no test")}  ${source}`) ?? [];
    return `${[...lines, ...holes, summary(file, results, untested)].join("\n")}\n`;
  },

  json({ file, results, describe, untested }: Report): string {
    const tests = results.map((result) => ({
      line: result.test.line,
      principal: result.test.caller.principal,
      ...result.test.request,
      expect: result.test.expect,
      actual: result.actual,
      why: result.why,
      passed: hasPassed(result),
      ...(!hasPassed(result) && { failure: describe(result) }),
    }));
    return `${JSON.stringify({ file, tests, untested }, null, 2)}\n`;
  },

  github({ file, results, describe, untested }: Report): string {
    const failures = results
      .filter((result) => !hasPassed(result))
      .map((result) => annotation("error", { file, ...result.test, message: describe(result).join("\n") }));
    return `${[...failures, summary(file, results, untested)].join("\n")}\n`;
  },
};

/** `role/dialer`, `outbound-calls`, `StartScenarios`, `allowed` */
function questionOf({ test }: TestResult): string[] {
  const who = test.caller.principal.split(":").at(-1) ?? "";
  return [who, test.request.serviceAccount, methodOf(test.request) ?? "token", test.expect];
}

function summary(file: string, results: readonly TestResult[], untested: Report["untested"]): string {
  const failed = results.filter((result) => !hasPassed(result)).length;
  const holes = untested === undefined ? "" : `, ${count(untested.length, "grant")} without a test`;
  return `${file}: ${count(results.length, "test")}, ${failed} failed${holes}`;
}
