import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { Command, Option } from "commander";
import { type Difference, diffPolicies } from "../grants/diff.ts";
import { formatProblem, parseGrants } from "../grants/parse.ts";
import type { Policy } from "../grants/policy.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { colorsFor, type Io } from "../cli/io.ts";
import { readGrantsFile } from "./grants-file.ts";
import { annotation, count } from "./lint.ts";

/** `voxtoken admin diff`: who gains and who loses what between two grants files. */
export function diffCommand(io: Io): Command {
  return new Command("diff")
    .description("say who gains and who loses what between two grants files")
    .argument("<old>", "a grants file, or REV:PATH of git, as main:grants.yml")
    .argument("<new>", "the same")
    .addOption(
      new Option("--format <format>", "how to print")
        .choices(["text", "json", "markdown", "github"])
        .default("text"),
    )
    .addOption(new Option("--fail-on <what>", "end with 3 if someone gains").choices(["gain"]))
    .addHelpText(
      "after",
      `
Example:
  $ voxtoken admin diff main:grants.yml grants.yml

Exit status: 0 no difference, 4 a difference; with --fail-on gain, 3 if someone
gains. The order of the file and its comments are no difference.`,
    )
    .action(
      async (before: string, after: string, flags: { format: keyof typeof printers; failOn?: "gain" }) => {
        const differences = diffPolicies(await readSide(before), await readSide(after));
        io.stdout.write(printers[flags.format](differences, io, after));
        if (flags.failOn === "gain" && differences.some(({ isGain }) => isGain)) {
          throw new CliError("", EXIT.denied);
        }
        if (differences.length > 0) throw new CliError("", EXIT.different);
      },
    );
}

/** A policy from a file or from a revision of git. A file wins over a revision of the same name. */
async function readSide(side: string): Promise<Policy> {
  const isRevision = side.includes(":") && !existsSync(side);
  const text = isRevision ? await readRevision(side) : await readGrantsFile(side);
  const parsed = parseGrants(text, side);
  if ("policy" in parsed) return parsed.policy;
  const [first] = parsed.problems.map(formatProblem);
  throw new CliError(
    first ?? side,
    EXIT.failure,
    `voxtoken admin lint lists everything that is wrong with ${side}`,
  );
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;

async function readRevision(revision: string): Promise<string> {
  if (revision.startsWith("-")) {
    throw new CliError(`${revision} is neither a file nor REV:PATH of git`, EXIT.usage);
  }
  try {
    const args = ["show", "--end-of-options", revision];
    const { stdout } = await promisify(execFile)("git", args, { maxBuffer: MAX_FILE_BYTES });
    return stdout;
  } catch (cause) {
    const { stderr } = Object(cause) as { stderr?: unknown };
    const reason = typeof stderr === "string" && stderr !== "" ? stderr : String(cause);
    throw new CliError(
      `git cannot show ${revision}: ${reason.replace(/^fatal: /, "")}`,
      EXIT.failure,
      "the path counts from the top of the repository; in CI, fetch the revision first (fetch-depth: 0)",
      { cause },
    );
  }
}

const printers = {
  text(differences: readonly Difference[], io: Io): string {
    const { green, red, yellow } = colorsFor(io, io.stdout);
    const lines = differences.map((difference) => {
      const { change, isGain, serviceAccount, detail, source } = difference;
      const color = isGain ? red : change === "changed" ? yellow : green;
      const place = source === "" ? "" : ` (${source})`;
      return `${color(change)}  ${subjectOf(difference)}\n  ${serviceAccount}: ${detail}${place}`;
    });
    return `${[...lines, summary(differences)].join("\n")}\n`;
  },

  json(differences: readonly Difference[]): string {
    const items = differences.map(({ pattern, principalOrgId, isGain, ...rest }) => ({
      ...rest,
      gain: isGain,
      principal: pattern?.arn,
      uniqueId: pattern?.uniqueId,
      principalOrgId,
    }));
    return `${JSON.stringify({ differences: items }, null, 2)}\n`;
  },

  markdown(differences: readonly Difference[]): string {
    const code = (text: string) => `\`${text.replaceAll("|", "\\|")}\``;
    const rows = differences.map((difference) => {
      const { change, isGain, serviceAccount, detail, source } = difference;
      const what = isGain ? `**${change}**` : change;
      return `| ${what} | ${code(subjectOf(difference))} | ${code(serviceAccount)} | ${detail.replaceAll("|", "\\|")} | ${source} |`;
    });
    const table = [
      "| | principal | service account | what | line |",
      "| --- | --- | --- | --- | --- |",
      ...rows,
    ];
    return `${["### Grants: " + summary(differences), "", ...(rows.length > 0 ? table : [])].join("\n").trimEnd()}\n`;
  },

  github(differences: readonly Difference[], _io: Io, file: string): string {
    const lines = differences.map((difference) => {
      const { change, isGain, serviceAccount, detail, source } = difference;
      const message = `${change}: ${subjectOf(difference)}, ${serviceAccount}: ${detail}`;
      // A loss stands in a line that the new file may not have.
      const line = isGain ? Number(source.split(":").at(-1)) : 1;
      return annotation(isGain ? "warning" : "notice", { file, line, column: 1, message });
    });
    return `${[...lines, summary(differences)].join("\n")}\n`;
  },
};

function subjectOf({ pattern, principalOrgId }: Difference): string {
  if (!pattern) return "every caller";
  const pin = pattern.uniqueId === undefined ? "" : ` (${pattern.uniqueId})`;
  const org = principalOrgId === undefined ? "" : ` of ${principalOrgId}`;
  return `${pattern.arn}${pin}${org}`;
}

function summary(differences: readonly Difference[]): string {
  if (differences.length === 0) return "no difference";
  const gains = differences.filter(({ isGain }) => isGain).length;
  const changes = differences.filter(({ change }) => change === "changed").length;
  const losses = differences.length - gains - changes;
  return [
    `${count(gains, "gain")}, ${losses} ${losses === 1 ? "loss" : "losses"}`,
    ...(changes > 0 ? [count(changes, "change") + " of service accounts"] : []),
  ].join(", ");
}
