import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { oneLine } from "../cli/io.ts";
import { readGrantsFile } from "./grants-file.ts";

/** A grants file of thousands of grants has less than a tenth of it. */
const MAX_BYTES = 10_000_000;

/**
 * The text of a grants file: a path, or a version that git has, as `main:grants.yml`.
 *
 * Git is run without a shell, and a version that begins with a dash, which git would take for an
 * option, is refused. `cat-file` gives the content alone: unlike `show`, it runs no program that
 * the repository's configuration names.
 */
export async function readVersion(name: string, folder = process.cwd()): Promise<string> {
  if (!name.includes(":") || existsSync(resolve(folder, name))) return readGrantsFile(name);
  if (name.startsWith("-")) {
    throw new CliError(`${name} begins with a dash`, EXIT.usage, "name a version of git as main:grants.yml");
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
      `git has no ${name}: ${oneLine(reasonOf(error))}`,
      EXIT.failure,
      "rev:path is a path from the root of the repository; `git fetch` brings a missing version",
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
  return stderr.trim() || String(error);
}
