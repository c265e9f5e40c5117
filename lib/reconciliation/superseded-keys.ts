import type { ServiceAccount } from "../grants/policy.ts";
import type { OpenKey } from "../key-lifecycle/account-key.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { type SecretStore, versionWith } from "../key-lifecycle/secret-store.ts";
import { isUnknownKey } from "../key-lifecycle/settle.ts";
import { isComplete, isSupersededVersion, type ReadSecret } from "../key-lifecycle/snapshot.ts";

interface Ports {
  readonly store: SecretStore;
  readonly readSecret: ReadSecret;
  readonly openKey: OpenKey;
}

/** A version of the secret, and the key that it holds. */
interface Version {
  readonly versionId: string;
  readonly keyId: string;
  readonly accountId: number;
}

/**
 * Finds the superseded keys of a service account that still work: the secret holds them, and the
 * platform lists them. After a rotation, a key that leaked before it is one of them.
 *
 * It stops at the first call without an answer, because an operator waits for it.
 *
 * @throws KeyLifecycleError a version cannot be read, or the platform refuses every key of an
 *   account. Then a superseded key may work that was not found.
 * @throws VoximplantError and VoximplantUnavailableError: the keys cannot be listed
 */
export async function findSupersededKeys(
  { store, readSecret, openKey }: Ports,
  serviceAccount: ServiceAccount,
): Promise<string[]> {
  const secret = await readSecret(serviceAccount);
  const { state, keys, createdAt } = secret;
  if (!isComplete(secret)) throw new KeyLifecycleError(`A version of secret ${state.name} cannot be read.`);
  const current = versionWith("AWSCURRENT", state);
  const pending = versionWith("AWSPENDING", state);
  const isInUse = (versionId: string) =>
    versionId === current ||
    (versionId === pending && !isSupersededVersion(versionId, state, (id) => createdAt.get(id)));
  const newestFirst = [...keys]
    .map(([versionId, { keyId, accountId }]): Version => ({ versionId, keyId, accountId }))
    .sort((one, other) => (createdAt.get(other.versionId) ?? 0) - (createdAt.get(one.versionId) ?? 0));
  const inUse = newestFirst.filter(({ versionId }) => isInUse(versionId));
  const superseded = newestFirst.filter(({ keyId }) => !inUse.some((one) => one.keyId === keyId));

  /** Undefined: the platform refuses each of these keys. */
  const listWith = async (signers: readonly Version[]): Promise<Set<string> | undefined> => {
    const tried = new Set<string>();
    for (const { versionId, keyId } of signers) {
      if (tried.has(keyId)) continue;
      tried.add(keyId);
      const version = await store.readVersion(state.arn, versionId);
      if (version === undefined) continue;
      const { api } = await openKey(version.value);
      try {
        return new Set((await api.getKeys()).map(({ key_id }) => key_id));
      } catch (error) {
        if (!isUnknownKey(error)) throw error;
      }
    }
    return undefined;
  };

  if (superseded.length === 0) return [];
  const working = new Set<string>();
  let isAnyAccepted = false;
  for (const accountId of new Set([...inUse, ...superseded].map((one) => one.accountId))) {
    const ofAccount = (versions: readonly Version[]) => versions.filter((one) => one.accountId === accountId);
    const listed = await listWith([...ofAccount(inUse), ...ofAccount(superseded)]);
    isAnyAccepted ||= listed !== undefined;
    // A wrong clock makes the platform refuse every key. If it accepts one, the clock is right, and
    // the keys of another account that it refuses do not work.
    if (!isAnyAccepted)
      throw new KeyLifecycleError(`The platform refuses every key of account ${accountId} in ${state.name}.`);
    for (const { keyId } of ofAccount(superseded)) if (listed?.has(keyId) === true) working.add(keyId);
  }
  return [...working];
}
