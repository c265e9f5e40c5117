/**
 * What a stand-in does to one call, to test how its clients react:
 *
 * - `{ delayMs }`: waits, then executes it and answers;
 * - `{ drop: "before" }`: breaks the connection without executing it;
 * - `{ drop: "after" }`: executes it, and breaks the connection instead of answering;
 * - `{ status, body }`: returns this answer without executing it.
 */
export type Fault =
  | { readonly delayMs: number }
  | { readonly drop: "before" | "after" }
  | {
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

/**
 * Called before each call. `n` counts the calls of this operation from 1. Undefined: no fault.
 */
export type FaultInjector = (operation: string, n: number) => Fault | undefined;

/** Counts the calls of each operation, and calls the injector for each. */
export function countingFaults(inject: FaultInjector | undefined): (operation: string) => Fault | undefined {
  const counts = new Map<string, number>();
  return (operation) => {
    const n = (counts.get(operation) ?? 0) + 1;
    counts.set(operation, n);
    return inject?.(operation, n);
  };
}
