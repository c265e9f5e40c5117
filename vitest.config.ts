import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Generous, because the machines that run this are shared: a time-out here means a hang, not slowness.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
