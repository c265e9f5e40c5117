import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("npm run bench measures every row, without a judgement on this machine's speed", async () => {
  const root = resolve(import.meta.dirname, "../..");
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", "bench/run.ts"], {
    cwd: root,
  });
  const rows = stdout.split("\n").filter((line) => / × (crypto\.sign|node -e 0) /.test(line));
  expect(rows).toHaveLength(6);
  for (const row of rows) expect(row).toMatch(/ \d+\.\d{3} × /);
});
