/**
 * Builds a release into an empty folder, or verifies one: builds again and compares every byte.
 *
 *   npm run release -- DIR [--stage STAGE]
 *   npm run verify-release -- DIR [--stage STAGE]
 */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildRelease, CHECKSUMS, sha256 } from "./build-release.ts";

const [command, folder, stage] = readArguments();
if (command === "build") await build(resolve(folder), stage);
else await verify(resolve(folder), stage);

async function build(out: string, stage: string): Promise<void> {
  if (existsSync(out) && (await readdir(out)).length > 0) fail(`${out} is not empty: name another folder`);
  await buildRelease(out, stage);
  console.log(await readFile(join(out, CHECKSUMS), "utf8"));
  console.log(`Next: npm run verify-release -- ${out} --stage ${stage}`);
}

async function verify(given: string, stage: string): Promise<void> {
  if (!existsSync(join(given, CHECKSUMS))) fail(`${given} has no ${CHECKSUMS}: it is not a release`);
  const own = await mkdtemp(join(tmpdir(), "release-"));
  try {
    await buildRelease(own, stage);
    const names = [...new Set([...(await readdir(given)), ...(await readdir(own))])].sort();
    const width = Math.max(...names.map((name) => name.length));
    let differing = 0;
    for (const name of names) {
      const verdict = await compare(join(given, name), join(own, name));
      if (verdict !== "same bytes") differing += 1;
      console.log(`${name.padEnd(width)}  ${verdict}`);
    }
    if (differing === 0) return;
    console.log(
      "\nNot the same. Check that this is the release's commit, that nothing is changed (git status),\n" +
        "that npm ci has run with the same version of Node and npm, and that the clone was made with\n" +
        "umask 022: npm pack keeps the modes of files.",
    );
    process.exitCode = 1;
  } finally {
    await rm(own, { recursive: true });
  }
}

async function compare(given: string, own: string): Promise<string> {
  if (!existsSync(given)) return "MISSING in the release";
  if (!existsSync(own)) return "NOT PART of a release";
  return (await sha256(given)) === (await sha256(own)) ? "same bytes" : "DIFFERS";
}

function readArguments(): [command: string, folder: string, stage: string] {
  const options = { stage: { type: "string", default: "prod" } } as const;
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options });
    const [command, folder, ...rest] = positionals;
    if (command !== undefined && folder !== undefined && rest.length === 0)
      return [command, folder, values.stage];
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
  fail("Usage: npm run release -- DIR [--stage STAGE], or npm run verify-release -- DIR [--stage STAGE]");
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
