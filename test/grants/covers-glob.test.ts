import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesGlob, splitPrincipalArn } from "../../lib/grants/arn-like.ts";
import { coversGlob, coversPrincipal } from "../../lib/grants/covers-glob.ts";
import { runs } from "../fakes/at-length.ts";
import { roleArn, userArn } from "../fakes/policy.ts";

/** Every text of up to five of these letters. Patterns have the first two at most. */
const texts = ["", ...Array.from({ length: 5 }, (_, i) => textsOf(i + 1)).flat()];

function textsOf(length: number): string[] {
  if (length === 0) return [""];
  return textsOf(length - 1).flatMap((text) => ["a", "b", "c"].map((letter) => text + letter));
}

describe("a pattern covers another", () => {
  it.each([
    ["*", "a", true],
    ["*", "*", true],
    ["*", "", true],
    ["*", "a?*b", true],
    ["a*", "a", true],
    ["a*", "ab*", true],
    ["a*", "*", false],
    ["a*", "?*", false],
    ["?", "a", true],
    ["?", "?", true],
    ["?", "*", false],
    ["?", "ab", false],
    ["?", "", false],
    ["??", "?", false],
    ["?*", "*?", true],
    ["*?", "?*", true],
    ["?*", "*a", true],
    ["?*", "a*", true],
    ["?*", "*", false],
    ["*?*?*", "??*", true],
    ["??*", "a*b", true],
    ["*a*", "b*a", true],
    ["*a*", "b*", false],
    ["*a", "*aa", true],
    ["*aa", "*a", false],
    ["*ab*", "*a?b*", false],
    ["a?c", "abc", true],
    ["a?c", "a?c", true],
    ["a?c", "a*c", false],
    ["", "", true],
    ["", "*", false],
    ["", "?", false],
    ["a", "a*", false],
    ["worker-*", "worker-?", true],
    ["worker-?", "worker-*", false],
  ])("%s and %s: %s", (wide, narrow, expected) => {
    expect(coversGlob(wide, narrow)).toBe(expected);
  });

  it("exactly if each short text that matches the one matches the other", () => {
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 4 });
    fc.assert(
      fc.property(pattern, pattern, (wide, narrow) => {
        const alone = texts.filter((text) => matchesGlob(narrow, text) && !matchesGlob(wide, text));
        // Patterns of up to four signs that differ, differ in a text of at most five letters.
        expect(coversGlob(wide, narrow)).toBe(alone.length === 0);
      }),
      runs(5000),
    );
  });

  it("in bounded time: what is not certain by then does not cover", () => {
    const hostile = `*a${"?".repeat(60)}`;
    expect(coversGlob(hostile, `*${"?".repeat(61)}`)).toBe(false);
    expect(coversGlob(hostile, `*a${"?".repeat(61)}*`)).toBe(false);
    expect(coversGlob(hostile, `${"x".repeat(60)}a${"b".repeat(60)}`)).toBe(true);
  });
});

describe("a pattern of a principal covers another", () => {
  it.each([
    ["the same", roleArn("a*"), roleArn("a*"), true],
    ["a narrower name", roleArn("a*"), roleArn("ab*"), true],
    ["a wider name", roleArn("ab*"), roleArn("a*"), false],
    ["a narrower account", roleArn("a", "1*"), roleArn("a", "11*"), true],
    ["a wider account", roleArn("a", "11*"), roleArn("a", "1*"), false],
    ["a user of the same name", roleArn("a"), userArn("a"), false],
    ["another partition", roleArn("a"), roleArn("a").replace("aws", "aws-cn"), false],
  ])("only part by part: %s", (_, wide, narrow, expected) => {
    const [a, b] = [splitPrincipalArn(wide), splitPrincipalArn(narrow)];
    if (!a || !b) throw new Error("not a principal");
    expect(coversPrincipal(a, b)).toBe(expected);
  });
});
