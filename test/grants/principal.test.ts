import { describe, expect, it } from "vitest";
import { checkPrincipal } from "../../lib/grants/principal.ts";

const FORMS = "write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>";
const account = (id = "<account>") =>
  "an account is refused, because it would match every principal in it: name its roles and users, such as " +
  `arn:aws:iam::${id}:role/<name>`;
const session = (role: string) =>
  "a session is refused, because callers choose the names of their sessions: grant to the role, " + role;
const bare = (text: string) => `a bare "${text}" would match every principal: ${FORMS}`;
const other = (text: string) => `"${text}" is not an IAM role or user: ${FORMS}`;
const name = (text: string) =>
  `"${text}" is not a name that IAM allows: A-Z, a-z, 0-9 and +=,.@_- (and the wildcards * and ?)`;
const everyRole = (path: string) =>
  "API Gateway does not report the path of a role, so this would match every role of the account, not only " +
  `those below ${path}: name the roles`;
const colons = (right: string) => `the colons are not where an ARN has them: write ${right}`;

const role = (ofAccount: string, rest: string) => `arn:aws:iam::${ofAccount}:role/${rest}`;
const ID = "111122223333";

describe("a principal of the grants file", () => {
  it.each([
    ["*", bare("*")],
    ["?", bare("?")],
    ["*?*", bare("*?*")],
    ["*x", other("*x")],
    ["x*", other("x*")],
    [ID, account(ID)],
    ["1", account()],
    ["x1", other("x1")],
    ["1x", other("1x")],
    ["1111222233334", other("1111222233334")],
    [`arn:aws:iam::${ID}:root`, account(ID)],
    ["arn:aws:iam::1:root", account()],
    [`xarn:aws:iam::${ID}:root`, other(`xarn:aws:iam::${ID}:root`)],
    [`arn:aws:iam::${ID}:rootx`, other(`arn:aws:iam::${ID}:rootx`)],
    [`arn:aws:sts::${ID}:assumed-role/x/y`, session(role(ID, "x"))],
    [`arn:aws-cn:sts::${ID}:assumed-role/x/y`, session(`arn:aws-cn:iam::${ID}:role/x`)],
    [`xarn:aws:sts::${ID}:assumed-role/x/y`, other(`xarn:aws:sts::${ID}:assumed-role/x/y`)],
    [`arn:aws:iam:${ID}:role/x`, colons(role(ID, "x"))],
    [`arn:aws-cn:iam:::${ID}:user:team/x`, colons(`arn:aws-cn:iam::${ID}:user/team/x`)],
    [`arn:aws:iam:eu-west-1:${ID}:role/x`, 'IAM is global: remove the region "eu-west-1"'],
    [`arn:aws:iam::${ID}:*/x`, `role/ or user/ must be written out in front of a wildcard: ${FORMS}`],
    [`arn:aws:iam::${ID}:rol?/x`, `role/ or user/ must be written out in front of a wildcard: ${FORMS}`],
    [`arn:aws:iam::${ID}:group/*`, other(`arn:aws:iam::${ID}:group/*`)],
    [`xarn:aws:iam::${ID}:*`, other(`xarn:aws:iam::${ID}:*`)],
    [` ${role(ID, "x")}`, `" ${role(ID, "x")}" has spaces around it: remove them`],
    [
      "arn:aws:iam::11112222333:role/x",
      'the account id "11112222333" has 11 digits instead of 12 (leading zeros count)',
    ],
    ["arn:aws:iam::1111222233334:role/x", 'the account id "1111222233334" has 13 digits instead of 12'],
    ["arn:aws:iam::1111222233334*:role/x", 'the account id "1111222233334*" has 13 digits instead of 12'],
    ["arn:aws:iam::1111?:role/x", 'the account id "1111?" has 5 digits instead of 12'],
    ["arn:aws:iam::a11122223333:role/x", '"a11122223333" is not an AWS account id, which has 12 digits'],
    ["arn:aws:iam::11112222333a:role/x", '"11112222333a" is not an AWS account id, which has 12 digits'],
    [role(ID, "a b"), name("a b")],
    [role(ID, "ä"), name("ä")],
    [role(ID, "a b/x"), 'the path "a b/" has a character that IAM does not allow in paths'],
    [role(ID, "ä/x"), 'the path "ä/" has a character that IAM does not allow in paths'],
    [role(ID, "xä/x"), 'the path "xä/" has a character that IAM does not allow in paths'],
    [role(ID, "team/"), '"team/" ends with a slash: add the name'],
    [role(ID, "x".repeat(65)), `"${"x".repeat(65)}" is longer than the 64 characters of IAM`],
    [role(ID, "team/*"), everyRole("team/")],
    [role(ID, "team/?*"), everyRole("team/")],
  ])("is refused with the reason: %s", (text, message) => {
    expect(checkPrincipal(text)).toEqual({ ok: false, message });
  });

  it.each([
    ["a role", role(ID, "x"), role(ID, "x"), undefined],
    ["a role with a path, which is dropped", role(ID, "a/b/x"), role(ID, "x"), "a/b/"],
    ["a name of 64 characters", role(ID, "x".repeat(64)), role(ID, "x".repeat(64)), undefined],
    ["64 characters and a star", role(ID, `${"x".repeat(64)}*`), role(ID, `${"x".repeat(64)}*`), undefined],
    ["every role", role(ID, "*"), role(ID, "*"), undefined],
    ["a path and a wildcard in the name", role(ID, "a/x*"), role(ID, "x*"), "a/"],
    ["a path and a wildcard before the name", role(ID, "a/*x"), role(ID, "*x"), "a/"],
    ["a slash in front, which is a path of its own", role(ID, "/x"), role(ID, "x"), "/"],
    ["a wildcard for digits of the account", role("1111*", "x"), role("1111*", "x"), undefined],
    ["twelve digits and a star", role(`${ID}*`, "x"), role(`${ID}*`, "x"), undefined],
    ["twelve question marks", role("?".repeat(12), "x"), role("?".repeat(12), "x"), undefined],
    ["a user keeps its path", `arn:aws:iam::${ID}:user/a/x`, `arn:aws:iam::${ID}:user/a/x`, undefined],
  ])("may be %s", (_, text, arn, ignoredPath) => {
    const check = checkPrincipal(text);
    expect(check).toMatchObject({ ok: true, principal: { arn } });
    expect(check.ok && check.principal.ignoredPath).toBe(ignoredPath);
  });
});
