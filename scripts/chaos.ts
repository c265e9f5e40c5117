/**
 * Runs the local stack under load while its dependencies fail in every way and its containers are
 * killed, judges every answer, and prints what it saw: docs/reliability.md.
 *
 *     npm run chaos -- [--minutes N]
 */
import { parseArgs } from "node:util";
import { badKinds } from "../test/chaos/requests.ts";
import { type Report, runStorm } from "../test/chaos/storm.ts";

const MAX_GROWTH_PERCENT = 5;
/** With fewer samples, the run was too short: V8 has not compiled the containers' code yet. */
const MIN_SAMPLES = 20;

const minutes = readMinutes();
console.log(`A storm of ${minutes} min.`);
const startedAt = Date.now();
const told = new Set<string>();
const report = await runStorm({
  seconds: minutes * 60,
  onProgress: (soFar, weather) => {
    const minute = Math.round((Date.now() - startedAt) / 60_000);
    const faults = faultsOf(soFar);
    console.log(`${minute} of ${minutes} min: ${soFar.tokens} tokens, ${faults.length} problems; ${weather}`);
    for (const fault of faults) {
      if (!told.has(fault)) console.log(`  ${fault}`);
      told.add(fault);
    }
  },
});
console.log(tableOf(report));
if (faultsOf(report).length > 0) process.exitCode = 1;

function tableOf(seen: Report): string {
  return [
    section("Load", [
      ...[...seen.requests].filter(([kind]) => !badKinds.includes(kind)),
      ["tokens vended", seen.tokens],
      ["tokens shown to the platform at once", seen.shown.atOnce],
      ["tokens shown again later in their life", seen.shown.later],
    ]),
    section(`Bad requests (${badKinds.length} kinds)`, [
      ...[...seen.requests].filter(([kind]) => badKinds.includes(kind)),
      ["refused as they had to be", seen.refused],
    ]),
    section("Faults", [...seen.faults]),
    section("Key life", [
      ["rotations started", seen.rotations],
      ["rotations that made a new key current", seen.rotated],
      ["reconciliations", seen.reconciliations],
      ["keys made", seen.keysMade],
      ["keys deleted", seen.keysDeleted],
      ...[...seen.kills].map(([name, n]) => [`containers of ${name} killed`, n] as const),
    ]),
    section("Allowed requests that failed while something was broken", [...seen.failures]),
    section("Must be zero", [
      ["tokens that the platform refused", seen.refusedTokens.length],
      ["wrong answers", seen.wrongAnswers.length],
      ["leaks", seen.leaks.length],
      ["methods that ran twice", seen.ranTwice.length],
      ["what did not recover", seen.notRecovered.length],
    ]),
    section(
      `Growth of the heap (must be under ${MAX_GROWTH_PERCENT} % if there are ${MIN_SAMPLES} samples)`,
      [...seen.heap.keys()].map((name) => [name, `${growthPercent(seen, name).toFixed(1)} %`] as const),
    ),
    ...faultsOf(seen).map((fault) => `NOT RIGHT: ${fault}`),
  ].join("\n");
}

type Row = readonly [label: string, value: number | string];

function section(title: string, rows: readonly Row[]): string {
  const lines = rows
    .toSorted(([one], [other]) => Number(one > other) - Number(one < other))
    .map(([label, value]) => `  ${label.padEnd(56)}${String(value).padStart(10)}`);
  return `\n${title}\n${lines.join("\n")}`;
}

/** Everything that makes the run fail. Equal texts are listed once. */
function faultsOf(seen: Report): string[] {
  const grown = [...seen.heap]
    .filter(([, samples]) => samples.length >= MIN_SAMPLES)
    .map(([name]) => name)
    .filter((name) => growthPercent(seen, name) >= MAX_GROWTH_PERCENT);
  return [
    ...new Set([
      ...seen.refusedTokens.map((why) => `a token was refused: ${why}`),
      ...seen.wrongAnswers.map((why) => `a wrong answer: ${why}`),
      ...seen.leaks.map((what) => `a leak: ${what}`),
      ...seen.ranTwice.map((callId) => `ran twice: ${callId}`),
      ...seen.notRecovered,
      ...grown.map((name) => `the heap of ${name} grew by ${growthPercent(seen, name).toFixed(1)} %`),
    ]),
  ];
}

/** Between the first and the last quarter of the samples, by their medians. */
function growthPercent({ heap }: Report, name: string): number {
  const samples = heap.get(name) ?? [];
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const before = median(samples.slice(0, quarter));
  return before === 0 ? 0 : (median(samples.slice(-quarter)) / before - 1) * 100;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0;
}

function readMinutes(): number {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "1" } } });
  if (/^\d{1,4}(?:\.\d+)?$/.test(values.minutes)) return Number(values.minutes);
  console.error(`${values.minutes} is not a number. Usage: npm run chaos -- [--minutes N]`);
  process.exit(2);
}
