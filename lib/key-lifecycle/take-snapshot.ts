import type { Log } from "../audit/log.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { Key } from "../voximplant/methods.ts";
import type { AccountKey, OpenKey } from "./account-key.ts";
import { type ClassifiedKey, classifyKeys } from "./classify-keys.ts";
import { type SecretStore, versionWith } from "./secret-store.ts";
import { isUnknownKey } from "./settle.ts";
import { currentKey, type ReadSecret, type SecretSnapshot } from "./snapshot.ts";

export interface SnapshotPorts {
  readonly store: SecretStore;
  readonly readSecret: ReadSecret;
  readonly openKey: OpenKey;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How long a superseded key is kept: see grace.ts. */
  readonly graceMs: number;
}

/** The keys of one Voximplant account, and what manages each. */
export interface AccountSnapshot {
  readonly accountId: number;
  readonly keys: readonly ClassifiedKey[];
  /** Current keys of this account that the platform accepts, by service account. */
  readonly current: ReadonlyMap<string, AccountKey>;
  /** The key that listed the others: a current one, or a superseded one where no current key is accepted. */
  readonly lister: AccountKey;
}

/** Everything that is known about keys at one moment. What could not be read is missing, and said. */
export interface Snapshot {
  readonly secrets: readonly SecretSnapshot[];
  readonly accounts: readonly AccountSnapshot[];
  /** Service accounts whose current key the platform refuses: no token of theirs is accepted. */
  readonly refused: readonly Problem[];
  /** What could not be read, and why. */
  readonly failures: readonly Problem[];
}

export interface Problem {
  readonly serviceAccount: string;
  readonly error: unknown;
}

/**
 * Compares the keys that the platform lists with what the secrets hold. Changes nothing.
 *
 * The secrets are read, to have keys to ask with; the keys are listed; the secrets are read again, and that is what
 * counts. So whatever a rotation does meanwhile, a key on the list is found in a secret or on its way to one.
 */
export async function takeSnapshot(ports: SnapshotPorts, policy: Policy): Promise<Snapshot> {
  const { serviceAccounts } = policy;
  const before = await readSecrets(ports, serviceAccounts);
  const listed: AccountListing[] = [];
  const problems: AccountProblems = { refused: [], failures: [] };
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
  const context = { serviceAccounts, secrets, graceMs: ports.graceMs };
  return {
    secrets,
    accounts: listed.map(({ keys, ...account }) => ({ ...account, keys: classifyKeys(keys, context) })),
    refused: problems.refused,
    failures: [...problems.failures, ...failures],
  };
}

/** One secret that cannot be read does not keep the others from being read. */
async function readSecrets({ readSecret }: SnapshotPorts, serviceAccounts: readonly ServiceAccount[]) {
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

/** A version that holds a key, and so a way to sign in to its account. */
interface KeyVersion {
  readonly secretArn: string;
  readonly versionId: string;
  readonly serviceAccount: string;
  readonly keyId: string;
  readonly accountId: number;
  readonly isCurrent: boolean;
  readonly createdAt: number;
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
  readonly refused: Problem[];
  readonly failures: Problem[];
}

/**
 * Lists an account's keys with the first key that the platform accepts: the current ones first, then those that were
 * current before, the newest first. A refused current key is a finding about its own service account alone.
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
  let keys: Key[] | undefined;
  let lister: AccountKey | undefined;

  for (const version of newestFirst.filter(({ isCurrent }) => isCurrent)) {
    const { serviceAccount } = version;
    try {
      const key = await open(version);
      if (key === undefined || current.has(serviceAccount)) continue;
      if (keys === undefined) {
        keys = await key.api.getKeys();
        lister = key;
      }
      current.set(serviceAccount, key);
    } catch (error) {
      (isUnknownKey(error) ? refused : failures).push({ serviceAccount, error });
    }
  }
  for (const version of newestFirst.filter(({ isCurrent }) => !isCurrent)) {
    if (keys !== undefined) break;
    try {
      lister = await open(version);
      keys = await lister?.api.getKeys();
    } catch {
      // Most superseded keys are deleted, and those of an account that was left even more so. Where a current key is of
      // this account, its own failure is among the problems already.
    }
  }
  return keys === undefined || lister === undefined ? undefined : { accountId, keys, current, lister };
}
