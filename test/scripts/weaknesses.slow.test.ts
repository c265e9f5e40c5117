import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("npm run weaknesses finds a test that notices each planted weakness", { timeout: 600_000 }, async () => {
  const root = resolve(import.meta.dirname, "../..");
  const { stdout } = await promisify(execFile)("npx", ["tsx", "scripts/weaknesses.ts"], { cwd: root });
  expect(stdout).toContain("15 weaknesses, 0 unnoticed");
});
