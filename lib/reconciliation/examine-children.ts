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
 * The time between two runs. Each run begins with a different child account. If every run began
 * with the same one, the budget might always end before the last child accounts.
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
  for (const [index, { accountId, parents }] of [
    ...children.slice(first),
    ...children.slice(0, first),
  ].entries()) {
    if (now() >= deadline) {
      log("info", `${children.length - index} child accounts are left for the next runs.`);
      break;
    }
    const failures: { readonly serviceAccount: string; readonly error: unknown }[] = [];
    for (const { serviceAccount, key } of parents) {
      try {
        for (const listed of await key.apiOf(accountId).getKeys()) {
          if (inSecret.has(listed.key_id) || unmanaged.has(listed.key_id)) continue;
          const detail =
            `Child account ${accountId} has this key, and no secret holds it. If someone uses it on purpose, list it ` +
            "under unmanagedKeys in grants.yml. Otherwise delete it in that account: docs/runbook.md#unknown-keys.";
          findings.push({ ...reported("unknown_key", serviceAccount, detail), accountId, key: listed });
        }
        failures.length = 0;
        break;
      } catch (error) {
        failures.push({ serviceAccount, error });
        // If this key is refused, another key may be allowed. After any other error, such as a
        // time-out, every further key would probably fail too, after the same wait.
        if (!isNotAllowed(error)) break;
      }
    }
    const failure = failures.at(-1);
    if (failure === undefined) continue;
    const { serviceAccount, error } = failure;
    if (isNotAllowed(error))
      log("info", `Child account ${accountId} was not examined. ${messageOf(error)}`, { serviceAccount });
    else findings.push({ ...notExamined(failure), accountId });
  }
  return findings;
}

function isNotAllowed(error: unknown): boolean {
  return isUnknownKey(error) || isRefusal(error, "forbidden");
}

interface ChildAccount {
  readonly accountId: number;
  /** Keys of its parent account. The first that may list the child's keys is enough. */
  readonly parents: { readonly serviceAccount: string; readonly key: ParentKey }[];
}

/** Each child account once, although several service accounts may reach it. */
function childAccounts({ grants }: Policy, accounts: Examined["accounts"]): ChildAccount[] {
  const children = new Map<number, ChildAccount>();
  for (const [serviceAccount, key] of accounts.flatMap(({ current }) => [...current])) {
    const granted = grants.filter(({ serviceAccounts }) => serviceAccounts.includes(serviceAccount));
    for (const accountId of new Set(granted.flatMap(({ childAccountIds }) => childAccountIds))) {
      const child = children.get(accountId) ?? { accountId, parents: [] };
      child.parents.push({ serviceAccount, key });
      children.set(accountId, child);
    }
  }
  return [...children.values()];
}
