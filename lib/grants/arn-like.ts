/** True where `*` or `?` stand: IAM's ArnLike knows no way to escape them. */
export function hasWildcard(text: string): boolean {
  return text.includes("*") || text.includes("?");
}

/** A principal's ARN taken apart; each part is matched by itself, so that no wildcard reaches over a colon. */
export interface PrincipalArn {
  readonly partition: string;
  readonly accountId: string;
  readonly kind: "role" | "user";
  /** Everything behind `role/` or `user/`: a path, if there is one, and the name. */
  readonly name: string;
}

/** `arn:<partition>:iam::<account>:<role|user>/<name>`, where account and name may have wildcards. */
export function splitPrincipalArn(arn: string): PrincipalArn | undefined {
  const match = /^arn:([^:]+):iam::([^:]+):(role|user)\/(.+)$/.exec(arn);
  if (!match) return undefined;
  const [, partition = "", accountId = "", kind, name = ""] = match;
  return { partition, accountId, kind: kind === "role" ? "role" : "user", name };
}

/**
 * Whether a caller's principal is one that the pattern means, by the rules of IAM's ArnLike.
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
 * `*` is any run of characters, the empty one included; `?` is exactly one; all else stands for itself. The whole text
 * has to match. No regular expression: there is nothing to escape and nothing to half-anchor. Only the last `*` is ever
 * widened, which is enough because an earlier one could only have taken less: the work is at most the text times the
 * longest piece between two `*`.
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
