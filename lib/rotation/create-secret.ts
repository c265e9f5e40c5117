import { classifyKeys, retireAt } from "../key-lifecycle/classify-keys.ts";
import { KeyLifecycleError, noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { keyName, labelKey } from "../key-lifecycle/key-label.ts";
import { moveRules } from "../key-lifecycle/retire-key.ts";
import { isUnknownKey, settle } from "../key-lifecycle/settle.ts";
import { serializeCredentials } from "../keys/credentials-file.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { CreatedKey, ManagementApi } from "../voximplant/methods.ts";
import type { Rotation } from "./rotation.ts";

/**
 * Makes a key and puts it into the pending version, unless that version has one; then waits until the platform knows it.
 *
 * The platform shows a private key once. Killed between `CreateKey` and `PutSecretValue`, the step leaves a key whose
 * private key is lost, and the next try makes another. It does not delete the first one: a second delivery of the same
 * step may be about to store it. Reconciliation does, once the version holds a key.
 */
export async function createSecret(rotation: Rotation): Promise<void> {
  const { store, secret, versionId, current, openKey, log } = rotation;
  if (current === undefined) throw new KeyLifecycleError(noKeyYet(secret.name, rotation.serviceAccount.name));
  const { api } = await openKey(current.value);
  if (rotation.pending === undefined) {
    const key = await makeKey(rotation, api);
    if (key === "taken") return;
    const value = serializeCredentials(key);
    const outcome = await store.putVersion({ secretId: secret.arn, versionId, value, stage: "AWSPENDING" });
    if (outcome === "stored") {
      await waitUntilKnown(rotation, api, value);
      return;
    }
    await api.deleteKey(key.key_id);
    log("warn", `Another run of this step was faster: key ${key.key_id} deleted.`, { key_id: key.key_id });
  }
  const stored = rotation.pending ?? (await store.readVersion(secret.arn, versionId));
  if (stored !== undefined) await waitUntilKnown(rotation, api, stored.value);
}

/**
 * A new key may be refused, unknown by its id and missing from the list for a while, each for itself. The wait is here and
 * nowhere else: the steps that follow may take "no such key" for an answer.
 */
async function waitUntilKnown(
  { openKey, sleep }: Rotation,
  api: ManagementApi,
  value: string,
): Promise<void> {
  const key = await openKey(value);
  await settle(
    async () => {
      await key.api.getAccountInfo();
      await api.getKeyRoles(key.keyId);
      if (!(await api.getKeys()).some(({ key_id }) => key_id === key.keyId))
        throw new NotListedError(key.keyId);
    },
    (error) => isUnknownKey(error) || error instanceof NotListedError,
    { sleep },
  );
}

class NotListedError extends KeyLifecycleError {
  constructor(keyId: string) {
    super(`The platform does not list the new key ${keyId} yet. The rotation goes on at its next try.`);
  }
}

/** `taken`: another run of this step has put a key into the version. */
async function makeKey(rotation: Rotation, api: ManagementApi): Promise<CreatedKey | "taken"> {
  const { store, secret, versionId, now } = rotation;
  const label = labelKey(secret, versionId, now());
  try {
    return await api.createKey(label);
  } catch (error) {
    if (!isRefusal(error, "tooManyKeys")) throw error;
    if ((await store.readVersion(secret.arn, versionId)) !== undefined) return "taken";
    await makeRoom(rotation, api, error);
    return api.createKey(label);
  }
}

/** Deletes what this service account no longer needs, and only that: leftovers of this rotation, and keys past their grace. */
async function makeRoom(rotation: Rotation, api: ManagementApi, cause: Error): Promise<void> {
  const { readSecret, policy, serviceAccount, secret, versionId, graceMs, now, log } = rotation;
  const keys = await api.getKeys();
  // After the keys (see classifyKeys), and all of them: a key may be in another secret too.
  const secrets = await Promise.all(policy.serviceAccounts.map((one) => readSecret(one)));
  const own = classifyKeys(keys, { serviceAccounts: policy.serviceAccounts, secrets, graceMs }).filter(
    ({ state }) => "serviceAccount" in state && state.serviceAccount === serviceAccount.name,
  );
  const current = own.find(({ state }) => state.state === "current");
  const inSecret = new Set(secrets.flatMap((one) => [...one.keys.values()].map(({ keyId }) => keyId)));
  const isLeftover = (key: (typeof keys)[number]) =>
    key.key_name === keyName(secret.arn, versionId) && !inSecret.has(key.key_id);
  const dispensable = own.filter(({ key, state }) => retireAt(state) <= now() || isLeftover(key));
  if (dispensable.length === 0 || current === undefined) {
    const soonest = Math.min(...own.map(({ state }) => retireAt(state)));
    const soon = Number.isFinite(soonest)
      ? ` A key of this service account can be deleted from ${new Date(soonest).toISOString()} on.`
      : "";
    throw new KeyLifecycleError(
      `The Voximplant account holds ${keys.length} keys, which is its limit, and none of them is known to be unused.${soon} ` +
        "See `voxtoken admin keys`, delete an unused key in the control panel, and rotate again.",
      { cause },
    );
  }
  for (const { key } of dispensable) {
    await moveRules(api, [key.key_id], current.key.key_id, log);
    await api.deleteKey(key.key_id);
    log("info", `Key ${key.key_id} was no longer needed: deleted, to make room.`, { key_id: key.key_id });
  }
}
