import { readFile } from "node:fs/promises";
import { relative } from "node:path";

import { formatProblem, LOCAL_STAGE, parseGrants } from "../lib/grants/parse.ts";
import type { Policy } from "../lib/grants/policy.ts";

/**
 * The grants file cannot be used. The message has one line for each problem, with its place in the
 * file.
 */
export class InvalidGrantsError extends Error {
  override readonly name = "InvalidGrantsError";
}

/**
 * Reads and validates a grants file.
 *
 * @param stage the value of `${stage}` in the name of a secret
 * @param warn called with each warning
 * @throws {InvalidGrantsError} so that an invalid policy can be neither built, nor packaged, nor
 *   deployed.
 */
export async function loadPolicy(
  file: string,
  stage = LOCAL_STAGE,
  warn: (line: string) => void = () => undefined,
): Promise<Policy> {
  const parsed = parseGrants(await readText(file), relative(process.cwd(), file), stage);
  if ("problems" in parsed) throw new InvalidGrantsError(parsed.problems.map(formatProblem).join("\n"));
  for (const { message, ...place } of parsed.warnings) {
    warn(formatProblem({ ...place, message: `warning: ${message}` }));
  }
  return parsed.policy;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new InvalidGrantsError(`${relative(process.cwd(), file)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
