import { Command, Option } from "commander";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { diffPolicies, hasGain } from "../grants/diff.ts";
import { printers } from "./diff-printers.ts";
import { checkGrants } from "./grants-file.ts";
import { readVersion } from "./grants-version.ts";

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
