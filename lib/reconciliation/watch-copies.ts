import {
  COPIES_TAG,
  copiesBehindSince,
  copiesTag,
  isCopied,
  versionWith,
} from "../key-lifecycle/secret-store.ts";
import type { SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { type Finding, messageOf, reported } from "./finding.ts";

/**
 * Records in the tag {@link COPIES_TAG} of each secret whether its copies in other regions are
 * behind. While a copy is behind, its region signs with the superseded key. AWS does not say when a
 * copy caught up. So the grace starts again when a run sees that every copy is up to date: the run
 * changes the tag, and every change of a secret starts the grace again.
 */
export async function watchCopies(
  { store, replicaRegions }: SnapshotPorts,
  secrets: readonly SecretSnapshot[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { serviceAccount, state } of secrets) {
    // AWS removes the copies of a secret without a value.
    if (versionWith("AWSCURRENT", state) === undefined) continue;
    const isBehind = !isCopied(state, replicaRegions);
    const wasBehind = copiesBehindSince(state) !== undefined;
    if (isBehind === wasBehind) continue;
    try {
      await store.tag(state.arn, COPIES_TAG, copiesTag(isBehind ? state.lastChangedAt : undefined));
    } catch (error) {
      const detail =
        `${messageOf(error)} So the tag ${COPIES_TAG} of ${state.name} was not written. ` +
        "Until it is written, superseded keys may be deleted too early.";
      findings.push(reported("not_examined", serviceAccount, detail));
    }
  }
  return findings;
}
