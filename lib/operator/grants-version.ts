import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { oneLine } from "../cli/io.ts";
import { readGrantsFile } from "./grants-file.ts";

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
