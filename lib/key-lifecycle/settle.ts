import type { EpochMs } from "../epoch.ts";
import { isRefusal, type VoximplantError } from "../voximplant/errors.ts";
import type { Account, ManagementApi } from "../voximplant/methods.ts";
import type { AccountKey } from "./account-key.ts";
import { KeyLifecycleError } from "./key-lifecycle-error.ts";

/**
 * Milliseconds between two attempts at something that a remote system may show late: one minute in
 * all. Voximplant does not document how soon each method knows a new key.
 */
export const SETTLING_PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000] as const;

/** How many of those pauses cover the lag of Secrets Manager's reads. */
export const STORE_PAUSES = 3;

/** How long a read of Secrets Manager may lag behind a write: 7 s. AWS gives no bound. */
export const READ_LAG_MS = SETTLING_PAUSES_MS.slice(0, STORE_PAUSES).reduce((sum, pause) => sum + pause, 0);

export interface Waiting {
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** A pause that would end at this time or later does not begin. */
  readonly deadline?: { readonly now: () => EpochMs; readonly at: EpochMs };
}

/**
 * Repeats an attempt until it succeeds, with {@link SETTLING_PAUSES_MS}.
 *
 * @param mayPass whether waiting can help; if not, the error is thrown at once
 * @throws the error of the last attempt
 */
export async function settle<T>(
  attempt: () => Promise<T>,
  mayPass: (error: unknown) => boolean,
  { sleep, deadline }: Waiting,
): Promise<T> {
  for (const pause of SETTLING_PAUSES_MS) {
    try {
      return await attempt();
    } catch (error) {
      const isLate = deadline !== undefined && deadline.now() + pause >= deadline.at;
      if (!mayPass(error) || isLate) throw error;
      await sleep(pause);
    }
  }
  return attempt();
}

/** Reads Secrets Manager until the result is the expected one, for 7 s. Returns the last result. */
export async function readUntil<T>(
  read: () => Promise<T>,
  isExpected: (result: T) => boolean,
  { sleep }: Waiting,
): Promise<T> {
  for (const pause of SETTLING_PAUSES_MS.slice(0, STORE_PAUSES)) {
    const result = await read();
    if (isExpected(result)) return result;
    await sleep(pause);
  }
  return read();
}

/**
 * Whether the error means that the platform does not know a key, or does not know it yet. It may
 * answer a token of such a key with any of these codes. Error 100 can also mean that the key lacks
 * a role.
 */
export function isUnknownKey(error: unknown): error is VoximplantError {
  return isRefusal(error, "authorizationFailed", "invalidKeyId", "invalidToken");
}

/**
 * Asks the platform whether it accepts a key and knows its id. The platform may accept tokens of a
 * deleted key for some seconds. So getKeyRoles is called too: it fails for a deleted key.
 *
 * @param asker asks for the key's roles
 */
export async function proveKnown(
  { api, keyId }: AccountKey,
  asker: Pick<ManagementApi, "getKeyRoles"> = api,
): Promise<Account> {
  const account = await api.getAccountInfo();
  await asker.getKeyRoles(keyId);
  return account;
}

/**
 * As {@link proveKnown}, and asks whether the platform lists the key. A new key may be accepted,
 * known and listed at different times. Without this, a later step could not tell a new key from a
 * deleted one.
 *
 * @throws NotListedError
 */
export async function proveListed(key: AccountKey, asker = key.api): Promise<Account> {
  const account = await proveKnown(key, asker);
  if ((await asker.getKeys()).some(({ key_id }) => key_id === key.keyId)) return account;
  throw new NotListedError(
    `The platform does not list the new key ${key.keyId} yet. The next attempt may succeed.`,
  );
}

class NotListedError extends KeyLifecycleError {}

/** Whether {@link proveListed} may succeed later, although it threw this error. */
export function isNotKnownYet(error: unknown): boolean {
  return isUnknownKey(error) || error instanceof NotListedError;
}
