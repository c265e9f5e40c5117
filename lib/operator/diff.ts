import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { Command, Option } from "commander";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { type Io, oneLine } from "../cli/io.ts";
import { diffPolicies, hasGain } from "../grants/diff.ts";
import { printers } from "./diff-printers.ts";
import { checkGrants, readGrantsFile } from "./grants-file.ts";

interface Options {
  readonly format: keyof typeof printers;
  readonly failOn?: "gain";
}

/**
 * `voxtoken admin diff`: who gains and who loses what by a change of a grants file. Ends with 4 if
 * there is a difference, so that a script can tell it from a failure.
 */
export function diffCommand(io: Io): Command {
  return new Command("diff")
    .description("say who gains and who loses what between two versions of a grants file")
    .argument("<old>", "a grants file, or rev:path of git, such as main:grants.yml")
    .argument("<new>", "a grants file, or rev:path of git")
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
gains. Order, comments, tests and grants that have ended make no difference.`,
    )
    .action(async (oldName: string, newName: string, { format, failOn }: Options) => {
      const [before, after] = await Promise.all(
        [oldName, newName].map(async (name) => checkGrants(await readVersion(name), name)),
      );
      if (!before || !after) throw new Error("two names give two files");
      const diff = diffPolicies(before.policy, after.policy, io.now());
      io.stdout.write(printers[format](diff, { old: before.place, new: after.place, newName }, io));
      if (failOn === "gain" && hasGain(diff)) throw new CliError("", EXIT.denied);
      if (diff.differences.length + diff.serviceAccounts.length > 0) throw new CliError("", EXIT.different);
    });
}

/** More than ten times the size of a file with thousands of grants. */
const MAX_BYTES = 10_000_000;

/**
 * Reads a grants file. `name` is a path, or a version in git such as `main:grants.yml`.
 *
 * Git is run without a shell, and a version that begins with a dash, which git would take for an
 * option, is refused. `cat-file` gives the content alone: unlike `show`, it runs no program that
 * the repository's configuration names.
 */
export async function readVersion(name: string, folder = process.cwd()): Promise<string> {
  if (!name.includes(":") || existsSync(resolve(folder, name))) return readGrantsFile(name);
  if (name.startsWith("-")) {
    throw new CliError(`${name} begins with a dash`, EXIT.usage, "example: main:grants.yml");
  }
  try {
    const { stdout } = await promisify(execFile)("git", ["cat-file", "blob", name], {
      cwd: folder,
      maxBuffer: MAX_BYTES,
      timeout: 30_000,
    });
    return stdout;
  } catch (error) {
    throw new CliError(
      `cannot read ${name} from git: ${oneLine(reasonOf(error))}`,
      EXIT.failure,
      "path in rev:path starts at the root of the repository; `git fetch` gets a missing version",
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
  return stderr.trim() || String(error);
}
