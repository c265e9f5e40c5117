import { it } from "vitest";

import { expectSeeds, SCENARIOS } from "./expect-seeds.ts";

/** 200 in all, in about two minutes; `INTERLEAVINGS=1500 npm run test:slow` plays more. */
const SEEDS = Number(process.env["INTERLEAVINGS"] ?? 200) / SCENARIOS.length;

it.each(SCENARIOS.map((activities) => [activities.join(", "), activities] as const))(
  "keeps every invariant in a rotation at once with %s",
  (_, activities) => expectSeeds(activities, 1_000, SEEDS),
  30 * 60_000,
);
