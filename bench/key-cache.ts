/**
 * Simulates the key cache of 1,000 containers, with the real lib/keys/signing-keys.ts on a virtual
 * clock: how often they ask Secrets Manager, and what callers get during an outage. The random
 * numbers are seeded, so that every run prints the same.
 *
 *   npx tsx bench/key-cache.ts
 */
import { pathToFileURL } from "node:url";
import { SecretUnavailableError } from "../lib/keys/fetch-secret.ts";
import { holdSigningKeys } from "../lib/keys/signing-keys.ts";
import { keyFile } from "./secret.ts";

const CONTAINERS = 1_000;
const SECRET = "voximplant/outbound-calls";
const value = JSON.stringify(keyFile);

interface Scenario {
  readonly what: string;
  /** Whether containers draw their time to live, as they do, or all use the same. */
  readonly jitter: boolean;
  /** Seconds from the start during which Secrets Manager fails. */
  readonly outage?: readonly [from: number, to: number];
  readonly seconds: number;
  /** Between two requests of one container, in seconds. */
  readonly step: number;
}

export interface Simulated {
  readonly what: string;
  /** The most calls of GetSecretValue in one second, after the first minute. */
  readonly peakFetches: number;
  readonly fresh: number;
  readonly stale: number;
  readonly unavailable: number;
}

export const scenarios: readonly Scenario[] = [
  { what: "refresh without jitter", jitter: false, seconds: 400, step: 1 },
  { what: "refresh with jitter", jitter: true, seconds: 400, step: 1 },
  { what: "an outage of 310 s", jitter: true, outage: [200, 510], seconds: 900, step: 1 },
  { what: "an outage of 2 h", jitter: true, outage: [200, 7_400], seconds: 8_000, step: 20 },
];

/** 1,000 containers that start in one second, each with one request per step. */
export async function simulate({ what, jitter, outage, seconds, step }: Scenario): Promise<Simulated> {
  const random = seeded(42);
  let now = 0;
  const fetches = new Map<number, number>();
  const fetchSecret = () => {
    const second = Math.floor(now / 1000);
    fetches.set(second, (fetches.get(second) ?? 0) + 1);
    const isDown = outage !== undefined && second >= outage[0] && second < outage[1];
    return isDown
      ? Promise.reject(new SecretUnavailableError(SECRET, new Error("ServiceUnavailable")))
      : Promise.resolve({ value, versionId: "version-1" });
  };
  const containers = Array.from({ length: CONTAINERS }, () => {
    const draw = jitter ? random : () => 0;
    const settings = { ttlSeconds: 300, maxStaleSeconds: 3_600, now: () => now, random: draw };
    return holdSigningKeys({ fetchSecret, ...settings });
  });

  const counts = { fresh: 0, stale: 0, unavailable: 0 };
  for (let second = 0; second < seconds; second += 1) {
    now = second * 1000;
    // Each second another part of the containers has a request.
    const asking = containers.filter((_, i) => (second + i) % step === 0);
    for (const { state } of await Promise.all(asking.map((getKey) => getKey(SECRET)))) counts[state] += 1;
  }
  const later = [...fetches].filter(([second]) => second >= 60).map(([, count]) => count);
  return { what, peakFetches: Math.max(...later), ...counts };
}

/** mulberry32: a small generator, the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** As docs/scale.md has it. */
export function asTable(results: readonly Simulated[]): string {
  const percent = (part: number, { fresh, stale, unavailable }: Simulated) =>
    `${((100 * part) / (fresh + stale + unavailable)).toFixed(1)} %`;
  const rows = results.map(
    (one) =>
      `| ${one.what} | ${one.peakFetches} | ${percent(one.fresh, one)} | ${percent(one.stale, one)} | ${percent(one.unavailable, one)} |`,
  );
  const head = "| 1,000 containers | most fetches a second | fresh key | last key | 503 |";
  return [head, "| --- | ---: | ---: | ---: | ---: |", ...rows].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const results: Simulated[] = [];
  for (const scenario of scenarios) results.push(await simulate(scenario));
  console.log(asTable(results));
}
