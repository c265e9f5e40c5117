import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const weaknesses = (...args: string[]) =>
  promisify(execFile)("npm", ["run", "--silent", "weaknesses", "--", ...args], { cwd: root });

it("npm run weaknesses plants a weakness, and sees a test notice it", async () => {
  const { stdout } = await weaknesses("the end of a grant is ignored");
  expect(stdout).toBe("the end of a grant is ignored  noticed\nweaknesses: 1, unnoticed: 0\n");
});

it("npm run weaknesses refuses the name of a weakness that does not exist", async () => {
  await expect(weaknesses("no such weakness")).rejects.toThrow('There is no weakness "no such weakness"');
});
