import type { ServiceAccount } from "../grants/policy.ts";
import { checkAccount, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { moveAllRules } from "../key-lifecycle/retire-key.ts";
import { type SecretState, unfinishedVersion, versionWith } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, proveKnown, readUntil, settle } from "../key-lifecycle/settle.ts";
import { isSupersededVersion } from "../key-lifecycle/snapshot.ts";
import { dropPending, type PendingOutcome } from "../key-lifecycle/store-current.ts";
import { messageOf } from "./finding.ts";
import { type ReplacementPorts, startGrace } from "./replace-key.ts";

export interface RollbackReport {
  /** The key that is current now. */
  readonly keyId: string;
  /** The key that was current. Absent if the platform does not list it, or if a step failed. */
  readonly supersededKeyId?: string;
  /** Absent if it is not known. Then `leftToDo` says why. */
  readonly pending?: PendingOutcome;
  /** What was not done although the key is current. */
  readonly leftToDo: readonly string[];
}

/**
 * Makes the previous version of a secret current again, if its key works. The key is tried before
 * and after the label moves, because reconciliation may delete the key between the two attempts.
 *
 * @throws KeyLifecycleError there is no previous version, or its key is refused.
 */
export async function rollBack(
  ports: ReplacementPorts,
  serviceAccount: ServiceAccount,
): Promise<RollbackReport> {
  const { store, readSecret, openKey, sleep, log } = ports;
  const state = await store.describe(serviceAccount.secret);
  const [current, previous] = [versionWith("AWSCURRENT", state), versionWith("AWSPREVIOUS", state)];
  const version = previous === undefined ? undefined : await store.readVersion(state.arn, previous);
  if (version === undefined || current === undefined) {
    throw new KeyLifecycleError(
      `Secret ${state.name} has no previous version to go back to. \`voxtoken admin keys\` lists its keys.`,
    );
  }
  await dropSupersededPending(ports, state);
  const key = await openKey(version.value);
  checkAccount(serviceAccount, key);
  // The grace of the key may be over. Once it has started again, no reconciliation begins to delete
  // the key.
  await startGrace(ports, state);
  await proveKnown(key).catch((cause: unknown) => {
    if (!isUnknownKey(cause)) throw cause;
    const message =
      `The platform refuses the previous key ${key.keyId}, so it does not become current: it was deleted, or revoked. ` +
      `Replace the current key instead: \`voxtoken admin rotate ${serviceAccount.name}\`.`;
    throw new KeyLifecycleError(message, { cause });
  });

  await store
    .moveStage(state.arn, "AWSCURRENT", { from: current, to: version.versionId })
    .catch(async (error: unknown) => {
      // If the answer of the first call is lost, the SDK repeats the call. AWS refuses the
      // repetition, because the label has moved already.
      const now = await readUntil(
        () => store.readCurrent(state.arn).catch(() => undefined),
        (found) => found?.versionId === version.versionId,
        { sleep },
      );
      if (now?.versionId === version.versionId) return;
      const message =
        `Secrets Manager does not report key ${key.keyId} as current: ${messageOf(error)} ` +
        "Look at `voxtoken admin keys` before you repeat the rollback: a second one undoes the first.";
      throw new KeyLifecycleError(message, { cause: error });
    });
  // Waits until reads return the new labels, because reconciliation and the steps below need them.
  const isCurrent = (now: { readonly state: SecretState }) =>
    versionWith("AWSCURRENT", now.state) === version.versionId;
  await readUntil(async () => ({ state: await store.describe(state.arn).catch(() => state) }), isCurrent, {
    sleep,
  });
  const leftToDo: string[] = [];
  await settle(() => proveKnown(key), isUnknownKey, { sleep }).catch((cause: unknown) => {
    if (!isUnknownKey(cause)) {
      leftToDo.push(`It is unknown whether the platform still accepts the key: ${messageOf(cause)}`);
      return;
    }
    const message =
      `Key ${key.keyId} is current again, and the platform does not accept it: ${messageOf(cause)} ` +
      `Go back: \`voxtoken admin rollback ${serviceAccount.name}\`.`;
    throw new KeyLifecycleError(message, { cause });
  });

  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      leftToDo.push(`${what}: ${messageOf(error)}`);
      return undefined;
    }
  };
  const pending = await attempt("AWSPENDING was not taken off another version", () =>
    dropPending(store, state.arn, { sleep }),
  );
  const snapshot = await attempt("The secret could not be read again", () =>
    readUntil(() => readSecret(serviceAccount), isCurrent, { sleep }),
  );
  // Another version can be current by now: a rotation that read the secret before the label moved
  // may have made its own version current, or someone may have moved the label.
  if (snapshot !== undefined && !isCurrent(snapshot))
    throw new KeyLifecycleError(
      `Key ${key.keyId} became current, and then another version did. \`voxtoken admin keys\` shows the current key.`,
    );
  const others =
    snapshot && (await attempt("Routing rules were not moved", () => moveAllRules(snapshot, key, log)));
  const before = snapshot?.keys.get(current)?.keyId;
  const superseded = others?.find((keyId) => keyId === before);
  if (others !== undefined && superseded === undefined && before !== undefined && before !== key.keyId)
    leftToDo.push(
      `The platform does not list key ${before}. If routing rules are bound to it, bind them to key ${key.keyId} in ` +
        "the control panel.",
    );
  return {
    keyId: key.keyId,
    ...(superseded !== undefined && { supersededKeyId: superseded }),
    ...(pending !== undefined && { pending }),
    leftToDo,
  };
}

/**
 * Takes AWSPENDING off a version that must never become current. After the rollback, the version
 * could be newer than the current one, and nothing would show that it was current before. Then the
 * next rotation would make its key current again.
 *
 * @throws KeyLifecycleError the label must not be moved while a replica is written
 */
async function dropSupersededPending({ store, sleep }: ReplacementPorts, state: SecretState): Promise<void> {
  const pending = unfinishedVersion(state);
  if (pending === undefined) return;
  const createdAt = new Map(
    (await store.listVersions(state.arn)).map((version) => [version.versionId, version.createdAt]),
  );
  if (!isSupersededVersion(pending, state, (id) => createdAt.get(id))) return;
  if ((await dropPending(store, state.arn, { sleep })) === "clean") return;
  throw new KeyLifecycleError(
    `Version ${pending} of secret ${state.name} still has the label AWSPENDING, which cannot be taken off while the ` +
      "copies of the secret in other regions are being written. After a rollback, the next rotation could make its " +
      "key current. Wait until `aws secretsmanager describe-secret` shows every copy InSync, and try again.",
  );
}
