import { readFile } from "node:fs/promises";
import { relative } from "node:path";

import { formatProblem, LOCAL_STAGE, parseGrants } from "../lib/grants/parse.ts";
import type { Policy } from "../lib/grants/policy.ts";
import { describeFailure, hasPassed, runTests } from "../lib/grants/tests.ts";
import { wrap, wrapLines } from "../lib/operator/wrap.ts";

/**
 * The grants file cannot be used. The message has one line for each problem, with its place in the
 * file. A test that fails has more lines.
 */
export class InvalidGrantsError extends Error {
  override readonly name = "InvalidGrantsError";
}

/**
 * Reads and validates a grants file, and runs its tests.
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
  const name = relative(process.cwd(), file);
  const now = Date.now();
  const parsed = parseGrants(await readText(file), name, stage, now);
  if ("problems" in parsed) throw new InvalidGrantsError(parsed.problems.map(formatProblem).join("\n"));
  const failures = runTests(parsed.policy, parsed.tests, now).filter((result) => !hasPassed(result));
  if (failures.length > 0) {
    const lines = failures.flatMap((failure) => {
      const [what = "", ...why] = describeFailure(failure, parsed.policy, now);
      const message = `the test fails: ${what}`;
      const problem = formatProblem({ file: name, ...failure.test, message });
      return [wrap(problem, 2), ...wrapLines(why, 2)];
    });
    throw new InvalidGrantsError(lines.join("\n"));
  }
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
