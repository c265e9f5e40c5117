import { TokenError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";

export interface RetryLimits {
  /** How often each target is tried. */
  readonly rounds: number;
  /** The longest jitter before the second round; it doubles with each round. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** The time limit of all attempts and pauses together. */
  readonly totalMs: number;
}

interface FailedAttempt<Target> {
  readonly target: Target;
  readonly error: TokenError;
  /** The pause before the next attempt; undefined when there is none. */
  readonly retryInMs: number | undefined;
}

/**
 * Tries the targets in order. After the last one it pauses with full jitter, and at least as long
 * as the longest `Retry-After` of the round. If the pause would end too late, it throws at once:
 * the error with the longest `Retry-After`, which is in its `retryAfterSeconds`.
 *
 * @param signal if it aborts during a pause, `retry` rejects as `sleep` does
 * @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
export async function retry<Target, T>(
  targets: readonly Target[],
  attempt: (target: Target, remainingMs: number) => Promise<T>,
  { rounds, totalMs, ...delays }: RetryLimits,
  { monotonic: now, sleep, random }: Pick<Runtime, "monotonic" | "sleep" | "random">,
  onFailure: (failure: FailedAttempt<Target>) => void,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = now() + totalMs;
  for (let round = 1; ; round++) {
    /** The error of this round with the longest Retry-After. */
    let longest: TokenError | undefined;
    for (const [position, target] of targets.entries()) {
      try {
        return await attempt(target, deadline - now());
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        if ((error.retryAfterSeconds ?? 0) > (longest?.retryAfterSeconds ?? 0)) longest = error;
        const roundEnds = position === targets.length - 1;
        const retryAfterMs = (longest?.retryAfterSeconds ?? 0) * 1000;
        const pauseMs = roundEnds ? retryAfterMs + jitter(round, delays, random) : 0;
        const again = error.retryable && now() + pauseMs < deadline && !(roundEnds && round >= rounds);
        onFailure({ target, error, retryInMs: again ? pauseMs : undefined });
        if (!again) throw error.retryable && longest ? longest : error;
        if (roundEnds) await sleep(pauseMs, signal);
      }
    }
  }
}

function jitter(
  round: number,
  limits: Omit<RetryLimits, "rounds" | "totalMs">,
  random: () => number,
): number {
  return Math.floor(random() * Math.min(limits.maxDelayMs, limits.baseDelayMs * 2 ** (round - 1)));
}
