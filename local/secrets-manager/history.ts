import type { SecretsState } from "./state.ts";

/** Answers what the state was some time ago. */
export interface History {
  /**
   * Notes the state as it is now. To be called after each write, and before each call for what a
   * test has planted.
   */
  note(): void;
  /** The state as reads see it. */
  lagging(): SecretsState;
}

/**
 * Keeps copies of the state as long as a lagging read may ask for them: one for each moment within
 * the lag at which there was a call, and the one before.
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
