import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import type { SecretVersion } from "../key-lifecycle/secret-store.ts";
import { SETTLING_PAUSES_MS, STORE_PAUSES } from "../key-lifecycle/settle.ts";
import type { KeyIdentity } from "../key-lifecycle/snapshot.ts";
import { messageOf } from "./finding.ts";
import type { ReplacementPorts } from "./replace-key.ts";

/** A service account's current key, and the version of the secret that holds it. */
export interface CurrentKey {
  readonly serviceAccount: ServiceAccount;
  readonly version: SecretVersion;
  readonly key: AccountKey;
}

/**
 * Reads the current keys by label alone, so that DescribeSecret may fail. Logs those that cannot be
 * read.
 */
export async function readCurrentKeys(
  { store, openKey, log }: ReplacementPorts,
  { serviceAccounts }: Policy,
): Promise<CurrentKey[]> {
  const found: CurrentKey[] = [];
  for (const serviceAccount of serviceAccounts) {
    try {
      const version = await store.readCurrent(serviceAccount.secret);
      if (version !== undefined) found.push({ serviceAccount, version, key: await openKey(version.value) });
    } catch (error) {
      log("warn", `The current key of ${serviceAccount.name} cannot be read: ${messageOf(error)}`);
    }
  }
  return found;
}

/**
 * Reads the current keys, again for some seconds if the leaked key is not among them: reads of
 * Secrets Manager may lag, and a key that became current seconds ago would be deleted without a
 * replacement.
 */
export async function readCurrentKeysSettled(
  ports: ReplacementPorts,
  policy: Policy,
  leakedId: string,
): Promise<CurrentKey[]> {
  let found = await readCurrentKeys(ports, policy);
  for (const pause of SETTLING_PAUSES_MS.slice(0, STORE_PAUSES)) {
    if (found.some(({ key }) => key.keyId === leakedId)) break;
    await ports.sleep(pause);
    found = await readCurrentKeys(ports, policy);
  }
  return found;
}

/** Opens the keys that match, from every secret that can be read. Logs those that cannot. */
export async function openMatchingKeys(
  { store, readSecret, openKey, log }: ReplacementPorts,
  { serviceAccounts }: Policy,
  isWanted: (key: KeyIdentity, labels: ReadonlySet<string>) => boolean,
): Promise<AccountKey[]> {
  const found = new Map<string, AccountKey>();
  for (const serviceAccount of serviceAccounts) {
    try {
      const { state, keys } = await readSecret(serviceAccount);
      for (const [versionId, key] of keys) {
        if (found.has(key.keyId) || !isWanted(key, state.stages.get(versionId) ?? new Set())) continue;
        const version = await store.readVersion(state.arn, versionId);
        if (version !== undefined) found.set(key.keyId, await openKey(version.value));
      }
    } catch (error) {
      log("warn", `Secret ${serviceAccount.secret} cannot be searched for keys: ${messageOf(error)}`);
    }
  }
  return [...found.values()];
}
