import { distance } from "fastest-levenshtein";

/** ` (did you mean "outbound-calls"?)`. Empty if more than one letter in three differs. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = [...names]
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, candidate.length / 3))
    .sort((a, b) => a.edits - b.edits)[0];
  return near ? ` (did you mean "${near.candidate}"?)` : "";
}

/** The beginning of a name counts as one edit away from it. */
function editsBetween(name: string, candidate: string): number {
  return name.length >= 3 && candidate.startsWith(name) ? 1 : distance(name, candidate);
}
