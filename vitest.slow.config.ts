import { defineConfig } from "vitest/config";

import { common } from "./vitest.config.ts";

/** Packaging, installation, other Nodes, crash points, interleavings: minutes, and nothing else checks them. */
export default defineConfig({
  test: { ...common, include: ["test/**/*.slow.test.ts"], testTimeout: 600_000, hookTimeout: 600_000 },
});
