import { resolve } from "node:path";

import { bundleFunctions } from "../scripts/bundle.ts";
import { loadPolicy } from "../scripts/load-policy.ts";

/** Vitest's global set-up: the end-to-end tests run what is deployed, and never an old build of it. */
export async function setup(): Promise<void> {
  await bundleFunctions(await loadPolicy(resolve("grants.yml")), resolve("dist/functions"));
}
