import { it } from "vitest";

import { expectSeeds, SLOW_SEEDS, WITH_ROTATIONS } from "./expect-seeds.ts";

it.each(WITH_ROTATIONS.map((activities) => [activities.join(", "), activities] as const))(
  "a rotation keeps every invariant at the same time as %s",
  (_, activities) => expectSeeds(activities, 1_000, SLOW_SEEDS),
  30 * 60_000,
);
