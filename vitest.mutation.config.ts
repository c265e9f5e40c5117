import { defineConfig } from "vitest/config";
import { common } from "./vitest.config.ts";

/**
 * The tests that `npm run mutation` runs against each mutant: the ones without processes, packages
 * and ports, which say in milliseconds whether a rule still holds.
 */
export default defineConfig({
  test: {
    ...common,
    maxWorkers: 1,
    include: ["test/*.test.ts", "test/{caller,grants,http,token,voximplant}/**/*.test.ts"],
    exclude: ["test/**/*.slow.test.ts"],
  },
});
