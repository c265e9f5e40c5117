/** Set by vitest.slow.config.ts. Without it, tests of many cases play a sample of them. */
export const AT_LENGTH = process.env["AT_LENGTH"] === "1";

/** How many random cases a property test plays: `count` at length, a fifth in `npm test`. */
export const runs = (count: number) => ({ numRuns: AT_LENGTH ? count : Math.ceil(count / 5) });
