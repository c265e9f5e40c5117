import { resolve } from "node:path";

import { bundlePackage } from "../scripts/bundle-package.ts";
import { bundleFunctions } from "../scripts/bundle.ts";
import { loadPolicy } from "../scripts/load-policy.ts";

/** Vitest's global set-up: the end-to-end tests run what is deployed and published, and never an old build of it. */
export async function setup(): Promise<void> {
  await bundlePackage();
  await bundleFunctions(await loadPolicy(resolve("grants.yml")), resolve("dist/functions"));
}
