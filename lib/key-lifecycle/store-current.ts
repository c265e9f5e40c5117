import { isRefusedByAws } from "./aws-refusal.ts";
import {
  isBeingReplicated,
  type SecretState,
  type SecretStore,
  unfinishedVersion,
  versionWith,
} from "./secret-store.ts";
import { KeyLifecycleError } from "./key-lifecycle-error.ts";
import { settle, SETTLING_PAUSES_MS, STORE_PAUSES, type Waiting } from "./settle.ts";

/**
 * Stores a credentials file as the current version of a secret, outside a rotation, and waits until
 * Secrets Manager reports it as current.
 *
 * @throws KeyLifecycleError the version holds another key
 * @throws MayBeCurrentError an answer was lost, or the version is not reported as current
 * @throws the AWS SDK's error, if Secrets Manager refused to store it
 */
export async function storeCurrent(
  store: SecretStore,
  { arn, name }: SecretState,
  { versionId, value }: { readonly versionId: string; readonly value: string },
  waiting: Waiting,
): Promise<void> {
  const mayBeCurrent = (cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    return new MayBeCurrentError(
      `It is not known whether version ${versionId} of secret ${name} is current: ${message}`,
      { cause },
    );
  };
  const put = { secretId: arn, versionId, value, stage: "AWSCURRENT" } as const;
  const outcome = await store.putVersion(put).catch((error: unknown) => {
    throw isRefusedByAws(error) ? error : mayBeCurrent(error);
  });
  if (outcome === "taken") {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${name} already holds another key. Try again.`,
    );
  }
  await settle(
    async () => {
      if (versionWith("AWSCURRENT", await store.describe(arn)) !== versionId)
        throw new NotCurrentError("it is stored, but Secrets Manager does not report it as current");
    },
    (error) => error instanceof NotCurrentError,
    waiting,
  ).catch((error: unknown) => {
    throw mayBeCurrent(error);
  });
}

class NotCurrentError extends KeyLifecycleError {}

/**
 * The version may be current, so its key must not be deleted, and no message may say that it was
 * not stored.
 */
export class MayBeCurrentError extends KeyLifecycleError {}

export type PendingOutcome = "clean" | "replicas-behind";

/**
 * Takes AWSPENDING off any version but the current one, after AWSCURRENT was moved outside a
 * rotation. Otherwise the next `RotateSecret` continues with that version and makes its key
 * current. This ends a rotation that is under way.
 *
 * `replicas-behind`: nothing was done, because moving a label while a replica is written can leave
 * replication stuck (https://github.com/square/password-rotation-lambda/pull/12). The label
 * may stay, because rotate-key refuses a version that must never become current: see
 * isSupersededVersion in snapshot.ts.
 */
export async function dropPending(
  store: SecretStore,
  secretId: string,
  { sleep }: Waiting,
): Promise<PendingOutcome> {
  let failure: unknown;
  for (const pause of [0, ...SETTLING_PAUSES_MS.slice(0, STORE_PAUSES)]) {
    if (pause > 0) await sleep(pause);
    const state = await store.describe(secretId);
    const pending = unfinishedVersion(state);
    if (pending === undefined) return "clean";
    if (isBeingReplicated(state)) continue;
    try {
      await store.moveStage(state.arn, "AWSPENDING", { from: pending, to: undefined });
      return "clean";
    } catch (error) {
      // The label moved between the two calls, or the description was old. Describe again.
      failure = error;
    }
  }
  if (failure !== undefined) throw failure as Error;
  return "replicas-behind";
}
