import { setTimeout as delay } from "node:timers/promises";

/** What the client needs from the machine. Tests pass their own. */
export interface Runtime {
  readonly fetch: typeof fetch;
  /** Milliseconds since the epoch, as `Date.now`. */
  readonly now: () => number;
  /** Milliseconds of a clock that no one can set back, as `performance.now`. */
  readonly monotonic: () => number;
  /** Resolves after so many milliseconds. Rejects if the signal aborts first. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** At least 0, below 1, as `Math.random`. */
  readonly random: () => number;
  /** Aborted after so many milliseconds, as `AbortSignal.timeout`. */
  readonly timeout: (ms: number) => AbortSignal;
}

export const systemRuntime: Runtime = {
  // Looked up at each call, because a program may replace the global fetch (a proxy, a tracer).
  fetch: (...args) => globalThis.fetch(...args),
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal && { signal }),
  random: () => Math.random(),
  timeout: (ms) => AbortSignal.timeout(ms),
};
