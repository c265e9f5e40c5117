import { configDefaults, defineConfig } from "vitest/config";

/**
 * What both runs of the tests have in common: `npm test`, and `npm run test:slow` for the files
 * named `.slow.test.ts`.
 */
export const common = {
  globalSetup: ["test/set-up.ts"],
  setupFiles: process.env["FUZZ_SEED"] === undefined ? [] : ["test/fuzz-seed.ts"],
  // One worker for each core of a small machine. Files share their worker's modules: nothing in
  // lib/ keeps state in a module, and a test that leaves something behind is a fault of that test.
  isolate: false,
  maxWorkers: 2,
  // Generous, because the machines that run this are shared: a time-out here means a hang, not
  // slowness.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // The AWS SDK says at each start that it will want Node 22 from 2027; the functions run on 24,
  // the tests on all three.
  env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
};

export default defineConfig({
  test: {
    ...common,
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "test/**/*.slow.test.ts"],
  },
});
