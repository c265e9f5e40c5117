import type { EpochMs } from "../epoch.ts";
import type { Policy } from "../grants/policy.ts";
import { type ClassifiedKey, classifyKeys, type KeyState, retireAt } from "../key-lifecycle/classify-keys.ts";
import { labelledAt } from "../key-lifecycle/key-label.ts";
import { ownRoles } from "../key-lifecycle/roles.ts";
import { currentKey, keyIdsIn, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import { type Snapshot, type SnapshotPorts, takeSnapshot } from "../key-lifecycle/take-snapshot.ts";
import { messageOf } from "./finding.ts";

/**
 * A key of a Voximplant account, and its state. Plain JSON, which `voxtoken admin keys` receives. A
 * key that the secrets of several service accounts hold has a row for each of them.
 */
export interface ListedKey {
  readonly accountId: number | null;
  /** `null`: the service account has no key yet. */
  readonly keyId: string | null;
  readonly name: string | null;
  /**
   * `missing`: a current key that the platform refuses or does not list. `unlisted`: a current key
   * whose account could not be listed.
   */
  readonly state: KeyState["state"] | "missing" | "unlisted" | "none";
  readonly serviceAccount?: string;
  readonly roles: readonly string[];
  /** RFC 3339: when its version was made, or else the time in its description. */
  readonly since?: string;
  /**
   * RFC 3339: when a superseded or stray key may be deleted. Absent while replicas of the secret
   * are behind, or another secret uses the key.
   */
  readonly retireAt?: string;
}

export interface KeyList {
  readonly keys: readonly ListedKey[];
  /** What could not be examined, for people. Each begins with the service account and a colon. */
  readonly problems: readonly string[];
}

/** Lists all keys of all accounts. Changes nothing. `problems` says what cannot be read. */
export async function listKeys(ports: SnapshotPorts, policy: Policy): Promise<KeyList> {
  const snapshot = await takeSnapshot(ports, policy);
  const { accounts, secrets, refused, failures } = snapshot;
  const listed = accounts.flatMap(({ accountId, keys }) =>
    keys.flatMap(({ key, state }) => {
      const since = storedAt(secrets, key.key_id) ?? labelledAt(key, ports.now());
      const until = retireAt(state);
      const isRefused = refused.has(key.key_id);
      return [state, ...otherStates(ports, secrets, { key, state })].map((one): ListedKey => ({
        accountId,
        keyId: key.key_id,
        name: key.key_name,
        state: one.state === "current" && isRefused ? "missing" : one.state,
        ...("serviceAccount" in one && { serviceAccount: one.serviceAccount }),
        roles: ownRoles(key.roles ?? []).map(({ role_name }) => role_name),
        ...(since !== undefined && { since: new Date(since).toISOString() }),
        ...(Number.isFinite(until) && until > 0 && { retireAt: new Date(until).toISOString() }),
      }));
    }),
  );
  const listedIds = new Set(listed.map(({ keyId }) => keyId));
  const problems = [
    ...failures.map(({ serviceAccount, error }) => `${serviceAccount}: ${messageOf(error)}`),
    ...secrets.flatMap(({ serviceAccount, state, unreadable }) =>
      unreadable.map(
        ({ versionId, error }) =>
          `${serviceAccount}: version ${versionId} of secret ${state.name} cannot be read: ${messageOf(error)}`,
      ),
    ),
  ];
  return { keys: [...listed, ...secrets.flatMap((one) => unlistedKey(snapshot, one, listedIds))], problems };
}

/**
 * The states of a key in the other secrets that hold it. A key that is current in one secret may be
 * superseded in another.
 */
function otherStates(
  { graceMs, replicaRegions, now }: SnapshotPorts,
  secrets: readonly SecretSnapshot[],
  { key, state }: ClassifiedKey,
): KeyState[] {
  const owner = "serviceAccount" in state ? state.serviceAccount : undefined;
  const others = secrets.filter(
    (secret) => secret.serviceAccount !== owner && keyIdsIn([secret]).has(key.key_id),
  );
  return others.flatMap((secret) => {
    const context = { serviceAccounts: [], secrets: [secret], graceMs, replicaRegions, now: now() };
    return classifyKeys([key], context).map((classified) => classified.state);
  });
}

/** A row for a service account that has no key, or whose current key is in no list. */
function unlistedKey(
  { accounts, refused }: Snapshot,
  secret: SecretSnapshot,
  listedIds: ReadonlySet<string | null>,
): ListedKey[] {
  const { serviceAccount, unreadable } = secret;
  const current = currentKey(secret);
  const row = { accountId: null, keyId: null, name: null, serviceAccount, roles: [] };
  if (current === undefined) {
    // `problems` has an entry for an unreadable current version already.
    return unreadable.some(({ labels }) => labels.includes("AWSCURRENT")) ? [] : [{ ...row, state: "none" }];
  }
  const { accountId, keyId } = current;
  if (listedIds.has(keyId)) return [];
  const isMissing = accounts.some((account) => account.accountId === accountId) || refused.has(keyId);
  return [{ ...row, accountId, keyId, state: isMissing ? "missing" : "unlisted" }];
}

/** When the newest version with this key was made. */
function storedAt(secrets: readonly SecretSnapshot[], keyId: string): EpochMs | undefined {
  const times = secrets.flatMap(({ keys, createdAt }) =>
    [...keys]
      .filter(([, key]) => key.keyId === keyId)
      .map(([versionId]) => createdAt.get(versionId) ?? Number.NaN),
  );
  const newest = Math.max(...times);
  return Number.isFinite(newest) ? newest : undefined;
}
