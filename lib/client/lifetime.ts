import type { Runtime } from "./runtime.ts";

/** When to renew a token, in milliseconds of this machine's clock. */
export interface Lifetime {
  /**
   * When the token was requested. If the clock shows an earlier time, it was set back: do not use
   * the token.
   */
  readonly askedAt: number;
  /** From here on, a call starts a renewal in the background. The token stays in use meanwhile. */
  readonly renewFrom: number;
  /**
   * From here on callers wait for the new token: this one could expire on the way to Voximplant.
   */
  readonly renewBy: number;
  readonly endsAt: number;
}

/**
 * Renewal begins when 65 to 80 % of the lifetime have passed. The moment is random, so that
 * processes that start together do not renew together. The moment is a share of the lifetime, so
 * that a token with a short lifetime leaves time for retries too. In the last tenth of the
 * lifetime, or the last 10 s if that is shorter, callers wait for the new token.
 *
 * Each time is `askedAt` plus a duration. So a clock that shows a wrong time does no harm.
 *
 * @param expiresIn seconds, from the answer
 * @param random at least 0, below 1
 */
export function lifetimeOf(expiresIn: number, askedAt: number, random: number): Lifetime {
  const milliseconds = expiresIn * 1000;
  const endsAt = askedAt + milliseconds;
  return {
    askedAt,
    renewFrom: askedAt + Math.floor(milliseconds * (0.65 + 0.15 * random)),
    renewBy: endsAt - Math.min(10_000, milliseconds / 10),
    endsAt,
  };
}

type Clocks = Pick<Runtime, "now" | "monotonic">;

/**
 * Milliseconds since a moment. `then` is what both clocks showed at that moment. The larger
 * difference counts: the wall clock may be set back, and the monotonic one may stand still while
 * the machine is suspended.
 *
 * @returns Infinity if the wall clock shows a time before `then`
 */
export function ageSince(then: { now: number; monotonic: number }, clocks: Clocks): number {
  const age = clocks.now() - then.now;
  return age < 0 ? Infinity : Math.max(age, clocks.monotonic() - then.monotonic);
}

/**
 * Starts a stopwatch. The returned function gives the milliseconds since the start, computed by
 * {@link ageSince}.
 */
export function startWatch(clocks: Clocks): () => number {
  const then = { now: clocks.now(), monotonic: clocks.monotonic() };
  return () => ageSince(then, clocks);
}
