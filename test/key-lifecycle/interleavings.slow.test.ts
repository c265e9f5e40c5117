import { it } from "vitest";

import { expectSeeds, SCENARIOS } from "./expect-seeds.ts";

/** 1,500 in all. */
const SEEDS = 1_500 / SCENARIOS.length;

it.each(SCENARIOS.map((activities) => [activities.join(", "), activities] as const))(
  "keeps every invariant in a rotation at once with %s",
  (_, activities) => expectSeeds(activities, 1_000, SEEDS),
  30 * 60_000,
);
