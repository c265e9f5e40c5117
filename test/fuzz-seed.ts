import fc from "fast-check";

/** `npm run fuzz` sets and prints the seed, so that a failure can be played again. */
const seed = process.env["FUZZ_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });
