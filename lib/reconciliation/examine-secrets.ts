import type { EpochMs } from "../epoch.ts";
import { type Policy, wrongAccount } from "../grants/policy.ts";
import type { ClassifiedKey } from "../key-lifecycle/classify-keys.ts";
import { putAKeyIn } from "../key-lifecycle/key-lifecycle-error.ts";
import { copiesBehindSince, unfinishedVersion, versionWith } from "../key-lifecycle/secret-store.ts";
import { currentKey, isSupersededVersion, keyIdsIn, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { AccountSnapshot, Snapshot, SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { CredentialsFileError } from "../keys/credentials-file.ts";
import { type Finding, messageOf, reported } from "./finding.ts";

const DAY_MS = 86_400_000;

/** What is needed of a snapshot. */
interface Examined extends Pick<Snapshot, "secrets" | "refused"> {
  readonly accounts: readonly Pick<AccountSnapshot, "accountId" | "keys">[];
}

/**
 * Finds versions that cannot be read, current keys that do not work or must not be used, and
 * rotations, replicas and deletions that are late.
 */
export function examineSecrets(
  ports: Pick<SnapshotPorts, "now" | "graceMs" | "replicaRegions">,
  policy: Policy,
  snapshot: Examined,
): Finding[] {
  const { secrets } = snapshot;
  const now = ports.now();
  return [
    ...secrets.flatMap(unreadableVersions),
    ...secrets.flatMap((secret) => missingKey(snapshot, secret)),
    ...secrets.flatMap((secret) => wrongAccountKey(policy, secret)),
    ...snapshot.accounts.flatMap(({ keys }) =>
      keys.flatMap((key) => [
        ...lateRetirement(secrets, key, now, ports.graceMs),
        ...keptAsUnmanaged(secrets, key, now, ports.graceMs),
      ]),
    ),
    ...secrets
      .flatMap((secret) => [
        overdueKey(secret, now),
        stuckRotation(secret, now),
        replicaBehind(secret, now, ports.replicaRegions),
      ])
      .filter((finding) => finding !== undefined),
  ];
}

function unreadableVersions({ serviceAccount, state, unreadable }: SecretSnapshot): Finding[] {
  const { name } = state;
  const remedy = (versionId: string, labels: readonly string[], error: unknown) => {
    if (labels.includes("AWSCURRENT"))
      return error instanceof CredentialsFileError
        ? `Every token of ${serviceAccount} fails. Import the right file: ` +
            `\`voxtoken admin import FILE --service-account ${serviceAccount}\`.`
        : "If vend-token cannot read it either, callers get no token: docs/runbook.md#key-unavailable.";
    const [label] = labels;
    if (label === undefined)
      return "Other keys are still examined. If this is reported again: docs/runbook.md#an-unreadable-version.";
    return (
      "Other keys are still examined. If it was stored by mistake, take its label off: `aws secretsmanager " +
      `update-secret-version-stage --secret-id ${name} --version-stage ${label} --remove-from-version-id ${versionId}\`.`
    );
  };
  return unreadable.map(({ versionId, labels, error }) => {
    const labelled = labels.length > 0 ? ` (${labels.join(", ")})` : "";
    const detail = `Version ${versionId} of secret ${name}${labelled} cannot be read: ${messageOf(error)}`;
    return reported("unreadable_version", serviceAccount, `${detail} ${remedy(versionId, labels, error)}`);
  });
}

/** A current key that the platform refuses or does not list, so that no token of it is accepted. */
function missingKey({ accounts, refused }: Examined, secret: SecretSnapshot): Finding[] {
  const { serviceAccount } = secret;
  const current = currentKey(secret);
  if (current === undefined) return [];
  const { accountId, keyId } = current;
  const account = accounts.find((one) => one.accountId === accountId);
  const isListed = account?.keys.some(({ key }) => key.key_id === keyId) ?? true;
  const isRefused = refused.has(keyId);
  if (isListed && !isRefused) return [];
  const seen = isRefused ? `refuses it: ${messageOf(refused.get(keyId))}` : "does not list it.";
  const detail =
    `Tokens are signed with key ${keyId}, and the platform ${seen} If the key was deleted: ` +
    putAKeyIn(serviceAccount);
  return [reported("current_key_missing", serviceAccount, detail)];
}

function wrongAccountKey({ serviceAccounts }: Policy, secret: SecretSnapshot): Finding[] {
  const serviceAccount = serviceAccounts.find(({ name }) => name === secret.serviceAccount);
  const current = currentKey(secret);
  const problem = serviceAccount && current && wrongAccount(serviceAccount, current);
  if (problem === undefined) return [];
  const detail = `${problem}. Find out who stored it: docs/runbook.md#wrong-account.`;
  return [reported("wrong_account", secret.serviceAccount, detail)];
}

/** A key is overdue if it is older than two rotation periods. One rotation is allowed to fail. */
function overdueKey({ serviceAccount, state, createdAt }: SecretSnapshot, now: EpochMs): Finding | undefined {
  const { name, rotationEnabled, rotationDays } = state;
  const since = createdAt.get(versionWith("AWSCURRENT", state) ?? "") ?? Number.NaN;
  const days = (now - since) / DAY_MS;
  if (rotationEnabled !== true || rotationDays === undefined || !(days > 2 * rotationDays)) return undefined;
  return reported(
    "key_overdue",
    serviceAccount,
    `The current key of ${name} is ${Math.floor(days)} days old, but rotation is due every ${rotationDays} days. ` +
      `See why with \`aws secretsmanager describe-secret --secret-id ${name}\`, then run ` +
      `\`voxtoken admin rotate ${serviceAccount}\`.`,
  );
}

/**
 * A superseded key whose grace starts again and again, because something changes its secret more
 * often than once per grace. Such a key is overdue one grace and one day after the next version was
 * stored.
 */
function lateRetirement(
  secrets: readonly SecretSnapshot[],
  { key, state }: ClassifiedKey,
  now: EpochMs,
  graceMs: number,
): Finding[] {
  // Infinity: a version was not read, or a copy in another region is behind. Both have findings.
  if (state.state !== "superseded" || state.retireAt <= now || state.retireAt === Infinity) return [];
  const { serviceAccount } = state;
  const secret = secrets.find((one) => one.serviceAccount === serviceAccount);
  if (secret === undefined) return [];
  const supersededAt = nextVersionAfter(secret, key.key_id);
  if (!(now - supersededAt > graceMs + DAY_MS)) return [];
  const detail =
    `Another key was stored at ${isoTime(supersededAt)}, and this superseded key is not deleted yet, because ` +
    `${secret.state.name} was changed at ${isoTime(secret.state.lastChangedAt)}. Each change starts the grace of ${Math.ceil(graceMs / 60_000)} minutes ` +
    "again. After a second rollback this is expected. Otherwise find in CloudTrail what changes the secret so often.";
  return [{ ...reported("key_overdue", serviceAccount, detail), key }];
}

/**
 * A superseded key that is never deleted, because grants.yml lists it as unmanaged. Someone may
 * have listed it before it was imported, and then forgotten to remove it from the list.
 */
function keptAsUnmanaged(
  secrets: readonly SecretSnapshot[],
  { key, state }: ClassifiedKey,
  now: EpochMs,
  graceMs: number,
): Finding[] {
  if (state.state !== "unmanaged") return [];
  const holder = secrets.find((secret) => keyIdsIn([secret]).has(key.key_id));
  if (holder === undefined || !(now - nextVersionAfter(holder, key.key_id) > graceMs + DAY_MS)) return [];
  const detail =
    `Another key has replaced this key in ${holder.state.name}. This key still works, and is not deleted, because ` +
    "unmanagedKeys in grants.yml lists it. Remove it from the list, and reconciliation deletes it. If something " +
    "else uses this key, create another key for it first.";
  return [{ ...reported("key_overdue", holder.serviceAccount, detail), key }];
}

/**
 * The creation time of the version that follows the key's last version. Infinity: no version
 * follows it.
 */
function nextVersionAfter({ keys, createdAt }: SecretSnapshot, keyId: string): EpochMs {
  const times = (wanted: (keyId: string) => boolean) =>
    [...keys].filter(([, one]) => wanted(one.keyId)).map(([version]) => createdAt.get(version) ?? Number.NaN);
  const last = Math.max(...times((one) => one === keyId));
  return Math.min(...times((one) => one !== keyId).filter((time) => time > last));
}

function isoTime(time: EpochMs): string {
  return new Date(time).toISOString();
}

function stuckRotation(
  { serviceAccount, state, keys, createdAt }: SecretSnapshot,
  now: EpochMs,
): Finding | undefined {
  const pending = unfinishedVersion(state);
  // A superseded version needs no finding: the next rotation takes the label off.
  if (pending === undefined || isSupersededVersion(pending, state, (id) => createdAt.get(id)))
    return undefined;
  // A version that has no value may be absent from the list of versions. Then the time of the
  // secret's last change is used.
  const age = now - (createdAt.get(pending) ?? state.lastChangedAt);
  if (!(age > DAY_MS)) return undefined;
  const key = keys.get(pending);
  return reported(
    "rotation_stuck",
    serviceAccount,
    `A rotation of ${state.name} has not ended for ${Math.floor(age / DAY_MS)} days: version ${pending} is still ` +
      `AWSPENDING and holds ${key === undefined ? "no key" : `key ${key.keyId}`}. Continue it with ` +
      `\`voxtoken admin rotate ${serviceAccount}\`. The log of rotate-key says why it stopped.`,
  );
}

/**
 * Reads the state of the replicas from the secret, because CloudFormation has reported success for
 * a replica that failed. A secret without a value has no finding, because AWS removes its replicas.
 * https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1459
 */
function replicaBehind(
  { serviceAccount, state }: SecretSnapshot,
  now: EpochMs,
  replicaRegions: readonly string[] = [],
): Finding | undefined {
  const { name, replicas } = state;
  if (versionWith("AWSCURRENT", state) === undefined) return undefined;
  const problems = replicas.flatMap(({ region, problem }) =>
    problem === undefined ? [] : [`The copy of ${name} in ${region} failed: ${problem}.`],
  );
  const since = Math.min(state.lastChangedAt, copiesBehindSince(state) ?? Infinity);
  if (now - since > DAY_MS) {
    const behind = replicas.filter(({ inSync, problem }) => !inSync && problem === undefined);
    const missing = replicaRegions.filter((expected) => !replicas.some(({ region }) => region === expected));
    problems.push(
      ...behind.map(({ region }) => `The copy of ${name} in ${region} has been behind for over a day.`),
      ...missing.map((region) => `${name} has no copy in ${region}.`),
    );
  }
  if (problems.length === 0) return undefined;
  return reported(
    "replica_behind",
    serviceAccount,
    `${problems.join(" ")} Functions there may use an old key, and no superseded key is deleted while a copy is ` +
      "behind. See why with `aws secretsmanager describe-secret " +
      `--secret-id ${name} --query ReplicationStatus\`.`,
  );
}
