import { readFile } from "node:fs/promises";
import { type Caller, identifyCaller } from "../caller/caller.ts";
import { hasWildcard } from "../grants/arn-like.ts";
import { formatProblem, parseGrants, type ReadGrants } from "../grants/parse.ts";
import { isFailure } from "../outcome.ts";
import type { Policy } from "../grants/policy.ts";
import { checkPrincipal } from "../grants/principal.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";

/** What the commands about grants have in common: the file, and a principal given by hand. */

export const GRANTS_FILE = "grants.yml";

export async function readGrantsFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new CliError(
      missing ? `there is no file ${file}` : `cannot read ${file}: ${String(error)}`,
      missing ? EXIT.usage : EXIT.failure,
      missing ? "name the grants file, or change to the folder it is in" : undefined,
      { cause: error },
    );
  }
}

/**
 * Reads the policy of a grants file.
 *
 * @param stage replaces `${stage}` in the names of secrets
 * @throws CliError the file cannot be read, or has an error that lint reports
 */
export async function readPolicy(file: string, stage?: string): Promise<Policy> {
  return (await parseGrantsFile(file, stage)).policy;
}

export async function parseGrantsFile(file: string, stage?: string): Promise<ReadGrants> {
  return checkGrants(await readGrantsFile(file), file, stage);
}

/**
 * Parses the text of a grants file.
 *
 * @param file the file's name in messages
 * @throws CliError the text has an error that lint reports
 */
export function checkGrants(text: string, file: string, stage?: string): ReadGrants {
  const parsed = parseGrants(text, file, stage);
  if ("policy" in parsed) return parsed;
  const [first, ...others] = parsed.problems.map(formatProblem);
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  throw new CliError(`${first ?? file}${more}`, EXIT.failure, `voxtoken admin lint ${file} lists everything`);
}

/** What API Gateway reports about a caller besides its ARN. */
export interface CallerOptions {
  readonly uniqueId?: string;
  readonly orgId?: string;
}

/**
 * The caller that an ARN identifies: the ARN of a role, of a user, or of a session as `aws sts
 * get-caller-identity` prints it. A session's ARN is
 * parsed by the same code as in the Lambda's events.
 */
export function callerOf(arn: string, { uniqueId, orgId }: CallerOptions): Caller {
  const identify = (userArn: string) => identifyCaller({ userArn, userId: uniqueId, principalOrgId: orgId });
  const asGiven = identify(arn);
  if (!isFailure(asGiven)) return asGiven;

  const check = checkPrincipal(arn);
  if (!check.ok) throw new CliError(check.message, EXIT.usage);
  if (hasWildcard(check.principal.arn)) {
    throw new CliError(
      `${arn} is a pattern, not one principal`,
      EXIT.usage,
      "write out the name of one role or user",
    );
  }
  const { partition, accountId, name } = check.principal;
  // Any session name works, because grants ignore the name.
  const session = identify(`arn:${partition}:sts::${accountId}:assumed-role/${name}/any`);
  if (isFailure(session)) throw new CliError(session.detail, EXIT.usage);
  return session;
}
