import type { Connection } from "../../voximplant/connection.ts";
import { NoAnswerError, pause } from "./ask.ts";

/** How long one wait for the platform may take. */
export const WAIT_MS = 60_000;
/**
 * An answer counts after this many equal answers in a row, because several servers may answer, and
 * each may learn of a key at a different time.
 */
const STREAK = 3;
const MAX_FAILURES = 5;

export type Timing =
  | {
      readonly kind: "settled";
      /** From the start to the first of the final equal answers. */
      readonly afterMs: number;
      /** How often the answer changed back before that. */
      readonly relapses: number;
    }
  | { readonly kind: "not settled" }
  | { readonly kind: "unanswered"; readonly why: string };

/** @throws NoAnswerError there was no answer this time */
type Check = () => Promise<boolean>;

/**
 * Repeats each check until three results in a row were true, for at most 60 s after `since`.
 *
 * @param since the time of the change that the checks wait for, in milliseconds since 1970
 */
export async function poll(
  connection: Connection,
  since: number,
  checks: readonly Check[],
  signal: AbortSignal,
): Promise<Timing[]> {
  const states = checks.map((check) => ({ check, streak: 0, firstMs: 0, relapses: 0, failures: 0, why: "" }));
  const isOpen = ({ streak, failures }: (typeof states)[number]) =>
    streak < STREAK && failures < MAX_FAILURES;
  for (;;) {
    for (const state of states.filter(isOpen)) {
      try {
        const yes = await state.check();
        state.failures = 0;
        if (yes && state.streak === 0) state.firstMs = connection.now() - since;
        if (!yes && state.streak > 0) state.relapses += 1;
        state.streak = yes ? state.streak + 1 : 0;
      } catch (error) {
        if (!(error instanceof NoAnswerError)) throw error;
        state.failures += 1;
        state.why = error.message;
      }
    }
    const elapsed = connection.now() - since;
    if (!states.some(isOpen) || elapsed >= WAIT_MS || signal.aborted) break;
    await pause(connection, elapsed < 10_000 ? 500 : 2_000, signal);
  }
  return states.map(({ streak, firstMs, relapses, failures, why }) => {
    if (streak >= STREAK) return { kind: "settled", afterMs: firstMs, relapses };
    if (signal.aborted) return { kind: "unanswered", why: "interrupted" };
    return failures > 0 ? { kind: "unanswered", why } : { kind: "not settled" };
  });
}
