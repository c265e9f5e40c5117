import type { SecretsState } from "./state.ts";

/** Earlier states, for reads that lag. */
export interface History {
  /**
   * Records the present state. Call it after each write, and before each call, so that changes by a
   * test are included.
   */
  note(): void;
  /** The state as reads see it. */
  lagging(): SecretsState;
}

/**
 * Keeps copies of the state as long as a lagging read may need them: one for each call within the
 * lag, and the last copy before the lag.
 *
 * @param lagMs how far reads are behind writes, by the state's own clock.
 */
export function keepHistory(state: SecretsState, lagMs: number): History {
  let copies = [{ at: Number.NEGATIVE_INFINITY, secrets: structuredClone(state.secrets) }];
  return {
    note() {
      const now = state.now().getTime();
      const horizon = copies.findLast(({ at }) => at <= now - lagMs) ?? copies[0];
      copies = [
        ...copies.filter((copy) => copy === horizon || (copy.at > now - lagMs && copy.at < now)),
        { at: now, secrets: structuredClone(state.secrets) },
      ];
    },
    lagging() {
      const seen = state.now().getTime() - lagMs;
      const { secrets = state.secrets } = copies.findLast(({ at }) => at <= seen) ?? {};
      return { ...state, secrets };
    },
  };
}
