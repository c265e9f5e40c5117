import type { Connection } from "./call.ts";

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
