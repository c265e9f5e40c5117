/**
 * Bundles each function of functions/ to DIR/<name>/index.mjs, self-contained, with the grants file
 * embedded.
 *
 *   npm run build [-- --grants FILE] [--out DIR]
 */
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

import { bundleFunctions } from "./bundle.ts";
import { LOCAL_STAGE } from "../lib/grants/parse.ts";
import { InvalidGrantsError, loadPolicy } from "./load-policy.ts";

const root = resolve(import.meta.dirname, "..");

class UsageError extends Error {
  override readonly name = "UsageError";
}

const usage = "Usage: npm run build -- [--grants FILE] [--out DIR]";
const options = {
  grants: { type: "string", default: join(root, "grants.yml") },
  out: { type: "string", default: join(root, "dist", "functions") },
} as const;

try {
  const { grants, out } = readArguments();
  const policy = await loadPolicy(resolve(grants), LOCAL_STAGE, (warning) => {
    console.error(warning);
  });
  for (const { file, bytes } of await bundleFunctions(policy, resolve(out))) {
    console.log(`${relative(process.cwd(), file)}  ${(bytes / 1024).toFixed(0)} KB`);
  }
} catch (error) {
  if (!(error instanceof InvalidGrantsError || error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

function readArguments() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`, { cause: error });
  }
}
