import { execFile } from "node:child_process";
import { access, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/node-runtimes");

/** The Node versions that Lambda or a laptop may bring. */
export const NODE_MAJORS = [20, 22, 24] as const;

/**
 * The path of a Node binary of a major version: the running one, or that of the npm package `node`, fetched once.
 *
 * @returns undefined where the registry is out of reach, which only a machine without a network may accept
 */
export async function findNode(major: number): Promise<string | undefined> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const folder = join(cache, String(major));
  const binary = join(folder, "node_modules", "node", "bin", "node");
  try {
    await access(binary);
  } catch {
    await mkdir(folder, { recursive: true });
    const install = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", `node@${major}`];
    try {
      await run("npm", install, { timeout: 300_000 });
    } catch (error) {
      if (process.env["CI"]) throw error;
      return undefined;
    }
  }
  const { stdout } = await run(binary, ["--version"]);
  if (!stdout.startsWith(`v${major}.`)) throw new Error(`${binary} is ${stdout.trim()}, not Node ${major}`);
  return binary;
}
