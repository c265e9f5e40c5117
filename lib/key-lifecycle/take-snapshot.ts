import type { Log } from "../audit/log.ts";
import type { EpochMs } from "../epoch.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import { isRefusal, VoximplantError, VoximplantUnavailableError } from "../voximplant/errors.ts";
import type { Key } from "../voximplant/methods.ts";
import type { AccountKey, OpenKey } from "./account-key.ts";
import { type ClassifiedKey, classifyKeys } from "./classify-keys.ts";
import { SecretNotFoundError, type SecretStore, versionWith } from "./secret-store.ts";
import { isUnknownKey } from "./settle.ts";
import { currentKey, type ReadSecret, type SecretSnapshot } from "./snapshot.ts";

export interface SnapshotPorts {
  readonly store: SecretStore;
  readonly readSecret: ReadSecret;
  readonly openKey: OpenKey;
  readonly log: Log;
  readonly now: () => EpochMs;
  /** How long a superseded key is kept: see grace.ts. */
  readonly graceMs: number;
  /** The regions that must have a replica of each secret. Default: none. */
  readonly replicaRegions?: readonly string[] | undefined;
}

/** The keys of one Voximplant account, with their states. */
export interface AccountSnapshot {
  readonly accountId: number;
  readonly keys: readonly ClassifiedKey[];
  /** By service account: the current keys of this account that were read and not refused. */
  readonly current: ReadonlyMap<string, AccountKey>;
  /** The ids of the keys in `current` that the platform accepted in this run. */
  readonly accepted: ReadonlySet<string>;
  /** The key that listed the keys: a current key, or another one if no current key is accepted. */
  readonly lister: AccountKey;
}

/** All secrets and keys at one moment, without those that could not be read. */
export interface Snapshot {
  readonly secrets: readonly SecretSnapshot[];
  readonly accounts: readonly AccountSnapshot[];
  /** The platform's error for each current key that it refuses, by key id. */
  readonly refused: ReadonlyMap<string, unknown>;
  /** What could not be read, and why. */
  readonly failures: readonly Problem[];
}

interface Problem {
  readonly serviceAccount: string;
  readonly error: unknown;
}

/**
 * Compares the keys that the platform lists with the keys in the secrets. Changes nothing.
 *
 * Reads the secrets twice. The first read gives the keys to sign in with. The second read comes
 * after the listing, and gives the result. If the result came from the first read, a key that a
 * rotation stores between the first read and the listing would be listed, but would be in no secret
 * that was read.
 */
export async function takeSnapshot(ports: SnapshotPorts, policy: Policy): Promise<Snapshot> {
  const { serviceAccounts } = policy;
  const before = await readSecrets(ports, serviceAccounts);
  const listed: AccountListing[] = [];
  const problems: AccountProblems = { refused: new Map(), failures: [] };
  const versions = before.secrets.flatMap(versionsOf);
  for (const accountId of new Set(versions.map((version) => version.accountId))) {
    const ofAccount = versions.filter((version) => version.accountId === accountId);
    const listing = await listAccount(ports, accountId, ofAccount, problems);
    if (listing !== undefined) listed.push(listing);
  }

  const { secrets, failures } = await readSecrets(ports, serviceAccounts);
  for (const { serviceAccount, state } of secrets) {
    if (versionWith("AWSCURRENT", state) === undefined)
      ports.log("info", `Secret ${state.name} holds no key yet.`, { serviceAccount });
  }
  const { graceMs, replicaRegions } = ports;
  const absent = absentSecrets(failures);
  const context = { serviceAccounts, secrets, graceMs, replicaRegions, absent, now: ports.now() };
  return {
    secrets,
    accounts: listed.map(({ keys, ...account }) => ({ ...account, keys: classifyKeys(keys, context) })),
    refused: problems.refused,
    failures: [...problems.failures, ...failures],
  };
}

/** The service accounts whose secret does not exist, and so holds no key. */
export function absentSecrets(failures: Snapshot["failures"]): string[] {
  return failures.flatMap(({ serviceAccount, error }) =>
    error instanceof SecretNotFoundError ? [serviceAccount] : [],
  );
}

/** If one secret cannot be read, the others are still read. */
export async function readSecrets(
  { readSecret }: Pick<SnapshotPorts, "readSecret">,
  serviceAccounts: readonly ServiceAccount[],
): Promise<Pick<Snapshot, "secrets" | "failures">> {
  const secrets: SecretSnapshot[] = [];
  const failures: Problem[] = [];
  for (const serviceAccount of serviceAccounts) {
    try {
      secrets.push(await readSecret(serviceAccount));
    } catch (error) {
      failures.push({ serviceAccount: serviceAccount.name, error });
    }
  }
  return { secrets, failures };
}

/** A version that holds a key, to sign in to the key's account. */
interface KeyVersion {
  readonly secretArn: string;
  readonly versionId: string;
  readonly serviceAccount: string;
  readonly keyId: string;
  readonly accountId: number;
  readonly isCurrent: boolean;
  readonly createdAt: EpochMs;
}

function versionsOf(secret: SecretSnapshot): KeyVersion[] {
  const { state, serviceAccount, keys, createdAt } = secret;
  const current = currentKey(secret);
  return [...keys].map(([versionId, { keyId, accountId }]) => ({
    secretArn: state.arn,
    versionId,
    serviceAccount,
    keyId,
    accountId,
    isCurrent: keyId === current?.keyId,
    createdAt: createdAt.get(versionId) ?? 0,
  }));
}

interface AccountListing extends Omit<AccountSnapshot, "keys"> {
  readonly keys: readonly Key[];
}

interface AccountProblems {
  readonly refused: Map<string, unknown>;
  readonly failures: Problem[];
}

/**
 * Tries each current key of an account, and lists the account's keys with the first one that the
 * platform accepts. If it accepts no current key, the keys that are not current are tried, from the
 * newest. A refused current key affects only its own service account.
 *
 * After an outage, no further key is tried. Each would fail after the same wait, and the function
 * would end before it reports anything.
 */
async function listAccount(
  { store, openKey }: SnapshotPorts,
  accountId: number,
  versions: readonly KeyVersion[],
  { refused, failures }: AccountProblems,
): Promise<AccountListing | undefined> {
  const open = async ({ secretArn, versionId }: KeyVersion) => {
    const version = await store.readVersion(secretArn, versionId);
    return version === undefined ? undefined : openKey(version.value);
  };
  const newestFirst = [...versions].sort((one, other) => other.createdAt - one.createdAt);
  const current = new Map<string, AccountKey>();
  const accepted = new Set<string>();
  let listing: Pick<AccountListing, "lister" | "keys"> | undefined;
  let outage: Error | undefined;

  for (const version of newestFirst.filter(({ isCurrent }) => isCurrent)) {
    const { serviceAccount } = version;
    try {
      const key = await open(version);
      if (key === undefined || current.has(serviceAccount)) continue;
      current.set(serviceAccount, key);
      if (outage !== undefined) throw outage;
      // Called with each key, because the platform may refuse a key that it lists.
      const keys = await key.api.getKeys();
      accepted.add(key.keyId);
      listing ??= { lister: key, keys };
    } catch (error) {
      if (isOutage(error)) outage = error;
      if (isUnknownKey(error)) {
        current.delete(serviceAccount);
        refused.set(version.keyId, error);
      } else failures.push({ serviceAccount, error });
    }
  }
  const unanswered = new Map<string, unknown>();
  for (const version of newestFirst.filter(({ isCurrent }) => !isCurrent)) {
    if (listing !== undefined || outage !== undefined) break;
    try {
      const lister = await open(version);
      if (lister !== undefined) listing = { lister, keys: await lister.api.getKeys() };
    } catch (error) {
      if (isOutage(error)) outage = error;
      // Most superseded keys are deleted, so the platform refuses them.
      if (outage !== undefined || !(error instanceof VoximplantError))
        unanswered.set(version.serviceAccount, error);
    }
  }
  if (listing !== undefined) return { accountId, current, accepted, ...listing };
  // The first loop reports nothing if no secret has a current key of this account. Then only the
  // failures in `unanswered` show that the account's keys could not be listed.
  for (const [serviceAccount, error] of unanswered)
    if (!failures.some((one) => one.serviceAccount === serviceAccount))
      failures.push({ serviceAccount, error });
  return undefined;
}

/** Whether the platform gave no answer about a key, although the call was retried. */
function isOutage(error: unknown): error is Error {
  return error instanceof VoximplantUnavailableError || isRefusal(error, "rateLimited");
}
