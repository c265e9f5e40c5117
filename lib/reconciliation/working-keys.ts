import { type Policy, wrongAccount } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { isUnknownKey, READ_LAG_MS, readUntil } from "../key-lifecycle/settle.ts";
import type { ReplacementPorts } from "./replace-key.ts";
import { type CurrentKeys, readCurrentKeys } from "./revocation-keys.ts";

/**
 * Reads the current keys after a key was deleted. A rollback or a rotation may have made the
 * deleted key current meanwhile, and reads may lag. So this waits before the first read, and again
 * while a read shows the deleted key.
 */
export async function readCurrentKeysAfter(
  ports: ReplacementPorts,
  policy: Policy,
  deletedId: string,
): Promise<CurrentKeys> {
  await ports.sleep(READ_LAG_MS);
  return readUntil(
    () => readCurrentKeys(ports, policy),
    ({ found }) => !found.some(({ key }) => key.keyId === deletedId),
    ports,
  );
}

interface Revoked {
  readonly deletedId: string;
  /** The service account that the operator named. */
  readonly named: string;
  /** The current keys before the deletion, and after it. */
  readonly before: CurrentKeys;
  readonly after: CurrentKeys;
  /** The new keys, by secret. */
  readonly replacements: ReadonlyMap<string, AccountKey>;
}

interface Names {
  /** Service accounts without a working key. */
  readonly withoutKey: string[];
  /** Service accounts whose current key was not read, and may be the deleted one. */
  readonly unread: string[];
}

/** Finds the service accounts whose current key does not work, or may be the deleted one. */
export async function findWithoutKey({ serviceAccounts }: Policy, revoked: Revoked): Promise<Names> {
  const { deletedId, named, before, after, replacements } = revoked;
  const names: Names = { withoutKey: [], unread: [] };
  for (const serviceAccount of serviceAccounts) {
    const { name, secret } = serviceAccount;
    const ofName = ({ found }: CurrentKeys) => found.find((one) => one.serviceAccount.name === name)?.key;
    const [was, is, next] = [ofName(before), ofName(after), replacements.get(secret)];
    const keys = [is, next].filter((key) => key !== undefined);
    const isAffected = was?.keyId === deletedId || name === named;
    // The functions do not use a key of another account than grants.yml names.
    const isAnyWrong = keys.some((key) => wrongAccount(serviceAccount, key) !== undefined);
    if (is?.keyId === deletedId || (isAffected && (isAnyWrong || (await isAnyDead(keys)))))
      names.withoutKey.push(name);
    else if (next !== undefined) continue;
    // A current key that cannot be read may be the deleted one, so it counts as not working.
    else if (is === undefined && isAffected) names.withoutKey.push(name);
    else if (name !== named && (before.unreadable.has(name) || after.unreadable.has(name)))
      names.unread.push(name);
  }
  return names;
}

/** Whether the platform refuses one of the keys. Any other failure proves nothing. */
async function isAnyDead(keys: readonly AccountKey[]): Promise<boolean> {
  const outcomes = await Promise.allSettled(keys.map(({ api }) => api.getAccountInfo()));
  return outcomes.some((outcome) => outcome.status === "rejected" && isUnknownKey(outcome.reason));
}
