import { execFile } from "node:child_process";
import { access, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import { lock } from "proper-lockfile";
import type { TestContext } from "vitest";

const run = promisify(execFile);
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/node-runtimes");

/** The Node versions that Lambda or a laptop may bring. */
export const NODE_MAJORS = [20, 22, 24] as const;

/** Enough for a test that has to fetch its Node first. */
export const FETCHING_NODE_MS = 330_000;

/**
 * The path of a Node binary of a major version: the running one, or that of the npm package `node`,
 * fetched once. Without a network the test is skipped and says so; in CI, where there is one, that
 * is a failure.
 */
export async function findNode(major: number, { skip }: Pick<TestContext, "skip">): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const folder = join(cache, String(major));
  const binary = join(folder, "node_modules", "node", "bin", "node");
  await mkdir(folder, { recursive: true });
  // Test files run side by side, and more than one wants it.
  const release = await lock(folder, { retries: { retries: 300, minTimeout: 1000, maxTimeout: 1000 } });
  try {
    await access(binary).catch(() => install(major, folder));
  } catch (error) {
    if (process.env["CI"]) throw error;
    skip(`Node ${major} is not here, and not to be had without a network`);
  } finally {
    await release();
  }
  const { stdout } = await run(binary, ["--version"]);
  if (!stdout.startsWith(`v${major}.`)) throw new Error(`${binary} is ${stdout.trim()}, not Node ${major}`);
  return binary;
}

async function install(major: number, folder: string): Promise<void> {
  const options = ["--prefix", folder, "--no-save", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...options, `node@${major}`], { timeout: 300_000 });
}
