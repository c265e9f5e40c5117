/**
 * Bundles each function of functions/ to DIR/<name>/index.mjs, self-contained, with the grants file embedded.
 *
 *   npm run build [-- --grants FILE] [--out DIR]
 */
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

import { bundleFunctions } from "./bundle.ts";
import { InvalidGrantsError, loadPolicy } from "./load-policy.ts";

const root = resolve(import.meta.dirname, "..");

const { values } = parseArgs({
  options: {
    grants: { type: "string", default: join(root, "grants.yml") },
    out: { type: "string", default: join(root, "dist", "functions") },
  },
});

try {
  const policy = await loadPolicy(resolve(values.grants));
  for (const { file, bytes } of await bundleFunctions(policy, resolve(values.out))) {
    console.log(`${relative(process.cwd(), file)}  ${(bytes / 1024).toFixed(0)} KB`);
  }
} catch (error) {
  if (!(error instanceof InvalidGrantsError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
