/** Whether a text has a `*` or a `?`. IAM's ArnLike has no way to escape them. */
export function hasWildcard(text: string): boolean {
  return text.includes("*") || text.includes("?");
}

/** The parts of a principal's ARN, matched one by one, so no wildcard reaches into another part. */
export interface PrincipalArn {
  readonly partition: string;
  readonly accountId: string;
  readonly kind: "role" | "user";
  /** Everything after `role/` or `user/`: the path, if there is one, and the name. */
  readonly name: string;
}

/** `arn:<partition>:iam::<account>:<role|user>/<name>`, with or without wildcards. */
export function splitPrincipalArn(arn: string): PrincipalArn | undefined {
  const match = /^arn:([^:]+):iam::([^:]+):(role|user)\/(.+)$/.exec(arn);
  if (!match) return undefined;
  const [, partition = "", accountId = "", kind, name = ""] = match;
  return { partition, accountId, kind: kind === "role" ? "role" : "user", name };
}

/**
 * Whether a pattern matches a caller's principal, by the rules of IAM's ArnLike.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
 */
export function matchesPrincipal(pattern: PrincipalArn, caller: PrincipalArn): boolean {
  return (
    pattern.kind === caller.kind &&
    pattern.partition === caller.partition &&
    matchesGlob(pattern.accountId, caller.accountId) &&
    matchesGlob(pattern.name, caller.name)
  );
}

/**
 * Whether a pattern matches a whole text. `*` matches any number of characters, also none; `?`
 * matches exactly one; every other character matches itself. This is not a regular expression, so
 * nothing needs escaping or anchoring.
 *
 * After a mismatch, only the last `*` that was reached takes one more character. That is enough: if
 * an earlier `*` took more, it would only skip text that the later one can take. So the work is at
 * most the text's length times the length of the longest piece between two `*`.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let widenFrom = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      widenFrom = t;
    } else if (pattern[p] === "?" || pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++widenFrom;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
