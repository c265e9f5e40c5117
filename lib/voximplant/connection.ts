import type { EpochMs } from "../epoch.ts";

/** What a call needs from its surroundings. Tests pass their own. */
export interface Connection {
  /** `https://api.voximplant.com/platform_api`, or a stand-in. */
  readonly url: string;
  readonly fetch: typeof fetch;
  readonly now: () => EpochMs;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** For one attempt. Default 10 s. */
  readonly attemptTimeoutMs?: number;
  /** For all attempts and the waits between them. Default 30 s. */
  readonly deadlineMs?: number;
  /** Default 8 MiB: a page of 1,000 keys with their roles is well below. */
  readonly maxResponseBytes?: number;
  readonly signal?: AbortSignal;
}

/** A connection over the process's own network and clock. */
export function platformConnection(url: string): Connection {
  return {
    url,
    fetch: globalThis.fetch,
    now: Date.now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    random: Math.random,
  };
}
