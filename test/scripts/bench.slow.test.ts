import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { type Row, rows } from "../../bench/rows.ts";

it("npm run bench -- --quick measures every row, without a judgement on this machine's speed", async () => {
  const root = resolve(import.meta.dirname, "../..");
  const args = ["--import", "tsx", "bench/run.ts", "--quick"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  for (const row of Object.values<Row>(rows)) {
    // The installation is measured by the long run alone.
    if (row.unit === "packages" || row.unit === "MB") continue;
    const what = row.what.replaceAll("`", "");
    const line = stdout
      .split("\n")
      .find((text) => text.startsWith(what) && text.includes(row.baseline ?? ""));
    expect(line, what).toMatch(/ \d+\.\d+/);
  }
});
