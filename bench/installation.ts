import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Measured } from "./rows.ts";

const run = promisify(execFile);

/** What a consumer gets by `npm install voxtoken`. Nothing where no registry can be reached. */
export async function measureInstallation(): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "install-"));
  try {
    const root = resolve(import.meta.dirname, "..");
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: root });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await writeFile(join(folder, "package.json"), '{"private": true}');
    const options = ["--prefer-offline", "--no-audit", "--no-fund"];
    await run("npm", ["install", ...options, `./${filename}`], { cwd: folder });
    const { stdout: list } = await run("npm", ["ls", "--all", "--parseable"], { cwd: folder });
    const packages = new Set(list.split("\n").filter((line) => line.includes("node_modules"))).size;
    return { packages, megabytes: (await bytesBelow(join(folder, "node_modules"))) / 1e6 };
  } catch (error) {
    console.error(`The package was not installed: ${error instanceof Error ? error.message : String(error)}`);
    return {};
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** On the disk, as `du` counts. */
async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true });
  const sizes = entries.map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? bytesBelow(path) : stat(path).then(({ blocks }) => blocks * 512);
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
