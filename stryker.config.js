/** A promise about a key's life is one of three folders together, and so are its tests. */
const keyLife = [
  "test/key-lifecycle/**",
  "test/rotation/**",
  "test/reconciliation/**",
  "test/operator/{rotate,import}.test.ts",
];

/**
 * What `npm run mutation` changes, and the tests that it runs against each change:
 * `MUTATED=grants npm run mutation`, and for one file
 * `MUTATED=grants npm run mutation -- --mutate lib/grants/until.ts`.
 *
 * Each part has the tests that check it directly and end in milliseconds. With every test of the
 * project, a run takes hours, and a test of another layer hides that a layer's own tests miss a
 * fault. `score` is in percent; below it the run fails. `pure` tests need no test/set-up.ts, which
 * would run again after each mutant that makes a test hang.
 */
const parts = {
  caller: { mutate: ["lib/caller/**/*.ts"], tests: ["test/caller/**"], score: 90, pure: true },
  grants: {
    mutate: ["lib/grants/**/*.ts"],
    tests: ["test/caller/**", "test/grants/**", "test/operator/{grants-commands,diff}.test.ts"],
    score: 92,
    pure: true,
  },
  vend: { mutate: ["lib/vend.ts", "lib/request-handler.ts"], tests: ["test/vend.test.ts"], score: 85 },
  call: {
    mutate: ["lib/call.ts", "lib/request-handler.ts"],
    tests: ["test/call.test.ts", "test/request-handler.test.ts"],
    score: 85,
  },
  token: { mutate: ["lib/token/**/*.ts"], tests: ["test/token/**"], score: 85 },
  keys: { mutate: ["lib/keys/**/*.ts"], tests: ["test/keys/**"], score: 92 },
  http: {
    mutate: ["lib/http/**/*.ts"],
    tests: ["test/http/**", "test/{vend,call,request-handler}.test.ts"],
    score: 85,
  },
  "key-lifecycle": { mutate: ["lib/key-lifecycle/**/*.ts"], tests: keyLife, score: 95 },
  rotation: { mutate: ["lib/rotation/**/*.ts"], tests: keyLife, score: 95 },
  reconciliation: { mutate: ["lib/reconciliation/**/*.ts"], tests: keyLife, score: 92 },
};

const name = process.env.MUTATED ?? "";
const part = new Map(Object.entries(parts)).get(name);
if (!part) throw new Error(`MUTATED must be one of ${Object.keys(parts).join(", ")}, and is "${name}"`);

/** For vitest.mutation.config.js. */
export const { tests, pure = false } = part;

export default {
  testRunner: "vitest",
  vitest: { configFile: "vitest.mutation.config.js" },
  mutate: part.mutate,
  coverageAnalysis: "perTest",
  concurrency: 2,
  // A later run tests again only what a change of the code or of a test concerns.
  incremental: true,
  incrementalFile: `reports/mutation-${name}.json`,
  reporters: ["clear-text", "progress", "html"],
  clearTextReporter: { allowColor: false, reportTests: false },
  htmlReporter: { fileName: `reports/mutation-${name}.html` },
  thresholds: { high: 95, low: part.score, break: part.score },
  tempDirName: ".stryker-tmp",
};
