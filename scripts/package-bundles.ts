import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { zipSync } from "fflate";
import { bundleFunctions } from "./bundle.ts";
import { loadPolicy } from "./load-policy.ts";

/** The bundle and its source map; anything else that a build may leave is not for Lambda. */
const files = ["index.mjs", "index.mjs.map"];

/**
 * Builds the functions with a grants file and zips each bundle for Lambda. The build is made in a
 * folder of its own, so that dist/ keeps what `npm run build` put there.
 *
 * @param stage what `${stage}` in the name of a secret stands for
 * @param artifacts paths of the zips; `…/vend-token.zip` gets the bundle of functions/vend-token.ts
 * @throws where the build fails, an invalid grants file included, or leaves no bundle for an
 *   artifact
 */
export async function packageBundles(
  grantsFile: string,
  stage: string,
  artifacts: readonly string[],
): Promise<void> {
  const policy = await loadPolicy(grantsFile, stage);
  const out = mkdtempSync(join(tmpdir(), "bundles-"));
  try {
    await bundleFunctions(policy, out);
    for (const artifact of artifacts) {
      mkdirSync(dirname(artifact), { recursive: true });
      writeFileSync(artifact, zipBundle(join(out, basename(artifact, ".zip"))));
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/**
 * The same bundle gives the same bytes, whenever and wherever it is zipped: a fixed time, a fixed
 * order, fixed modes. A new hash then means a new function.
 */
export function zipBundle(folder: string): Uint8Array {
  const missing = files.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) throw new Error(`${folder}: the build left no ${missing.join(" and no ")}`);
  const entries = files.map((name) => [name, readFileSync(join(folder, name))] as const);
  return zipSync(Object.fromEntries(entries), {
    level: 9,
    // The earliest that a zip can say, in local time, as a zip's times are.
    mtime: new Date(1980, 0, 1),
    os: 3, // Unix, so that the modes count:
    attrs: 0o100644 << 16, // Lambda runs the code as another user than its owner.
  });
}
