/**
 * Runs the property tests with another seed in each round, until the time is over or a test fails.
 *
 *   npm run fuzz -- [--minutes N] [--seed S]
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname, "..");
const FILES = ["test/security", "test/property", "test/grants", "test/caller", "test/token"];

const { minutes, seed } = readArguments();
const end = performance.now() + minutes * 60_000;
const first = seed ?? randomInt(2 ** 31);
for (let round = 0; round === 0 || performance.now() < end; round += 1) {
  const current = (first + round) % 2 ** 31;
  const left = Math.max(0, Math.ceil((end - performance.now()) / 60_000));
  console.log(`round ${round + 1}, seed ${current}, ${left} min left`);
  if (!(await play(current))) {
    console.log(`\nTo repeat this round: npm run fuzz -- --seed ${current} --minutes 0`);
    process.exit(1);
  }
}

async function play(seedOfRound: number): Promise<boolean> {
  const child = spawn("npx", ["vitest", "run", ...FILES], {
    cwd: root,
    env: { ...process.env, AT_LENGTH: "1", FUZZ_SEED: String(seedOfRound) },
    stdio: "inherit",
  });
  const [status] = (await once(child, "exit")) as [number | null];
  return status === 0;
}

function readArguments(): { minutes: number; seed: number | undefined } {
  const options = { minutes: { type: "string", default: "1" }, seed: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const number = (text: string) => {
    if (/^\d{1,10}$/.test(text)) return Number(text);
    console.error(`${text} is not a whole number. Usage: npm run fuzz -- [--minutes N] [--seed S]`);
    process.exit(2);
  };
  return {
    minutes: number(values.minutes),
    seed: values.seed === undefined ? undefined : number(values.seed),
  };
}
