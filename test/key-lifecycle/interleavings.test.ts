import { it } from "vitest";

import { expectSeeds, SCENARIOS } from "./expect-seeds.ts";

/** A sample of what `npm run test:slow` plays at length. */
it.each(SCENARIOS.map((activities) => [activities.join(", "), activities] as const))(
  "keeps every invariant in a rotation at once with %s",
  (_, activities) => expectSeeds(activities, 1, 4),
);
