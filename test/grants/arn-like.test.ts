import { describe, expect, it } from "vitest";
import { matchesGlob, matchesPrincipal, splitPrincipalArn } from "../../lib/grants/arn-like.ts";
import { callerOf, roleArn, userArn } from "../fakes/policy.ts";

describe("a glob matches the whole text", () => {
  it.each([
    ["", "", true],
    ["", "a", false],
    ["a", "", false],
    ["abc", "abc", true],
    ["abc", "ab", false],
    ["abc", "abcd", false],
    ["abc", "xabc", false],
    ["Abc", "abc", false],
    ["*", "", true],
    ["*", "anything", true],
    ["**", "x", true],
    ["a*", "a", true],
    ["a*", "abc", true],
    ["a*", "ba", false],
    ["*a", "a", true],
    ["*a", "ba", true],
    ["*a", "ab", false],
    ["a*c", "ac", true],
    ["a*c", "abbbc", true],
    ["a*c", "abbbcd", false],
    ["*ab", "aab", true],
    ["*aab*b", "aaabab", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["?", "", false],
    ["?", "a", true],
    ["?", "ab", false],
    ["a?", "a", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["a?c", "abbc", false],
    ["?*", "", false],
    ["?*", "a", true],
    ["*?", "", false],
    ["*?", "ab", true],
    ["*?a", "ba", true],
    ["*?a", "a", false],
    ["a|b", "a", false],
    ["a|b", "b", false],
    ["a|b", "a|b", true],
    [".", "a", false],
    ["[ab]", "a", false],
    ["a+", "aa", false],
    ["^a$", "a", false],
    ["\\*", "\\anything", true],
    ["a\n*", "a", false],
  ])("%j, %j: %s", (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected);
  });

  it("a star in the text is an ordinary character", () => {
    expect(matchesGlob("a", "*")).toBe(false);
    expect(matchesGlob("a?", "a*")).toBe(true);
  });
});

describe("an ARN pattern matches part by part", () => {
  it.each([
    ["the ARN itself", roleArn("billing"), roleArn("billing"), true],
    ["another name", roleArn("billing"), roleArn("billing2"), false],
    ["another account", roleArn("billing"), roleArn("billing", "444455556666"), false],
    ["another partition", roleArn("billing"), "arn:aws-cn:iam::111122223333:role/billing", false],
    ["a user of a role's name", roleArn("alice"), userArn("alice"), false],
    ["every role of an account", roleArn("*"), roleArn("billing"), true],
    ["every role, not every user", roleArn("*"), userArn("alice"), false],
    ["a prefix", roleArn("nightly-*"), roleArn("nightly-report"), true],
    ["the prefix itself", roleArn("nightly-*"), roleArn("nightly-"), true],
    ["less than the prefix", roleArn("nightly-*"), roleArn("nightly"), false],
    ["one character", roleArn("worker-?"), roleArn("worker-1"), true],
    ["not none", roleArn("worker-?"), roleArn("worker-"), false],
    ["not two", roleArn("worker-?"), roleArn("worker-12"), false],
    ["any account", roleArn("billing", "*"), roleArn("billing", "444455556666"), true],
    ["some accounts", roleArn("billing", "1111*"), roleArn("billing", "444455556666"), false],
    ["a user below a path", userArn("ops/*"), userArn("ops/night/alice"), true],
    ["a path that only begins alike", userArn("ops/*"), userArn("opsx/alice"), false],
    ["a colon in a user's path", userArn("a*z/alice"), userArn("a:iam::z/alice"), true],
    ["a user's path is not another account", userArn("alice", "*"), userArn("1:user/alice"), false],
  ])("%s: %s against %s is %s", (_, pattern, principal, expected) => {
    const parts = splitPrincipalArn(pattern);
    if (!parts) throw new Error("not a principal");
    expect(matchesPrincipal(parts, callerOf(principal))).toBe(expected);
  });

  it.each([
    "",
    "*",
    "arn:aws:iam::*:*",
    "arn:aws:iam::111122223333:root",
    "arn:aws:iam::111122223333:role/",
    "arn:aws:iam::111122223333:rol?/x",
    "arn:aws:iam:us-east-1:111122223333:role/x",
    "arn:aws:*::111122223333:role/x",
    "arn:aws:sts::111122223333:assumed-role/x/y",
    " arn:aws:iam::111122223333:role/x",
  ])("%j is not a principal at all", (arn) => {
    expect(splitPrincipalArn(arn)).toBeUndefined();
  });
});
