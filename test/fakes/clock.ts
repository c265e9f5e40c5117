import type { Runtime } from "../../lib/client/runtime.ts";

/**
 * A machine on which waiting takes no time: `sleep` moves the clock, and `slept` says how long it
 * was asked to wait.
 */
export function fakeClock(startMs = Date.UTC(2026, 10, 24, 12)) {
  let time = startMs;
  let elapsed = 0;
  const slept: number[] = [];
  return {
    slept,
    advance: (ms: number) => {
      time += ms;
      elapsed += ms;
    },
    /** Sets the clock, as an administrator or NTP does: time itself does not move. */
    set: (byMs: number) => void (time += byMs),
    runtime: {
      now: () => time,
      monotonic: () => elapsed,
      sleep: (ms: number) => {
        slept.push(ms);
        time += ms;
        elapsed += ms;
        return Promise.resolve();
      },
      random: () => 0.5,
    } satisfies Partial<Runtime>,
  };
}
