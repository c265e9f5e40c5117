import type { SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import { isSupersededVersion } from "../key-lifecycle/snapshot.ts";
import { replicasInSync, versionWith } from "../key-lifecycle/secret-store.ts";
import type { Finding } from "./finding.ts";

const DAY_MS = 86_400_000;

/** What should have happened to a secret by now: a rotation, the end of one, a copy to another region. */
export function findLateness(secret: SecretSnapshot, now: number): Finding[] {
  return [overdueKey(secret, now), stuckRotation(secret, now), replicaBehind(secret, now)].filter(
    (finding) => finding !== undefined,
  );
}

/** Twice the days between two rotations: one may be missed, two are not by chance. */
function overdueKey({ serviceAccount, state, createdAt }: SecretSnapshot, now: number): Finding | undefined {
  const { rotationEnabled, rotationDays } = state;
  const since = createdAt.get(versionWith("AWSCURRENT", state) ?? "") ?? Number.NaN;
  const days = (now - since) / DAY_MS;
  if (rotationEnabled !== true || rotationDays === undefined || !(days > 2 * rotationDays)) return undefined;
  return {
    reason: "key_overdue",
    action: "reported",
    serviceAccount,
    detail:
      `The current key of ${state.name} is ${Math.floor(days)} days old, and is to be replaced every ${rotationDays}. ` +
      `See why with \`aws secretsmanager describe-secret --secret-id ${state.name}\`, then ` +
      `\`voxtoken admin rotate ${serviceAccount} --now\`.`,
  };
}

function stuckRotation(secret: SecretSnapshot, now: number): Finding | undefined {
  const { serviceAccount, state, createdAt } = secret;
  const pending = versionWith("AWSPENDING", state);
  if (pending === undefined || pending === versionWith("AWSCURRENT", state)) return undefined;
  // rotate-key takes such a label off by itself.
  if (isSupersededVersion(pending, state, (id) => createdAt.get(id))) return undefined;
  // A version without a value may not be listed: then the last change of the secret is what made it pending.
  const since = createdAt.get(pending) ?? state.lastChangedAt;
  if (!(now - since > DAY_MS)) return undefined;
  const holds = secret.keys.get(pending)?.keyId;
  return {
    reason: "rotation_stuck",
    action: "reported",
    serviceAccount,
    detail:
      `A rotation of ${state.name} has not ended for ${Math.floor((now - since) / DAY_MS)} days: version ${pending} is ` +
      `still AWSPENDING and holds ${holds === undefined ? "no key" : `key ${holds}`}. ` +
      `Go on with it: \`voxtoken admin rotate ${serviceAccount} --now\`. Why it stopped is in the log of rotate-key.`,
  };
}

function replicaBehind({ serviceAccount, state }: SecretSnapshot, now: number): Finding | undefined {
  if (replicasInSync(state) || !(now - state.lastChangedAt > DAY_MS)) return undefined;
  const regions = state.replicas.filter(({ inSync }) => !inSync).map(({ region }) => region);
  return {
    reason: "replica_behind",
    action: "reported",
    serviceAccount,
    detail:
      `The copy of ${state.name} in ${regions.join(", ")} has been behind for over a day. Functions there may use an old ` +
      `key, and no superseded key is deleted. Why: \`aws secretsmanager describe-secret --secret-id ${state.name} ` +
      "--query ReplicationStatus`.",
  };
}
