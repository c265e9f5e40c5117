import { defineConfig } from "vitest/config";

import { common } from "./vitest.config.ts";

/** Packaging, installation, other Nodes and languages, crash points, interleavings. */
export default defineConfig({
  test: {
    ...common,
    include: [
      "test/**/*.slow.test.ts",
      "test/key-lifecycle/schedules.test.ts",
      "test/property/diff.test.ts",
      "test/property/grants.test.ts",
      "test/reconciliation/revoke.test.ts",
    ],
    env: { ...common.env, AT_LENGTH: "1" },
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
