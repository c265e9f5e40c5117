import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { asTable, scenarios, simulate, type Simulated } from "../../bench/key-cache.ts";

it("docs/scale.md has the figures of the simulation", async () => {
  const results: Simulated[] = [];
  for (const scenario of scenarios) results.push(await simulate(scenario));
  const document = await readFile(resolve(import.meta.dirname, "../../docs/scale.md"), "utf8");
  const cells = (table: string) =>
    table.split("\n").map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .join("|"),
    );
  const [, , ...rows] = cells(asTable(results));
  expect(rows).toHaveLength(scenarios.length);
  expect(cells(document)).toEqual(expect.arrayContaining(rows));
});
