import { expect } from "vitest";

import { type Activity, playSeed } from "./interleavings.ts";

/** What goes on at once with a rotation. */
export const SCENARIOS: readonly (readonly Activity[])[] = [
  ["the same rotation"],
  ["another rotation"],
  ["import"],
  ["rollback"],
  ["rollback by hand"],
  ["revoke"],
  ["reconciliation"],
  ["the same rotation", "import", "reconciliation"],
  ["the same rotation", "rollback", "reconciliation"],
  ["import", "revoke", "reconciliation"],
];

/**
 * Plays seeds of one scenario and expects that nothing breaks. The message names the first seed that does, and what
 * happened in it. `INTERLEAVING_SEED=n` plays that seed alone.
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
