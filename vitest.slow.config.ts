import { defineConfig } from "vitest/config";

import base from "./vitest.config.ts";

/** What takes minutes: `npm run test:slow`. Nothing of it runs the built functions. */
export default defineConfig({
  test: { ...base.test, include: ["test/**/*.slow.test.ts"], exclude: ["node_modules/**"], globalSetup: [] },
});
