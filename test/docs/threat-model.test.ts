import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { weaknesses } from "../security/weaknesses.ts";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs", "threat-model.md"), "utf8");
const cited = [...page.matchAll(/`([\w/.-]+\.test\.ts)` “([^”]+)”/g)].map(([, file = "", title = ""]) => ({
  file: `test/${file}`,
  title,
}));

describe("docs/threat-model.md", () => {
  it.each(cited)("cites a test that exists: $file, $title", ({ file, title }) => {
    expect(existsSync(join(root, file))).toBe(true);
    expect(readFileSync(join(root, file), "utf8")).toContain(`"${title}"`);
  });

  it("names a test for each threat", () => {
    const threats = page.split("\n").filter((line) => /^\| +[STRIDE] +\|/.test(line));
    expect(threats.length).toBeGreaterThan(30);
    for (const threat of threats) expect(threat).toMatch(/` “[^”]+”/);
  });

  it.each(weaknesses)("cites the test that notices a planted weakness: $name", ({ caughtBy }) => {
    expect(cited).toContainEqual(caughtBy);
  });
});
