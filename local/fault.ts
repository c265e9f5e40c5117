/**
 * What a stand-in does to one call, to test how its clients react:
 *
 * - `{ delayMs }`: carries it out, and answers late;
 * - `{ drop: "before" }`: breaks the connection without carrying it out;
 * - `{ drop: "after" }`: carries it out, and breaks the connection instead of answering;
 * - `{ status, body }`: answers this instead of carrying it out.
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
 * Asked before each call; `n` counts the calls of this operation from 1. Nothing returned: no
 * fault.
 */
export type FaultInjector = (operation: string, n: number) => Fault | undefined;

/** Counts the calls of each operation, and asks the injector about each. */
export function countingFaults(inject: FaultInjector | undefined): (operation: string) => Fault | undefined {
  const counts = new Map<string, number>();
  return (operation) => {
    const n = (counts.get(operation) ?? 0) + 1;
    counts.set(operation, n);
    return inject?.(operation, n);
  };
}
