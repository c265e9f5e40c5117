import { hasWildcard, splitPrincipalArn, type PrincipalArn } from "./arn-like.ts";
import { hostSuffixes, PARTITION } from "../partitions.ts";
import { didYouMean } from "./nearest.ts";

/** A principal of a grants file in the canonical form of {@link Caller.principal}. */
export interface Principal extends PrincipalArn {
  readonly arn: string;
  /** The path between `role/` and the name. API Gateway does not report it. */
  readonly ignoredPath?: string;
}

export type PrincipalCheck =
  | { readonly ok: true; readonly principal: Principal }
  /** `message` says what to write instead. */
  | { readonly ok: false; readonly message: string };

const IS_PARTITION = new RegExp(`^${PARTITION}$`);
const PARTITIONS = Object.keys(hostSuffixes);

const FORMS = "write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>";

/** Checks the ARN of a grant's principal by the rules of IAM, and drops a role's path. */
export function checkPrincipal(text: string): PrincipalCheck {
  const parts = splitPrincipalArn(text);
  if (!parts) return bad(notAPrincipal(text));
  const { partition, accountId, kind, name } = parts;

  if (hasWildcard(partition)) {
    return bad(
      "the partition must be written out (aws, aws-cn, aws-us-gov, …): account ids are unique only within one",
    );
  }
  if (!IS_PARTITION.test(partition)) {
    return bad(`"${partition}" is not a partition of AWS${didYouMean(partition, PARTITIONS)}`);
  }
  const accountError = accountProblem(accountId);
  if (accountError) return bad(accountError);

  const slash = name.lastIndexOf("/");
  const path = slash < 0 ? "" : name.slice(0, slash + 1);
  const ownName = name.slice(slash + 1);
  if (!/^[!-~]*$/.test(path))
    return bad(`the path "${path}" has a character that IAM does not allow in paths`);
  if (!/^[\w+=,.@*?-]+$/.test(ownName)) {
    return bad(
      ownName === ""
        ? `"${name}" ends with a slash: add the name`
        : `"${ownName}" is not a name that IAM allows: A-Z, a-z, 0-9 and +=,.@_- (and the wildcards * and ?)`,
    );
  }
  if (ownName.replaceAll("*", "").length > 64)
    return bad(`"${ownName}" is longer than the 64 characters of IAM`);

  if (kind === "user" || path === "") return { ok: true, principal: { ...parts, arn: text } };
  if (/^[*?]+$/.test(ownName)) {
    return bad(
      `API Gateway does not report the path of a role, so this would match every role of the ` +
        `account, not only those below ${path}: name the roles`,
    );
  }
  const arn = `arn:${partition}:iam::${accountId}:role/${ownName}`;
  return { ok: true, principal: { ...parts, arn, name: ownName, ignoredPath: path } };
}

/** A warning if a partition has the right form but is not one that AWS has. */
export function partitionWarning({ partition }: Principal): string | undefined {
  if (PARTITIONS.includes(partition)) return undefined;
  return `"${partition}" is not a known partition of AWS${didYouMean(partition, PARTITIONS)}`;
}

function notAPrincipal(text: string): string {
  const session = /^arn:([^:]+):sts::([^:]*):assumed-role\/([^/]+)/.exec(text);
  if (session) {
    const [, partition = "", account = "", role = ""] = session;
    return (
      `a session is refused, because callers choose the names of their sessions: grant to the role, ` +
      `arn:${partition}:iam::${account}:role/${role}`
    );
  }
  if (/^[*?]+$/.test(text)) return `a bare "${text}" would match every principal: ${FORMS}`;
  if (/^[0-9]{1,12}$/.test(text) || /^arn:[^:]*:iam::[^:]*:root$/.test(text)) {
    const account = /[0-9]{12}/.exec(text)?.[0] ?? "<account>";
    return (
      `an account is refused, because it would match every principal in it: name its roles and users, ` +
      `such as arn:aws:iam::${account}:role/<name>`
    );
  }
  const parts = /^arn:([^:]*):iam:{1,3}(\d{12})[:/]?(role|user)[:/](.+)$/.exec(text);
  if (parts !== null && splitPrincipalArn(text) === undefined) {
    const [, partition = "", account = "", kind = "", name = ""] = parts;
    return `the colons are not where an ARN has them: write arn:${partition}:iam::${account}:${kind}/${name}`;
  }
  if (text !== text.trim()) return `"${text}" has spaces around it: remove them`;
  const [, , , region = "", , resource = ""] = text.split(":");
  if (/^arn:[^:]*:iam:[^:]+:/.test(text)) return `IAM is global: remove the region "${region}"`;
  if (/^arn:[^:]*:iam::[^:]*:/.test(text) && /[*?]/.test(resource.split("/")[0] ?? "")) {
    return `role/ or user/ must be written out in front of a wildcard: ${FORMS}`;
  }
  return `"${text}" is not an IAM role or user: ${FORMS}`;
}

function accountProblem(accountId: string): string | undefined {
  if (!/^[0-9*?]+$/.test(accountId)) return `"${accountId}" is not an AWS account id, which has 12 digits`;
  const length = accountId.replaceAll("*", "").length;
  if (accountId.includes("*") ? length <= 12 : length === 12) return undefined;
  const lost = length < 12 && !hasWildcard(accountId) ? " (leading zeros count)" : "";
  return `the account id "${accountId}" has ${length} digits instead of 12${lost}`;
}

function bad(message: string): PrincipalCheck {
  return { ok: false, message };
}
