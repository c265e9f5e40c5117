import type { Runtime } from "../../lib/client/runtime.ts";

/** A machine on which waiting takes no time: `sleep` moves the clock, and `slept` says how long it was asked to wait. */
export function fakeClock(startMs = Date.UTC(2026, 10, 24, 12)) {
  let time = startMs;
  const slept: number[] = [];
  return {
    slept,
    advance: (ms: number) => void (time += ms),
    runtime: {
      now: () => time,
      sleep: (ms: number) => {
        slept.push(ms);
        time += ms;
        return Promise.resolve();
      },
      random: () => 0.5,
    } satisfies Partial<Runtime>,
  };
}
