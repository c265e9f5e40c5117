import { distance } from "fastest-levenshtein";

/** ` (did you mean "outbound-calls"?)`, or nothing where no name is near: at most one letter in three may differ. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = [...names]
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, candidate.length / 3))
    .sort((a, b) => a.edits - b.edits)[0];
  return near ? ` (did you mean "${near.candidate}"?)` : "";
}

/** A name that was not written to its end is as near as can be. */
function editsBetween(name: string, candidate: string): number {
  return name.length >= 3 && candidate.startsWith(name) ? 1 : distance(name, candidate);
}
