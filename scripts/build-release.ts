import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { packageBundles } from "./package-bundles.ts";
import { billOfMaterials, type Lock } from "./sbom.ts";

const root = resolve(import.meta.dirname, "..");
const SERVICE = "voximplant-token-vendor";
const FUNCTIONS = ["vend-token", "call-method", "rotate-key", "reconcile-keys"];
export const CHECKSUMS = "SHA256SUMS";

/**
 * Builds everything that a release consists of into a folder: the functions' zips with this
 * repository's grants.yml, their bill of materials, the npm package, and the checksums of all. The
 * same commit gives the same bytes.
 *
 * @param stage the value of `${stage}` in the name of a secret
 */
export async function buildRelease(folder: string, stage: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const zips = FUNCTIONS.map((name) => join(folder, `${name}.zip`));
  const contents = await packageBundles(join(root, "grants.yml"), stage, zips);
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Lock;
  const { version } = packageJson;
  const sbom = billOfMaterials({ name: SERVICE, version }, contents, lock);
  await writeFile(join(folder, "sbom.cdx.json"), `${JSON.stringify(sbom, undefined, 2)}\n`);
  // The npm script `prepack` builds the client and the command line.
  const pack = ["pack", "--silent", "--pack-destination", folder];
  execFileSync("npm", pack, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  await writeFile(join(folder, CHECKSUMS), await checksums(folder));
}

/** A line for each file, as `sha256sum --check` reads them. */
async function checksums(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name !== CHECKSUMS).sort();
  const lines = names.map(async (name) => `${await sha256(join(folder, name))}  ${name}\n`);
  return (await Promise.all(lines)).join("");
}

export async function sha256(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}
