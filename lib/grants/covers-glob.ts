import { hasWildcard, matchesGlob, type PrincipalArn } from "./arn-like.ts";

/** Whether a pattern of a principal matches every principal that another one matches. */
export function coversPrincipal(wide: PrincipalArn, narrow: PrincipalArn): boolean {
  return (
    wide.kind === narrow.kind &&
    wide.partition === narrow.partition &&
    coversGlob(wide.accountId, narrow.accountId) &&
    coversGlob(wide.name, narrow.name)
  );
}

/** More than the patterns of a grants file need. The limit bounds the work for hostile patterns. */
const MOST_STATES = 2000;

/**
 * Whether a pattern matches every text that another pattern matches. Compares the sets of texts
 * that the two patterns match.
 * False if it is not certain within {@link MOST_STATES} steps.
 *
 * Reads the narrow pattern from left to right. For each text that this pattern can match so far,
 * keeps the positions that the wide pattern can have reached. If there is no such position, only
 * the narrow pattern matches. All letters that are not in the wide pattern have the same effect, so
 * one of them stands for the rest.
 */
export function coversGlob(wide: string, narrow: string): boolean {
  if (!hasWildcard(narrow)) return matchesGlob(wide, narrow);
  if (wide === narrow || wide === "*") return true;

  const letters = [...new Set(`\0${wide.replace(/[*?]/g, "")}`)];
  const after = (positions: readonly number[], letter: string) =>
    withSkippedStars(
      wide,
      positions.flatMap((p) => {
        if (wide[p] === "*") return [p];
        return wide[p] === "?" || wide[p] === letter ? [p + 1] : [];
      }),
    );

  const pending = [{ at: 0, positions: withSkippedStars(wide, [0]) }];
  const seen = new Set<string>();
  for (let state = pending.pop(); state; state = pending.pop()) {
    const { at, positions } = state;
    const key = `${at}:${positions.join()}`;
    if (seen.has(key)) continue;
    if (seen.add(key).size > MOST_STATES) return false;

    const next = narrow[at];
    if (positions.length === 0 || (next === undefined && !positions.includes(wide.length))) return false;
    if (next === "*") {
      pending.push({ at: at + 1, positions });
      for (const letter of letters) pending.push({ at, positions: after(positions, letter) });
    } else if (next === "?") {
      for (const letter of letters) pending.push({ at: at + 1, positions: after(positions, letter) });
    } else if (next !== undefined) {
      pending.push({ at: at + 1, positions: after(positions, next) });
    }
  }
  return true;
}

/** The positions, and those behind each `*` among them: `*` can match an empty text. Sorted. */
function withSkippedStars(pattern: string, positions: readonly number[]): number[] {
  const reached = new Set<number>();
  for (let p of positions) {
    reached.add(p);
    while (pattern[p] === "*") reached.add(++p);
  }
  return [...reached].sort((a, b) => a - b);
}
