import {
  replicasInSync,
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
 * @throws KeyLifecycleError it did not become current, or another version became current directly
 *   afterwards
 */
export async function storeCurrent(
  store: SecretStore,
  { arn, name }: SecretState,
  { versionId, value }: { readonly versionId: string; readonly value: string },
  waiting: Waiting,
): Promise<void> {
  const outcome = await store.putVersion({ secretId: arn, versionId, value, stage: "AWSCURRENT" });
  if (outcome === "taken") {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${name} already holds another key. Try again.`,
    );
  }
  await settle(
    async () => {
      if (versionWith("AWSCURRENT", await store.describe(arn)) !== versionId)
        throw new NotCurrentError(
          `Version ${versionId} of secret ${name} did not become current. Try again.`,
        );
    },
    (error) => error instanceof NotCurrentError,
    waiting,
  );
}

class NotCurrentError extends KeyLifecycleError {}

export type PendingOutcome = "clean" | "replicas-behind";

/**
 * Takes AWSPENDING off any version but the current one, after AWSCURRENT was moved outside a
 * rotation. Otherwise the next `RotateSecret` continues with that version and makes its key
 * current. This ends a rotation that is under way.
 *
 * `replicas-behind`: nothing was done, because moving a label while a replica is written has left
 * replication stuck (https://github.com/square/password-rotation-lambda/pull/12). rotate-key refuses
 * such a version.
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
    if (!replicasInSync(state)) continue;
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
