import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // See vitest.slow.config.ts.
    exclude: ["test/**/*.slow.test.ts", "node_modules/**"],
    globalSetup: ["test/build.ts"],
    // Generous, because the machines that run this are shared: a time-out here means a hang, not slowness.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The AWS SDK says at each start that it will want Node 22 from 2027; the functions run on 24, the tests on all three.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
  },
});
