import { configDefaults, defineConfig } from "vitest/config";
import { pure, tests } from "./stryker.config.js";
import { common } from "./vitest.config.ts";

/** The tests that `npm run mutation` runs against each mutant: stryker.config.js lists them. */
export default defineConfig({
  test: {
    ...common,
    globalSetup: pure ? [] : common.globalSetup,
    maxWorkers: 1,
    // A constant of a module is evaluated once, so a change of it needs a fresh module.
    isolate: true,
    include: tests.map((pattern) => pattern.replace(/\*\*$/, "**/*.test.ts")),
    exclude: [...configDefaults.exclude, "test/**/*.slow.test.ts"],
  },
});
