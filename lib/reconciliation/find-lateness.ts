import type { EpochMs } from "../epoch.ts";
import { unfinishedVersion, versionWith } from "../key-lifecycle/secret-store.ts";
import { isSupersededVersion, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { type Finding, reported } from "./finding.ts";

const DAY_MS = 86_400_000;

type LatenessPorts = Pick<SnapshotPorts, "now" | "replicaRegions">;

/** Finds what is late in a secret: a rotation, the end of a rotation, or a replica. */
export function findLateness(secret: SecretSnapshot, ports: LatenessPorts): Finding[] {
  const now = ports.now();
  return [overdueKey(secret, now), stuckRotation(secret, now), replicaBehind(secret, ports)].filter(
    (finding) => finding !== undefined,
  );
}

/** Overdue is a key that is older than two rotation periods, because one rotation may fail. */
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
      `\`voxtoken admin rotate ${serviceAccount} --now\`.`,
  );
}

function stuckRotation(
  { serviceAccount, state, keys, createdAt }: SecretSnapshot,
  now: EpochMs,
): Finding | undefined {
  const pending = unfinishedVersion(state);
  // rotate-key takes the label off a superseded version.
  if (pending === undefined || isSupersededVersion(pending, state, (id) => createdAt.get(id)))
    return undefined;
  // AWS may not list a version without a value. Then the secret's last change made it pending.
  const age = now - (createdAt.get(pending) ?? state.lastChangedAt);
  if (!(age > DAY_MS)) return undefined;
  const key = keys.get(pending);
  return reported(
    "rotation_stuck",
    serviceAccount,
    `A rotation of ${state.name} has not ended for ${Math.floor(age / DAY_MS)} days: version ${pending} is still ` +
      `AWSPENDING and holds ${key === undefined ? "no key" : `key ${key.keyId}`}. Continue it with ` +
      `\`voxtoken admin rotate ${serviceAccount} --now\`. The log of rotate-key says why it stopped.`,
  );
}

/**
 * Reads the state of the replicas from the secret, because CloudFormation has reported success for
 * a replica that failed. A secret without a value has no replicas: AWS removes them.
 * https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1459
 */
function replicaBehind(
  { serviceAccount, state }: SecretSnapshot,
  { now, replicaRegions = [] }: LatenessPorts,
): Finding | undefined {
  const { name, replicas } = state;
  if (versionWith("AWSCURRENT", state) === undefined) return undefined;
  const problems = replicas.flatMap(({ region, problem }) =>
    problem === undefined ? [] : [`The copy of ${name} in ${region} failed: ${problem}.`],
  );
  if (now() - state.lastChangedAt > DAY_MS) {
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
