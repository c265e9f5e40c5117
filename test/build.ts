import { resolve } from "node:path";

import { bundlePackage } from "../scripts/bundle-package.ts";
import { bundleFunctions } from "../scripts/bundle.ts";
import { loadPolicy } from "../scripts/load-policy.ts";

/**
 * Vitest's global set-up: the end-to-end tests run the code as it is deployed and published, never
 * an old build of it. The functions have the sample policy, and a folder of their own: what `npm
 * run build` made of the real one stays.
 */
export async function setup(): Promise<void> {
  await bundlePackage();
  await bundleFunctions(await loadPolicy(resolve("local/grants.yml")), resolve("dist/test/functions"));
}
