import { defineConfig } from "vitest/config";

/** The tests of who calls and who may: what `npm run mutation` lets loose on lib/caller and lib/grants. */
export default defineConfig({
  test: {
    include: ["test/caller/**/*.test.ts", "test/grants/**/*.test.ts"],
    testTimeout: 60_000,
    isolate: false,
  },
});
