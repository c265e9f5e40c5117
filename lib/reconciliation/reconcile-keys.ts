import type { Policy } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { type ClassifiedKey, classifyKeys } from "../key-lifecycle/classify-keys.ts";
import { putAKeyIn } from "../key-lifecycle/key-lifecycle-error.ts";
import { moveRules } from "../key-lifecycle/retire-key.ts";
import { currentKey, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import {
  type AccountSnapshot,
  type Problem,
  type Snapshot,
  type SnapshotPorts,
  takeSnapshot,
} from "../key-lifecycle/take-snapshot.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { checkRoles } from "./check-roles.ts";
import { decide, type DecisionContext } from "./decide.ts";
import { examineChildren } from "./examine-children.ts";
import { type Finding, messageOf, notExamined } from "./finding.ts";
import { findLateness } from "./find-lateness.ts";

/**
 * Finds what should not exist and what is late, and removes what is provably ours: decide.ts has the table. Two runs at
 * once do no harm: a key that is gone is gone, and a rule bound twice is bound.
 */
export async function reconcileKeys(ports: SnapshotPorts, policy: Policy): Promise<Finding[]> {
  const snapshot = await takeSnapshot(ports, policy);
  const findings = [
    ...snapshot.failures.map(notExamined),
    ...snapshot.secrets.flatMap(unreadableVersions),
    ...missingKeys(snapshot),
    ...snapshot.secrets.flatMap((secret) => wrongAccount(policy, secret)),
    ...snapshot.secrets.flatMap((secret) => findLateness(secret, ports.now())),
  ];
  for (const account of snapshot.accounts) {
    for (const classified of account.keys) {
      const finding = await apply(ports, policy, snapshot, account, classified);
      if (finding !== undefined) findings.push(finding);
    }
  }
  findings.push(...(await examineChildren(ports, policy, snapshot)));
  // Last, because the tag that it may write is a change of the secret, and starts every grace anew.
  for (const account of snapshot.accounts)
    findings.push(...(await checkRoles(ports, account, snapshot.secrets)));
  return findings;
}

async function apply(
  ports: SnapshotPorts,
  policy: Policy,
  snapshot: Snapshot,
  account: AccountSnapshot,
  classified: ClassifiedKey,
): Promise<Finding | undefined> {
  const { state } = classified;
  const context = decisionContext(ports, policy, snapshot, account);
  const decision = decide(classified, context);
  const owner = "serviceAccount" in state ? state.serviceAccount : undefined;
  try {
    if (state.state === "superseded" || decision?.remove === true)
      await moveRulesOf(ports, snapshot, account, classified, decision?.remove === true);
    if (decision === undefined) return undefined;
    if (!decision.remove) return { ...decision.finding, action: "reported" };
    const removed = await remove(ports, policy, snapshot, account, classified);
    return removed === "absent" ? undefined : { ...decision.finding, action: "deleted" };
  } catch (error) {
    if (decision === undefined) return notExamined({ serviceAccount: owner ?? context.reporter, error });
    const detail = `${decision.finding.detail} Not deleted: ${messageOf(error)}`;
    return { ...decision.finding, action: "failed", detail };
  }
}

function decisionContext(
  { now }: SnapshotPorts,
  policy: Policy,
  { secrets }: Snapshot,
  { accountId }: AccountSnapshot,
): DecisionContext {
  const isOf = (secret: SecretSnapshot) =>
    (currentKey(secret) ?? [...secret.keys.values()].at(-1))?.accountId === accountId;
  const members = secrets.filter(isOf).map(({ serviceAccount }) => serviceAccount);
  const holders = secrets.filter(({ keys }) => [...keys.values()].some((one) => one.accountId === accountId));
  const reporter = members[0] ?? holders[0]?.serviceAccount ?? "";
  return { policy, members, reporter, now: now() };
}

/**
 * Binds the key's rules to the current key of its service account.
 *
 * @throws Error the key is to be deleted, and something still needs it.
 */
async function moveRulesOf(
  { log }: SnapshotPorts,
  { secrets }: Snapshot,
  account: AccountSnapshot,
  { key: { key_id: keyId }, state }: ClassifiedKey,
  isDeletion: boolean,
): Promise<void> {
  if (!("serviceAccount" in state) || state.state === "orphan") return;
  const { api } = signerFor(account, state.serviceAccount);
  const secret = secrets.find(({ serviceAccount }) => serviceAccount === state.serviceAccount);
  const current = secret && currentKey(secret);
  if (current?.accountId === account.accountId) {
    if (account.keys.some(({ key }) => key.key_id === current.keyId))
      await moveRules(api, [keyId], current.keyId, log);
    else if (isDeletion)
      throw new Error(
        `the platform does not list the current key ${current.keyId}, and this one may be the last that works.`,
      );
  } else if (isDeletion) {
    const rules = await api.getRulesBoundTo(keyId).catch((error: unknown) => {
      if (isRefusal(error, "authorizationFailed", "forbidden")) return [];
      throw error;
    });
    if (rules.length > 0) {
      throw new Error(
        `${rules.length} routing rules of account ${account.accountId} are bound to it, and the current key is of another ` +
          "account. Bind them to another key, or delete them, in the control panel.",
      );
    }
  }
}

/** The service account's own key, where it is accepted: it may see rules that another may not. */
function signerFor({ current, lister }: AccountSnapshot, owner: string | undefined): AccountKey {
  return (owner === undefined ? undefined : current.get(owner)) ?? lister;
}

/** Reads the secrets once more, decides once more, then deletes. `absent`: another run was faster, and has reported it. */
async function remove(
  ports: SnapshotPorts,
  policy: Policy,
  snapshot: Snapshot,
  account: AccountSnapshot,
  { key, state }: ClassifiedKey,
): Promise<"deleted" | "absent"> {
  const names = snapshot.secrets.map(({ serviceAccount }) => serviceAccount);
  const secrets = await Promise.all(
    policy.serviceAccounts.filter(({ name }) => names.includes(name)).map((one) => ports.readSecret(one)),
  );
  const { serviceAccounts } = policy;
  const [again] = classifyKeys([key], { serviceAccounts, secrets, graceMs: ports.graceMs });
  const context = decisionContext(ports, policy, { ...snapshot, secrets }, account);
  if (again === undefined || decide(again, context)?.remove !== true)
    throw new Error("a secret has changed meanwhile.");
  return signerFor(account, "serviceAccount" in state ? state.serviceAccount : undefined).api.deleteKey(
    key.key_id,
  );
}

/** Current keys that the platform refuses, or does not list: their tokens are refused. */
function missingKeys({ accounts, secrets, refused }: Snapshot): Finding[] {
  return secrets.flatMap((secret) => {
    const { serviceAccount } = secret;
    const current = currentKey(secret);
    if (current === undefined) return [];
    const refusal = refused.find((problem) => problem.serviceAccount === serviceAccount);
    const account = accounts.find(({ accountId }) => accountId === current.accountId);
    const isListed = account?.keys.some(({ key }) => key.key_id === current.keyId) ?? true;
    if (refusal === undefined && isListed) return [];
    return [missingKey(serviceAccount, current.keyId, refusal)];
  });
}

function missingKey(serviceAccount: string, keyId: string, refusal: Problem | undefined): Finding {
  const seen =
    refusal === undefined
      ? "The platform does not list it."
      : `The platform refuses it: ${messageOf(refusal.error)}`;
  return {
    reason: "current_key_missing",
    action: "reported",
    serviceAccount,
    detail:
      `Tokens are signed with key ${keyId}, and the platform does not accept them. ${seen} If the key was deleted: ` +
      putAKeyIn(serviceAccount),
  };
}

function unreadableVersions({ serviceAccount, state, unreadable }: SecretSnapshot): Finding[] {
  return unreadable.map(({ versionId, labels, error }) => ({
    reason: "unreadable_version",
    action: "reported",
    serviceAccount,
    detail:
      `Version ${versionId} of secret ${state.name} (${labels.join(", ") || "no label"}) cannot be read: ${messageOf(error)} ` +
      (labels.includes("AWSCURRENT")
        ? `Every token of ${serviceAccount} fails. Import the right file: \`voxtoken admin import FILE --service-account ${serviceAccount}\`.`
        : "Other keys are examined all the same. If it was put by mistake, take its label off: `aws secretsmanager " +
          `update-secret-version-stage --secret-id ${state.name} --version-stage ${labels[0] ?? "LABEL"} ` +
          `--remove-from-version-id ${versionId}\`.`),
  }));
}

function wrongAccount({ serviceAccounts }: Policy, secret: SecretSnapshot): Finding[] {
  const expected = serviceAccounts.find(({ name }) => name === secret.serviceAccount)?.accountId;
  const current = currentKey(secret);
  if (expected === undefined || current === undefined || current.accountId === expected) return [];
  return [
    {
      reason: "wrong_account",
      action: "reported",
      serviceAccount: secret.serviceAccount,
      detail:
        `Key ${current.keyId} in secret ${secret.state.name} belongs to Voximplant account ${current.accountId}, and ` +
        `grants.yml says ${expected}. No token is made with it. Find out who put it there: docs/runbook.md#wrong-account.`,
    },
  ];
}
