import type { EpochMs } from "../epoch.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { isRefusedByAws } from "../key-lifecycle/aws-refusal.ts";
import { classifyKeys, retireAt } from "../key-lifecycle/classify-keys.ts";
import { deleteAgain } from "../key-lifecycle/create-key.ts";
import { KeyLifecycleError, noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import { keyName, labelKey } from "../key-lifecycle/key-label.ts";
import { moveRules } from "../key-lifecycle/retire-key.ts";
import { SecretNotFoundError } from "../key-lifecycle/secret-store.ts";
import { isNotKnownYet, proveListed, READ_LAG_MS, settle } from "../key-lifecycle/settle.ts";
import { keyIdsIn } from "../key-lifecycle/snapshot.ts";
import { serializeCredentials } from "../keys/credentials-file.ts";
import { isRefusal } from "../voximplant/errors.ts";
import type { CreatedKey, Key, ManagementApi } from "../voximplant/methods.ts";
import type { Rotation } from "./rotation.ts";

/**
 * Makes a key and stores it in the pending version, unless the version already has one. Then waits
 * until the platform knows the key.
 *
 * The platform shows a private key once. If the step is killed between `CreateKey` and
 * `PutSecretValue`, that key's private key is lost, and the next attempt makes another key. It
 * does not delete the first key, because it cannot know that the first attempt was killed:
 * another run of the same step may still be about to store that key. Reconciliation deletes the
 * first key once the version holds another one. (If the account is full, see makeRoom.)
 */
export async function createSecret(rotation: Rotation): Promise<void> {
  const { store, secret, versionId, current, openKey, log } = rotation;
  if (current === undefined) throw new KeyLifecycleError(noKeyYet(secret.name, rotation.serviceAccount.name));
  const currentKey = await openKey(current.value);
  const { api } = currentKey;
  if (rotation.pending === undefined) {
    const key = await makeKey(rotation, currentKey);
    if (key === "taken") return;
    const value = serializeCredentials(key);
    const put = { secretId: secret.arn, versionId, value, stage: "AWSPENDING" } as const;
    const outcome = await store.putVersion(put).catch(async (error: unknown) => {
      // The key is in no version. If it stayed, each attempt would leave a key behind, until the
      // account is full.
      if (isRefusedByAws(error)) await deleteAgain(api, key.key_id, error);
      throw error;
    });
    if (outcome === "stored") {
      await waitUntilKnown(rotation, api, value);
      return;
    }
    const isDeleted = (await api.deleteKey(key.key_id)) === "deleted";
    const done = isDeleted
      ? `Deleted key ${key.key_id}.`
      : `Key ${key.key_id} was not found, and may still exist.`;
    log("warn", `Another run of this step stored a key first. ${done}`, { key_id: key.key_id });
  }
  const stored = rotation.pending ?? (await store.readVersion(secret.arn, versionId));
  if (stored !== undefined) await waitUntilKnown(rotation, api, stored.value);
}

async function waitUntilKnown({ openKey, sleep }: Rotation, api: ManagementApi, value: string) {
  const key = await openKey(value);
  await settle(() => proveListed(key, api), isNotKnownYet, { sleep });
}

/** `taken`: another run of this step has stored a key in the version. */
async function makeKey(rotation: Rotation, currentKey: AccountKey): Promise<CreatedKey | "taken"> {
  const { store, secret, versionId, now } = rotation;
  const { api } = currentKey;
  const label = labelKey(secret, versionId, now());
  try {
    return await api.createKey(label);
  } catch (error) {
    if (!isRefusal(error, "tooManyKeys")) throw error;
    if ((await store.readVersion(secret.arn, versionId)) !== undefined) return "taken";
    await makeRoom(rotation, currentKey, error);
    return api.createKey(label);
  }
}

/**
 * Deletes only keys of this service account: those past their grace, and leftovers of this
 * rotation.
 */
async function makeRoom(rotation: Rotation, current: AccountKey, cause: Error): Promise<void> {
  const { sleep, log } = rotation;
  const { api, keyId: currentId } = current;
  const keys = await api.getKeys();
  const { dispensable, soonest } = await findDispensable(rotation, current, keys);
  if (dispensable.length === 0) {
    const soon = Number.isFinite(soonest)
      ? ` A key of this service account can be deleted from ${new Date(soonest).toISOString()} on.`
      : "";
    throw new KeyLifecycleError(
      `The Voximplant account holds ${keys.length} keys, which is its limit, and none of them is known to be ` +
        `unused.${soon} See \`voxtoken admin keys\`, delete an unused key in the control panel, and rotate again.`,
      { cause },
    );
  }
  // These reads may have returned old data: a rollback may have made one of the keys current again,
  // or another run of this step may have stored a leftover. So wait, and read again before each
  // deletion.
  await sleep(READ_LAG_MS);
  for (const key of dispensable) {
    await moveRules(api, [key.key_id], currentId, log);
    const again = await findDispensable(rotation, current, [key]);
    if (again.dispensable.length === 0) continue;
    await api.deleteKey(key.key_id, { attempts: 1 });
    log("info", `Deleted key ${key.key_id} to make room: it is no longer needed.`, { key_id: key.key_id });
  }
}

interface Dispensable {
  readonly dispensable: readonly Key[];
  /** When the next key of this service account may be deleted. Infinity: not known. */
  readonly soonest: EpochMs;
}

/** @param keys keys that the platform has listed */
async function findDispensable(
  { readSecret, policy, serviceAccount, secret, versionId, graceMs, replicaRegions, now }: Rotation,
  { keyId: currentId }: AccountKey,
  keys: readonly Key[],
): Promise<Dispensable> {
  const { serviceAccounts } = policy;
  // The secrets are read after the keys: see classifyKeys. All secrets are read, because a key may
  // be in another secret too.
  const absent: string[] = [];
  const reads = await Promise.all(
    serviceAccounts.map((one) =>
      readSecret(one).catch((error: unknown) => {
        if (!(error instanceof SecretNotFoundError)) throw error;
        absent.push(one.name);
      }),
    ),
  );
  const secrets = reads.filter((read) => read !== undefined);
  const context = { serviceAccounts, secrets, graceMs, replicaRegions, absent, now: now() };
  const own = classifyKeys(keys, context).filter(
    ({ state }) => "serviceAccount" in state && state.serviceAccount === serviceAccount.name,
  );
  const inSecret = keyIdsIn(secrets);
  const isLeftover = ({ key_name, key_id }: Key) =>
    key_name === keyName(secret.arn, versionId) && !inSecret.has(key_id);
  // The current key is kept even if these reads are old. A key that another secret holds too is
  // kept, because it may be the last one that works for the service account of that secret. Only
  // reconciliation checks whether that service account has a current key that works.
  const kept = keyIdsIn(secrets.filter(({ state }) => state.arn !== secret.arn)).add(currentId);
  const dispensable = own
    .filter(({ key, state }) => !kept.has(key.key_id) && (retireAt(state) <= now() || isLeftover(key)))
    .map(({ key }) => key);
  return { dispensable, soonest: Math.min(...own.map(({ state }) => retireAt(state))) };
}
