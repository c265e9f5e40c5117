import { expect, it } from "vitest";
import { runStorm } from "./storm.ts";

it("a short storm gives tokens, meets faults, and leaves nothing wrong", async () => {
  const report = await runStorm({ seconds: 20, onProgress: () => undefined });
  expect(report.tokens).toBeGreaterThan(0);
  expect(report.faults.size).toBeGreaterThan(0);
  expect(report).toMatchObject({
    refusedTokens: [],
    wrongAnswers: [],
    leaks: [],
    ranTwice: [],
    notRecovered: [],
  });
});
