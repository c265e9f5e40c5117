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

/** A copy that is behind for less long than this costs no key its grace. */
const SHORT_MS = 10 * 60_000;

/**
 * Writes to each secret whether its copies in other regions are behind. While a copy is behind, its
 * region signs with the superseded key. AWS does not say since when a copy is up to date. So the
 * grace counts from when this run sees it: {@link COPIES_TAG} changes, and every change of a secret
 * starts the grace again.
 */
export async function watchCopies(
  { store, now, replicaRegions }: SnapshotPorts,
  secrets: readonly SecretSnapshot[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { serviceAccount, state } of secrets) {
    // A secret without a value has no copies: AWS removes them.
    if (versionWith("AWSCURRENT", state) === undefined) continue;
    const isBehind = !isCopied(state, replicaRegions);
    const wasBehind = copiesBehindSince(state) !== undefined;
    if (isBehind === wasBehind || (isBehind && now() - state.lastChangedAt <= SHORT_MS)) continue;
    try {
      await store.tag(state.arn, COPIES_TAG, copiesTag(isBehind ? state.lastChangedAt : undefined));
    } catch (error) {
      const detail =
        `${messageOf(error)} So the tag ${COPIES_TAG} of ${state.name} was not written. It decides when superseded ` +
        "keys are deleted after a copy in another region was behind.";
      findings.push(reported("not_examined", serviceAccount, detail));
    }
  }
  return findings;
}
