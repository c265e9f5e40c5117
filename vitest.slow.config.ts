import { defineConfig } from "vitest/config";

import { common } from "./vitest.config.ts";

/** Packaging, installation, other Nodes, crash points, interleavings: minutes, and nothing else checks them. */
export default defineConfig({
  test: {
    ...common,
    include: ["test/**/*.slow.test.ts", "test/key-lifecycle/schedules.test.ts"],
    env: { ...common.env, ALL_LABELS: "1" },
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
