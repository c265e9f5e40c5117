import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { ESLint } from "eslint";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(resolve(root, file), "utf8");

/** A pattern without a leading slash also ignores lib/reconciliation/reports/ and the like. */
it.each([
  [".gitignore", read(".gitignore").split("\n")],
  [".prettierignore", read(".prettierignore").split("\n")],
  [
    ".oxlintrc.json",
    (/"ignorePatterns": \[([^\]]*)\]/.exec(read(".oxlintrc.json"))?.[1] ?? "").match(/[^\s",]+/g) ?? [],
  ],
])("%s ignores dist/, coverage/, reports/ and examples/ only at the top", (_file, patterns) => {
  expect(patterns).toContain("/reports/");
  // Names that no source folder has.
  const others = patterns.filter(
    (pattern) => !/^(?:[/.#]|node_modules\/|\*_private|package-lock|$)/.test(pattern),
  );
  expect(others).toEqual([]);
});

it.each(["dist", "coverage", "reports", "examples"])("ESLint ignores %s/ only at the top", async (folder) => {
  const eslint = new ESLint({ cwd: root });
  expect(await eslint.isPathIgnored(resolve(root, folder, "x.ts"))).toBe(true);
  expect(await eslint.isPathIgnored(resolve(root, "lib/client", folder, "x.ts"))).toBe(false);
});
