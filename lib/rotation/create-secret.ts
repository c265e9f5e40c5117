import type { CreatedKey, ManagementApi } from "../voximplant/methods.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { readSecret } from "../key-lifecycle/held-secret.ts";
import { judgeKeys, retireAt } from "../key-lifecycle/classify-keys.ts";
import { keyName, labelKey } from "../key-lifecycle/key-label.ts";
import { retireKey } from "../key-lifecycle/retire-key.ts";
import { readCurrent, readPending, type Rotation } from "./rotation.ts";
import { noKeyYet, KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";

/**
 * Makes a key and puts it into the pending version: unless there is one.
 *
 * The platform shows a private key once. Killed between `CreateKey` and `PutSecretValue`, the key is there and nobody has
 * it: the next try finds it by its name, deletes it and makes another.
 */
export async function createSecret(rotation: Rotation): Promise<void> {
  const { store, secret, versionId, openKey, log } = rotation;
  if ((await readPending(rotation)) !== undefined) return;
  const current = await readCurrent(rotation);
  if (current === undefined) throw new KeyLifecycleError(noKeyYet(secret.name, rotation.serviceAccount.name));
  const { api } = await openKey(current);

  const name = keyName(secret.arn, versionId);
  for (const { key_id, key_name } of await api.getKeys()) {
    if (key_name !== name) continue;
    await api.deleteKey(key_id);
    log("warn", `Key ${key_id} was left behind by an attempt that broke off: deleted.`, { key_id });
  }

  const key = await makeKey(rotation, api);
  const outcome = await store.putVersion({
    secretId: secret.arn,
    versionId,
    value: JSON.stringify(key),
    stage: "AWSPENDING",
  });
  if (outcome === "taken") {
    await api.deleteKey(key.key_id);
    log("warn", `Another run of this step was faster: key ${key.key_id} deleted.`, { key_id: key.key_id });
  }
}

async function makeKey(rotation: Rotation, api: ManagementApi): Promise<CreatedKey> {
  const label = labelKey(rotation.secret, rotation.versionId, rotation.now());
  try {
    return await api.createKey(label);
  } catch (error) {
    if (!isRefusal(error, "tooManyKeys")) throw error;
    await makeRoom(rotation, api, error);
    return api.createKey(label);
  }
}

/** Deletes what this service account no longer needs, and only that. */
async function makeRoom(rotation: Rotation, api: ManagementApi, cause: Error): Promise<void> {
  const { store, policy, serviceAccount, graceMs, now, log } = rotation;
  const keys = await api.getKeys();
  // After the keys (see judgeKey), and all of them: a key may stand in another secret too.
  const secrets = await Promise.all(policy.serviceAccounts.map((one) => readSecret(store, one)));
  const judged = judgeKeys(keys, secrets, policy.serviceAccounts, graceMs);
  const own = judged.filter(
    ({ standing }) => "serviceAccount" in standing && standing.serviceAccount === serviceAccount.name,
  );
  const current = own.find(({ standing }) => standing.state === "current");
  const dispensable = own.filter(({ standing }) => retireAt(standing) <= now());
  if (dispensable.length === 0 || current === undefined) {
    const soonest = Math.min(...own.map(({ standing }) => retireAt(standing)));
    const soon = Number.isFinite(soonest)
      ? ` A key of this service account can be deleted from ${new Date(soonest).toISOString()} on.`
      : "";
    throw new KeyLifecycleError(
      `The Voximplant account holds ${keys.length} keys, which is its limit, and none of them can be deleted for certain.${soon} ` +
        "See `voxtoken admin keys`, delete a key that nobody uses in the control panel, and the rotation goes on at its next try.",
      { cause },
    );
  }
  for (const { key } of dispensable) {
    await retireKey(api, key.key_id, current.key.key_id, log);
    log("info", `Key ${key.key_id} was no longer needed: deleted, to make room.`, { key_id: key.key_id });
  }
}
