import type { Policy } from "../grants/policy.ts";
import { classifyKeys } from "../key-lifecycle/classify-keys.ts";
import { isUnknownKey } from "../key-lifecycle/settle.ts";
import { keyIdsIn } from "../key-lifecycle/snapshot.ts";
import { absentSecrets, readSecrets, type SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { Key, ManagementApi } from "../voximplant/methods.ts";
import { type Finding, messageOf, notExamined, reported } from "./finding.ts";

/** Milliseconds for all child accounts of one run. */
const BUDGET_MS = 45_000;
/** The part of a parent account's key that is used here: it lists the keys of child accounts. */
export interface ParentKey {
  readonly apiOf: (childAccountId: number) => Pick<ManagementApi, "getKeys">;
}

/** What is needed of a snapshot: for each account its current keys. */
interface Examined {
  readonly accounts: readonly {
    readonly accountId: number;
    readonly current: ReadonlyMap<string, ParentKey>;
  }[];
}

type ChildPorts = Pick<SnapshotPorts, "readSecret" | "log" | "now" | "graceMs" | "replicaRegions">;

/**
 * Finds keys in the child accounts that grants list. Such a key is usually not ours, because a
 * child account is used with its parent's key. Keys of a child account are never deleted. A child
 * account in the snapshot has a service account of its own. It is left out here, because it is
 * examined like every other account in the snapshot.
 *
 * A refusal is not a failure: Voximplant does not document whether a parent's key may list a
 * child's keys.
 */
export async function examineChildren(
  ports: ChildPorts,
  policy: Policy,
  { accounts }: Examined,
): Promise<Finding[]> {
  const { log, now } = ports;
  const children = childAccounts(policy, accounts);
  // The current millisecond selects the child account with which a run begins, so it differs from
  // run to run. If every run began with the same one, the budget might always end before the last.
  const first = now() % Math.max(1, children.length);
  const deadline = now() + BUDGET_MS;
  const findings: Finding[] = [];
  const listed: ChildKeys[] = [];
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
        listed.push({ accountId, serviceAccount, keys: await key.apiOf(accountId).getKeys() });
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
  if (listed.length > 0) findings.push(...(await findUnknown(ports, policy, listed)));
  return findings;
}

/** The keys of a child account, and the service account with whose key they were listed. */
interface ChildKeys {
  readonly accountId: number;
  readonly serviceAccount: string;
  readonly keys: readonly Key[];
}

/**
 * Reads the secrets again. Otherwise a key that was stored after the first read, and before the
 * child accounts were listed, would count as unknown.
 */
async function findUnknown(
  ports: ChildPorts,
  { serviceAccounts }: Policy,
  listed: readonly ChildKeys[],
): Promise<Finding[]> {
  const { graceMs, replicaRegions } = ports;
  const { secrets, failures } = await readSecrets(ports, serviceAccounts);
  const absent = absentSecrets(failures);
  const context = { serviceAccounts, secrets, graceMs, replicaRegions, absent, now: ports.now() };
  const inSecret = keyIdsIn(secrets);
  return listed.flatMap(({ accountId, serviceAccount, keys }) =>
    classifyKeys(keys, context).flatMap(({ key, state }): Finding[] => {
      if (inSecret.has(key.key_id) || state.state === "unmanaged") return [];
      if (state.state === "undetermined") {
        const detail =
          `Child account ${accountId} has this key. No readable secret holds it, but a secret that cannot be read ` +
          "may hold it. Do not delete the key until every secret can be read: see `voxtoken admin keys`.";
        return [{ ...reported("undetermined_key", serviceAccount, detail), accountId, key }];
      }
      const detail =
        `Child account ${accountId} has this key, and no secret holds it. If someone uses it on purpose, list it ` +
        "under unmanagedKeys in grants.yml. Otherwise delete it in that account: docs/runbook.md#unknown-keys.";
      return [{ ...reported("unknown_key", serviceAccount, detail), accountId, key }];
    }),
  );
}

function isNotAllowed(error: unknown): boolean {
  return isUnknownKey(error) || isRefusal(error, "forbidden");
}

interface ChildAccount {
  readonly accountId: number;
  /** Keys of its parent account. The first that may list the child's keys is enough. */
  readonly parents: { readonly serviceAccount: string; readonly key: ParentKey }[];
}

/**
 * Each child account once, although several service accounts may reach it. Leaves out the child
 * accounts that are in the snapshot.
 */
function childAccounts({ grants }: Policy, accounts: Examined["accounts"]): ChildAccount[] {
  const examined = new Set(accounts.map(({ accountId }) => accountId));
  const children = new Map<number, ChildAccount>();
  for (const [serviceAccount, key] of accounts.flatMap(({ current }) => [...current])) {
    const granted = grants.filter(({ serviceAccounts }) => serviceAccounts.includes(serviceAccount));
    for (const accountId of new Set(granted.flatMap(({ childAccountIds }) => childAccountIds))) {
      if (examined.has(accountId)) continue;
      const child = children.get(accountId) ?? { accountId, parents: [] };
      child.parents.push({ serviceAccount, key });
      children.set(accountId, child);
    }
  }
  return [...children.values()];
}
