import type { ServiceAccount } from "../grants/policy.ts";
import { checkAccount, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { moveAllRules } from "../key-lifecycle/retire-key.ts";
import { versionWith } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, readUntil, settle } from "../key-lifecycle/settle.ts";
import { dropPending, type PendingOutcome } from "../key-lifecycle/store-current.ts";
import { messageOf } from "./finding.ts";
import { type ReplacementPorts, startGrace } from "./replace-key.ts";

export interface RollbackReport {
  /** The key that is current now. */
  readonly keyId: string;
  /** The key that was current. Absent if the platform no longer has it. */
  readonly supersededKeyId?: string;
  readonly pending: PendingOutcome;
  /** What was not done although the key is current. */
  readonly leftToDo: readonly string[];
}

/**
 * Makes the previous version of a secret current again, if its key works. It is tried before the
 * label moves and after it, because reconciliation may have deleted the key between the two.
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
  const key = await openKey(version.value);
  checkAccount(serviceAccount, key);
  // The grace of the key may be over. After this, no reconciliation begins to delete the key.
  await startGrace(ports, state, () => key.api.getKeyRoles(key.keyId));
  await key.api.getAccountInfo().catch((cause: unknown) => {
    if (!isUnknownKey(cause)) throw cause;
    const message =
      `The platform refuses the previous key ${key.keyId}, so it does not become current: it was deleted, or revoked. ` +
      `Replace the current key instead: \`voxtoken admin rotate ${serviceAccount.name}\`.`;
    throw new KeyLifecycleError(message, { cause });
  });

  await store
    .moveStage(state.arn, "AWSCURRENT", { from: current, to: version.versionId })
    .catch(async (error: unknown) => {
      // If only the answer was lost, the repeated call is refused because the label has moved.
      const now = await readUntil(
        () => store.readCurrent(state.arn).catch(() => undefined),
        (found) => found?.versionId === version.versionId,
        { sleep },
      );
      if (now?.versionId === version.versionId) return;
      const message =
        `AWSCURRENT was not seen to move to key ${key.keyId}: ${messageOf(error)} ` +
        "Look at `voxtoken admin keys` before you repeat the rollback: a second one undoes the first.";
      throw new KeyLifecycleError(message, { cause: error });
    });
  // Reconciliation, and the steps below, must not take the old labels for the new ones.
  await readUntil(
    () => store.describe(state.arn).catch(() => state),
    (now) => versionWith("AWSCURRENT", now) === version.versionId,
    { sleep },
  );
  // The platform may accept tokens of a deleted key for some seconds. It does not find its roles.
  const isKnown = async () => {
    await key.api.getAccountInfo();
    await key.api.getKeyRoles(key.keyId);
  };
  await settle(isKnown, isUnknownKey, { sleep }).catch((cause: unknown) => {
    const message =
      `Key ${key.keyId} is current again, and the platform does not accept it: ${messageOf(cause)} ` +
      `Go back: \`voxtoken admin rollback ${serviceAccount.name}\`.`;
    throw new KeyLifecycleError(message, { cause });
  });

  const leftToDo: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      leftToDo.push(`${what}: ${messageOf(error)}`);
      return undefined;
    }
  };
  const pending = await attempt("AWSPENDING was not taken off an older version", () =>
    dropPending(store, state.arn, { sleep }),
  );
  const snapshot = await attempt("The secret could not be read again", () => readSecret(serviceAccount));
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
    pending: pending ?? "replicas-behind",
    leftToDo,
  };
}
