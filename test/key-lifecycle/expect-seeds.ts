import { expect } from "vitest";

import { type Activity, playSeed } from "./interleavings.ts";

/**
 * What goes on at once with a rotation. Two lists, for two files, so that two workers share the
 * long run.
 */
export const WITH_ROTATIONS = [
  ["the same rotation"],
  ["another rotation"],
  ["rollback"],
  ["the same rotation", "import", "reconciliation"],
  ["the same rotation", "rollback", "reconciliation"],
] as const satisfies readonly Activity[][];
export const WITH_COMMANDS = [
  ["import"],
  ["rollback by hand"],
  ["revoke"],
  ["reconciliation"],
  ["import", "revoke", "reconciliation"],
] as const satisfies readonly Activity[][];

/** Seeds of each scenario in `npm run test:slow`: 1,500 interleavings in all. */
export const SLOW_SEEDS = Number(process.env["INTERLEAVINGS"] ?? 1_500) / 10;

/**
 * Plays seeds of one scenario and expects that nothing breaks. The message names the first seed
 * that does, and what happened in it. `INTERLEAVING_SEED=n` plays that seed alone.
 */
export async function expectSeeds(
  activities: readonly Activity[],
  from: number,
  count: number,
): Promise<void> {
  const only = process.env["INTERLEAVING_SEED"];
  const seeds =
    only === undefined ? Array.from({ length: count }, (_, index) => from + index) : [Number(only)];
  for (const seed of seeds) {
    const { violations, trace } = await playSeed(seed, activities);
    expect(
      violations,
      `INTERLEAVING_SEED=${seed} plays it again. What happened:\n${trace.join("\n")}`,
    ).toEqual([]);
  }
}
