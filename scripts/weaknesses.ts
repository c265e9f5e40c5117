/**
 * Plants each weakness of test/security/weaknesses.ts in a copy of this repository, and checks that
 * the named test notices it.
 *
 *     npm run weaknesses
 *     npm run weaknesses -- "the end of a grant is ignored"
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { type Weakness, weaknesses } from "../test/security/weaknesses.ts";

const root = resolve(import.meta.dirname, "..");
const LEFT_OUT = [".git", ".local", ".stryker-tmp", "coverage", "node_modules"];

const [, , wanted] = process.argv;
const planted = weaknesses.filter(({ name }) => wanted === undefined || name === wanted);
if (planted.length === 0)
  throw new Error(`There is no weakness "${wanted}". See test/security/weaknesses.ts.`);

/** The titles of the tests in one file: of those that passed, and of those that failed. */
interface TestRun {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
}

/** By the file of tests. */
const unplanted: Record<string, TestRun> = {};
const copy = await mkdtemp(join(tmpdir(), "weaknesses-"));
try {
  for (const name of await readdir(root))
    if (!LEFT_OUT.includes(name)) await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));

  const width = Math.max(...planted.map(({ name }) => name.length));
  const unnoticed: string[] = [];
  for (const weakness of planted) {
    const verdict = await plant(weakness);
    if (verdict !== "noticed") unnoticed.push(weakness.name);
    console.log(`${weakness.name.padEnd(width)}  ${verdict}`);
  }
  console.log(`weaknesses: ${planted.length}, unnoticed: ${unnoticed.length}`);
  if (unnoticed.length > 0) process.exitCode = 1;
} finally {
  await rm(copy, { recursive: true });
}

async function plant({ file, changes, caughtBy }: Weakness): Promise<string> {
  const isExpected = titleMatcher(caughtBy.title);
  const before = (unplanted[caughtBy.file] ??= await runTests(caughtBy.file));
  if (before.failed.length > 0) return `${caughtBy.file} fails even without the weakness`;
  if (!before.passed.some(isExpected)) return `no test "${caughtBy.title}" in ${caughtBy.file}`;

  const path = join(copy, file);
  const original = await readFile(path, "utf8");
  await writeFile(path, changed(original, { file, changes }));
  try {
    const { failed } = await runTests(caughtBy.file);
    return failed.some(isExpected) ? "noticed" : `NOT NOTICED by "${caughtBy.title}"`;
  } finally {
    await writeFile(path, original);
  }
}

/** @throws Error a text does not occur exactly once: the weakness has to be written anew */
function changed(text: string, { file, changes }: Pick<Weakness, "file" | "changes">): string {
  return changes.reduce((before, [from, to]) => {
    const parts = before.split(from);
    if (parts.length !== 2) throw new Error(`${file}: ${parts.length - 1} times instead of once: ${from}`);
    return parts.join(to);
  }, text);
}

/** `%s` and the other placeholders of a table's title match any text. */
function titleMatcher(title: string): (actual: string) => boolean {
  const pattern = title
    .split(/%[a-z]/)
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  const whole = new RegExp(`^${pattern}$`, "s");
  return (actual) => whole.test(actual);
}

async function runTests(file: string): Promise<TestRun> {
  const args = ["vitest", "run", "--root", copy, "--reporter", "json", "--maxWorkers", "1", file];
  // Vitest ends with 1 if a test fails. The report says which.
  const { stdout, stderr } = await promisify(execFile)("npx", args, {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => error as { stdout: string; stderr: string });
  const { testResults } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
    testResults: { assertionResults: { status: string; title: string }[] }[];
  };
  if (testResults.length === 0) throw new Error(`The tests of ${file} did not run: ${stderr}`);
  const titles = (status: string) =>
    testResults.flatMap(({ assertionResults }) =>
      assertionResults.filter((result) => result.status === status).map(({ title }) => title),
    );
  return { passed: titles("passed"), failed: titles("failed") };
}
