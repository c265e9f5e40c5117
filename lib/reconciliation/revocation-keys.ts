import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import type { SecretVersion } from "../key-lifecycle/secret-store.ts";
import { readUntil } from "../key-lifecycle/settle.ts";
import type { KeyIdentity } from "../key-lifecycle/snapshot.ts";
import { messageOf } from "./finding.ts";
import type { ReplacementPorts } from "./replace-key.ts";

/** A service account's current key, and the version of the secret that holds it. */
export interface CurrentKey {
  readonly serviceAccount: ServiceAccount;
  readonly version: SecretVersion;
  readonly key: AccountKey;
}

export interface CurrentKeys {
  readonly found: readonly CurrentKey[];
  /** Names of the service accounts whose current key could not be read. */
  readonly unreadable: ReadonlySet<string>;
}

/**
 * Reads the current keys by their label, so that a failing DescribeSecret does no harm. Logs keys
 * that cannot be read.
 */
export async function readCurrentKeys(
  { store, openKey, log }: ReplacementPorts,
  { serviceAccounts }: Policy,
): Promise<CurrentKeys> {
  const found: CurrentKey[] = [];
  const unreadable = new Set<string>();
  for (const serviceAccount of serviceAccounts) {
    try {
      const version = await store.readCurrent(serviceAccount.secret);
      if (version !== undefined) found.push({ serviceAccount, version, key: await openKey(version.value) });
    } catch (error) {
      unreadable.add(serviceAccount.name);
      log("warn", `The current key of ${serviceAccount.name} cannot be read: ${messageOf(error)}`);
    }
  }
  return { found, unreadable };
}

/**
 * Reads the current keys, and repeats this for some seconds if the leaked key is not among them.
 * Secrets Manager's reads may lag. Without this, a key that became current seconds ago would be
 * deleted without a replacement.
 */
export function readCurrentKeysSettled(
  ports: ReplacementPorts,
  policy: Policy,
  leakedId: string,
): Promise<CurrentKeys> {
  return readUntil(
    () => readCurrentKeys(ports, policy),
    ({ found }) => found.some(({ key }) => key.keyId === leakedId),
    ports,
  );
}

/** Opens the keys that match, from every version that can be read. Logs what cannot be read. */
export async function openMatchingKeys(
  { store, readSecret, openKey, log }: ReplacementPorts,
  { serviceAccounts }: Policy,
  isWanted: (key: KeyIdentity, labels: ReadonlySet<string>) => boolean,
): Promise<AccountKey[]> {
  const found = new Map<string, AccountKey>();
  const orLog = async (what: string, work: () => Promise<void>) => {
    await work().catch((error: unknown) => {
      log("warn", `${what} cannot be searched for keys: ${messageOf(error)}`);
    });
  };
  for (const { name, secret } of serviceAccounts) {
    await orLog(`Secret ${secret}`, async () => {
      const { state, keys } = await readSecret({ name, secret });
      for (const [versionId, key] of keys) {
        if (found.has(key.keyId) || !isWanted(key, state.stages.get(versionId) ?? new Set())) continue;
        await orLog(`Version ${versionId} of secret ${secret}`, async () => {
          const version = await store.readVersion(state.arn, versionId);
          if (version !== undefined) found.set(key.keyId, await openKey(version.value));
        });
      }
    });
  }
  return [...found.values()];
}
