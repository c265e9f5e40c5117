import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { zipSync } from "fflate";
import { bundleFunctions } from "./bundle.ts";
import type { BundledPackage } from "./bundled-packages.ts";
import { loadPolicy } from "./load-policy.ts";

/** The files for Lambda: the bundle and its source map. */
const files = ["index.mjs", "index.mjs.map"];

/**
 * Builds the functions with a grants file and zips each bundle for Lambda. The build runs in a
 * temporary folder, so that the output of `npm run build` in dist/ stays.
 *
 * @param stage the value of `${stage}` in the name of a secret
 * @param artifacts paths of the zips; `…/vend-token.zip` gets the bundle of functions/vend-token.ts
 * @returns the npm packages in each function, by its name
 * @throws if the build fails, the grants file is invalid, or an artifact has no bundle
 */
export async function packageBundles(
  grantsFile: string,
  stage: string,
  artifacts: readonly string[],
): Promise<ReadonlyMap<string, readonly BundledPackage[]>> {
  const policy = await loadPolicy(grantsFile, stage);
  const out = mkdtempSync(join(tmpdir(), "bundles-"));
  try {
    const bundles = await bundleFunctions(policy, out);
    for (const artifact of artifacts) {
      mkdirSync(dirname(artifact), { recursive: true });
      writeFileSync(artifact, zipBundle(join(out, basename(artifact, ".zip"))));
    }
    return new Map(bundles.map(({ file, packages }) => [basename(dirname(file)), packages]));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/**
 * The zip has a fixed time, order and modes, so the same bundle gives the same bytes. A new hash
 * then means a new function.
 */
function zipBundle(folder: string): Uint8Array {
  const missing = files.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) throw new Error(`${folder}: the build left no ${missing.join(" and no ")}`);
  const entries = files.map((name) => [name, readFileSync(join(folder, name))] as const);
  return zipSync(Object.fromEntries(entries), {
    level: 9,
    // The earliest time that a zip can contain. Its times are local.
    mtime: new Date(1980, 0, 1),
    os: 3, // Unix, so that the modes count:
    attrs: 0o100644 << 16, // Lambda runs the code as another user than its owner.
  });
}
