import type { Policy } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { type ClassifiedKey, classifyKeys } from "../key-lifecycle/classify-keys.ts";
import { moveRules } from "../key-lifecycle/retire-key.ts";
import { READ_LAG_MS } from "../key-lifecycle/settle.ts";
import { currentKey, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import {
  absentSecrets,
  type AccountSnapshot,
  type Snapshot,
  type SnapshotPorts,
  takeSnapshot,
} from "../key-lifecycle/take-snapshot.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { checkRoles } from "./check-roles.ts";
import { decide, type DecisionContext } from "./decide.ts";
import { examineChildren } from "./examine-children.ts";
import { examineSecrets } from "./examine-secrets.ts";
import { type Finding, messageOf, notExamined } from "./finding.ts";
import { whyLast } from "./last-key.ts";
import { watchCopies } from "./watch-copies.ts";

interface ReconciliationPorts extends SnapshotPorts {
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/**
 * Finds keys that should not exist, rotations that are late, and secrets whose copies in other
 * regions are behind. The table in decide.ts says which keys are deleted. Two runs can overlap
 * without harm: if both delete the same key, or both bind the same routing rule to the current key,
 * the second time has no effect.
 */
export async function reconcileKeys(ports: ReconciliationPorts, policy: Policy): Promise<Finding[]> {
  const snapshot = await takeSnapshot(ports, policy);
  const { accounts, secrets, failures } = snapshot;
  let wait: Promise<void> | undefined;
  const waitForReads = () => (wait ??= ports.sleep(READ_LAG_MS));
  const findings = [...failures.map(notExamined), ...examineSecrets(ports, policy, snapshot)];
  for (const account of accounts) {
    for (const classified of account.keys) {
      const finding = await apply({ ports, policy, snapshot, account, waitForReads }, classified);
      if (finding !== undefined) findings.push(finding);
    }
  }
  findings.push(...(await examineChildren(ports, policy, snapshot)));
  // The grace of a superseded key counts from the last change of its secret, and a new tag is a
  // change. The checks below may write a tag. If they ran before the deletions, a key whose grace
  // was over would get a new grace, and this run could not delete it. So they run last.
  findings.push(...(await watchCopies(ports, secrets)));
  for (const account of accounts) findings.push(...(await checkRoles(ports, account, secrets)));
  return findings;
}

/** One Voximplant account in one run. */
interface AccountRun {
  readonly ports: ReconciliationPorts;
  readonly policy: Policy;
  readonly snapshot: Snapshot;
  readonly account: AccountSnapshot;
  /** Waits once per run, until reads of Secrets Manager show what was written before the run. */
  readonly waitForReads: () => Promise<void>;
}

async function apply(run: AccountRun, classified: ClassifiedKey): Promise<Finding | undefined> {
  const { state } = classified;
  const context = decisionContext(run, run.snapshot.secrets);
  const decision = decide(classified, context);
  const isDeletion = decision?.remove === true;
  try {
    if (state.state === "superseded" || isDeletion) await moveRulesOf(run, classified, isDeletion);
    if (decision === undefined) return undefined;
    if (!decision.remove) return { ...decision.finding, action: "reported" };
    const removed = await remove(run, classified);
    return removed === "absent" ? undefined : { ...decision.finding, action: "deleted" };
  } catch (error) {
    const serviceAccount = ownerOf(classified) ?? context.reporter;
    if (decision === undefined) return notExamined({ serviceAccount, error });
    const detail = `${decision.finding.detail} Not deleted: ${messageOf(error)}`;
    return { ...decision.finding, action: "failed", detail };
  }
}

function ownerOf({ state }: ClassifiedKey): string | undefined {
  return "serviceAccount" in state ? state.serviceAccount : undefined;
}

function decisionContext(
  { ports, policy, account: { accountId } }: AccountRun,
  secrets: readonly SecretSnapshot[],
): DecisionContext {
  // A service account without a key counts too. Its next key may be one of the unknown keys.
  const isOf = (secret: SecretSnapshot) => {
    const expected = policy.serviceAccounts.find(({ name }) => name === secret.serviceAccount)?.accountId;
    const held = (currentKey(secret) ?? [...secret.keys.values()].at(-1))?.accountId;
    return held === accountId || (expected ?? held ?? accountId) === accountId;
  };
  const members = secrets.filter(isOf).map(({ serviceAccount }) => serviceAccount);
  const holder = secrets.find(({ keys }) => [...keys.values()].some((one) => one.accountId === accountId));
  return { policy, members, reporter: members[0] ?? holder?.serviceAccount ?? "", now: ports.now() };
}

/**
 * Takes the routing rules that are bound to this key, and binds them to the current key of the same
 * service account.
 *
 * @param isDeletion whether the key is deleted afterwards
 * @throws Error if `isDeletion` and the key must not be deleted. There are two cases. First: the
 *   key may be the last one that works: last-key.ts. Second: routing rules are bound to the key,
 *   and the current key is of another Voximplant account, so the rules cannot move to it.
 */
async function moveRulesOf(run: AccountRun, classified: ClassifiedKey, isDeletion: boolean): Promise<void> {
  const { ports, snapshot, account } = run;
  const keyId = classified.key.key_id;
  const owner = classified.state.state === "orphan" ? undefined : ownerOf(classified);
  const problem = isDeletion ? whyLast(snapshot, run.policy, { keyId, owner }) : undefined;
  if (problem !== undefined) throw new Error(`${problem}, so the key ${keyId} may be the last that works.`);
  if (owner === undefined) {
    await warnOfRules(run, keyId);
    return;
  }
  const { api } = signerFor(account, owner);
  const secret = snapshot.secrets.find(({ serviceAccount }) => serviceAccount === owner);
  const current = secret && currentKey(secret);
  if (current?.accountId === account.accountId) {
    const isListed = account.keys.some(({ key }) => key.key_id === current.keyId);
    if (isListed && !snapshot.refused.has(current.keyId))
      await moveRules(api, [keyId], current.keyId, ports.log);
  } else if (isDeletion) {
    const rules = await api.getRulesBoundTo(keyId).catch((error: unknown) => {
      if (!isRefusal(error, "authorizationFailed", "forbidden")) throw error;
      warnOfUnseenRules(ports, keyId, error);
      return [];
    });
    if (rules.length > 0) {
      throw new Error(
        `routing rules of account ${account.accountId} are bound to this key. They cannot move to the current key, ` +
          "because it is of another account. Bind them to another key of their account, or delete them, in the " +
          "control panel.",
      );
    }
  }
}

/**
 * Logs the routing rules that are bound to an orphan or an unknown key. These rules are not moved,
 * and do not stop the deletion. Otherwise an attacker could prevent a deletion by binding a rule.
 */
async function warnOfRules({ ports, account: { lister } }: AccountRun, keyId: string): Promise<void> {
  try {
    for (const { rule_id, rule_name } of await lister.api.getRulesBoundTo(keyId))
      ports.log(
        "warn",
        `Routing rule ${rule_name} (${rule_id}) is bound to key ${keyId}, which will be deleted. Bind the rule to another key.`,
        { rule_id, from: keyId },
      );
  } catch (error) {
    warnOfUnseenRules(ports, keyId, error);
  }
}

function warnOfUnseenRules({ log }: ReconciliationPorts, keyId: string, error: unknown): void {
  const message = `It is unknown whether routing rules are bound to key ${keyId}: ${messageOf(error)}`;
  log("warn", `${message} See the control panel.`, { key_id: keyId });
}

/**
 * The key that signs the calls which move rules and delete a key. First choice: the current key of
 * `owner`, if there is one and the platform did not refuse it. Second choice: `lister`, the key
 * with which this run listed the keys of the Voximplant account. `lister` may be the key of another
 * service account. Then it may lack the role to see the routing rules that are bound to the keys of
 * `owner`.
 */
function signerFor({ current, lister }: AccountSnapshot, owner: string | undefined): AccountKey {
  return (owner === undefined ? undefined : current.get(owner)) ?? lister;
}

/**
 * Reads the secrets and decides once more, then deletes the key. Without the second decision, a key
 * that became current again in between would be deleted. `absent`: another run has deleted the key
 * and reported it.
 */
async function remove(run: AccountRun, classified: ClassifiedKey): Promise<"deleted" | "absent"> {
  const { ports, policy, snapshot, account } = run;
  const { key } = classified;
  const { serviceAccounts } = policy;
  await run.waitForReads();
  const wasRead = new Set(snapshot.secrets.map(({ serviceAccount }) => serviceAccount));
  const secrets = await Promise.all(
    serviceAccounts.filter(({ name }) => wasRead.has(name)).map((one) => ports.readSecret(one)),
  );
  const { graceMs, replicaRegions } = ports;
  const [again] = classifyKeys([key], {
    serviceAccounts,
    secrets,
    graceMs,
    replicaRegions,
    absent: absentSecrets(snapshot.failures),
    now: ports.now(),
  });
  if (again === undefined || decide(again, decisionContext(run, secrets))?.remove !== true)
    throw new Error("a secret has changed meanwhile.");
  // Logged before the call, because the answer may be lost, or the run may be killed afterwards.
  ports.log("info", `Deleting key ${key.key_id}, which is ${again.state.state}.`, { key_id: key.key_id });
  return signerFor(account, ownerOf(classified)).api.deleteKey(key.key_id, { attempts: 1 });
}
