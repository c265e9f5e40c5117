import { it } from "vitest";

import { expectSeeds, WITH_COMMANDS, WITH_ROTATIONS } from "./expect-seeds.ts";

/** A sample of what `npm run test:slow` plays at length. */
it.each(
  [...WITH_ROTATIONS, ...WITH_COMMANDS].map((activities) => [activities.join(", "), activities] as const),
)("keeps every invariant in a rotation at once with %s", (_, activities) => expectSeeds(activities, 1, 1));
