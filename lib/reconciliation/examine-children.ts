import type { Policy } from "../grants/policy.ts";
import { isUnknownKey } from "../key-lifecycle/settle.ts";
import { keyIdsIn, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { ManagementApi } from "../voximplant/methods.ts";
import { type Finding, messageOf, notExamined, reported } from "./finding.ts";

/** Milliseconds for all child accounts of one run. */
const BUDGET_MS = 45_000;
/**
 * The time between two runs. Each run begins with another child account. Otherwise the budget may
 * end before the last child accounts in every run.
 */
const RUN_MS = 15 * 60_000;

/** What is needed of a key of a parent account: to list the keys of its child accounts. */
export interface ParentKey {
  readonly apiOf: (childAccountId: number) => Pick<ManagementApi, "getKeys">;
}

/** What is needed of a snapshot: for each account its current keys, and the keys in the secrets. */
interface Examined {
  readonly accounts: readonly { readonly current: ReadonlyMap<string, ParentKey> }[];
  readonly secrets: readonly Pick<SecretSnapshot, "keys">[];
}

/**
 * Finds keys in the child accounts that grants list. Such a key is never ours, because a child
 * account is used with its parent's key. Keys of a child account are never deleted.
 *
 * A refusal is not a failure: Voximplant does not document whether a parent's key may list a
 * child's keys.
 */
export async function examineChildren(
  { log, now }: Pick<SnapshotPorts, "log" | "now">,
  policy: Policy,
  { accounts, secrets }: Examined,
): Promise<Finding[]> {
  const inSecret = keyIdsIn(secrets);
  const unmanaged = new Set(policy.serviceAccounts.flatMap(({ unmanagedKeys }) => unmanagedKeys));
  const children = childAccounts(policy, accounts);
  const first = Math.floor(now() / RUN_MS) % Math.max(1, children.length);
  const deadline = now() + BUDGET_MS;
  const findings: Finding[] = [];
  for (const [index, { accountId, serviceAccount, key }] of [
    ...children.slice(first),
    ...children.slice(0, first),
  ].entries()) {
    if (now() >= deadline) {
      log("info", `${children.length - index} child accounts are left for the next runs.`);
      break;
    }
    try {
      for (const listed of await key.apiOf(accountId).getKeys()) {
        if (inSecret.has(listed.key_id) || unmanaged.has(listed.key_id)) continue;
        const detail =
          `Child account ${accountId} has this key, and no secret holds it. If someone uses it on purpose, list it ` +
          "under unmanagedKeys in grants.yml. Otherwise delete it in that account: docs/runbook.md#unknown-keys.";
        findings.push({ ...reported("unknown_key", serviceAccount, detail), accountId, key: listed });
      }
    } catch (error) {
      if (isUnknownKey(error) || isRefusal(error, "forbidden"))
        log("info", `Child account ${accountId} was not examined. ${messageOf(error)}`, { serviceAccount });
      else findings.push({ ...notExamined({ serviceAccount, error }), accountId });
    }
  }
  return findings;
}

interface ChildAccount {
  readonly accountId: number;
  readonly serviceAccount: string;
  /** A key of its parent account. */
  readonly key: ParentKey;
}

/** Each child account once, although several service accounts may reach it. */
function childAccounts({ grants }: Policy, accounts: Examined["accounts"]): ChildAccount[] {
  const children = new Map<number, ChildAccount>();
  for (const [serviceAccount, key] of accounts.flatMap(({ current }) => [...current])) {
    for (const { serviceAccounts, childAccountIds } of grants) {
      if (!serviceAccounts.includes(serviceAccount)) continue;
      for (const accountId of childAccountIds)
        if (!children.has(accountId)) children.set(accountId, { accountId, serviceAccount, key });
    }
  }
  return [...children.values()];
}
