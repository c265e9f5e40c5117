import type { Policy } from "../grants/policy.ts";
import { isUnknownKey } from "../key-lifecycle/settle.ts";
import type { Snapshot, SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { type Finding, messageOf, notExamined } from "./finding.ts";

/** Milliseconds. What is left then is examined by nobody in this run, and said. */
const BUDGET_MS = 45_000;

/**
 * Looks for keys in the child accounts that grants list. A key of a child account is never ours, and never deleted: a child
 * account needs no key of its own to be used through its parent's.
 *
 * A refusal is no failure: whether a parent's key may list a child's keys is not documented.
 */
export async function examineChildren(
  { log, now }: Pick<SnapshotPorts, "log" | "now">,
  policy: Policy,
  { accounts, secrets }: Snapshot,
): Promise<Finding[]> {
  const deadline = now() + BUDGET_MS;
  const known = new Set([
    ...secrets.flatMap(({ keys }) => [...keys.values()].map(({ keyId }) => keyId)),
    ...policy.serviceAccounts.flatMap(({ unmanagedKeys }) => unmanagedKeys),
  ]);
  const findings: Finding[] = [];
  const examined = new Set<number>();
  for (const { current } of accounts) {
    for (const [serviceAccount, key] of current) {
      for (const accountId of childrenOf(policy, serviceAccount)) {
        if (examined.has(accountId)) continue;
        examined.add(accountId);
        if (now() >= deadline) {
          const error = new Error(
            `Child account ${accountId} was not examined: the time of this run was over.`,
          );
          findings.push({ ...notExamined({ serviceAccount, error }), accountId });
          continue;
        }
        try {
          for (const listed of await key.apiOf(accountId).getKeys()) {
            if (known.has(listed.key_id)) continue;
            findings.push({
              reason: "unknown_key",
              action: "reported",
              serviceAccount,
              accountId,
              key: listed,
              detail:
                `Child account ${accountId} has this key, and no secret holds it. If someone uses it on purpose, list it ` +
                "under unmanagedKeys in grants.yml. Otherwise delete it in that account: docs/runbook.md#unknown-keys.",
            });
          }
        } catch (error) {
          if (isUnknownKey(error) || isRefusal(error, "forbidden"))
            log("info", `Child account ${accountId} was not examined. ${messageOf(error)}`, {
              serviceAccount,
            });
          else findings.push({ ...notExamined({ serviceAccount, error }), accountId });
        }
      }
    }
  }
  return findings;
}

function childrenOf({ grants }: Policy, serviceAccount: string): number[] {
  return grants
    .filter(({ serviceAccounts }) => serviceAccounts.includes(serviceAccount))
    .flatMap(({ childAccountIds }) => childAccountIds);
}
