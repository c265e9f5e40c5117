import type { EpochMs } from "../epoch.ts";
import { replicasInSync, unfinishedVersion, versionWith } from "../key-lifecycle/secret-store.ts";
import { isSupersededVersion, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import { type Finding, reported } from "./finding.ts";

const DAY_MS = 86_400_000;

/** Finds what is late in a secret: a rotation, the end of a rotation, or a replica. */
export function findLateness(secret: SecretSnapshot, now: EpochMs): Finding[] {
  return [overdueKey(secret, now), stuckRotation(secret, now), replicaBehind(secret, now)].filter(
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

function replicaBehind({ serviceAccount, state }: SecretSnapshot, now: EpochMs): Finding | undefined {
  if (replicasInSync(state) || !(now - state.lastChangedAt > DAY_MS)) return undefined;
  const regions = state.replicas.filter(({ inSync }) => !inSync).map(({ region }) => region);
  return reported(
    "replica_behind",
    serviceAccount,
    `The copy of ${state.name} in ${regions.join(", ")} has been behind for over a day. Functions there may use an ` +
      "old key, and no superseded key is deleted. See why with `aws secretsmanager describe-secret " +
      `--secret-id ${state.name} --query ReplicationStatus\`.`,
  );
}
