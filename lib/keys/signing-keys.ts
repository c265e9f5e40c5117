import type { EpochMs } from "../epoch.ts";
import { CredentialsFileError, parseCredentials } from "./credentials-file.ts";
import { type FetchedSecret, type FetchSecret, SecretUnavailableError } from "./fetch-secret.ts";
import { importSigningKey, type SigningKey } from "./signing-key.ts";

/** A fetched key, with the version and times for the audit record. */
export interface HeldKey {
  readonly signingKey: SigningKey;
  readonly secretVersionId: string;
  /** When this version of the secret was stored. */
  readonly createdAt?: EpochMs;
  readonly fetchedAt: EpochMs;
}

/**
 * `stale`: Secrets Manager is unreachable, and a key fetched earlier is used.
 * `unavailable`: there is no key to use.
 */
export type KeyOutcome =
  | { readonly state: "fresh"; readonly held: HeldKey }
  | { readonly state: "stale"; readonly held: HeldKey; readonly detail: string }
  | KeyUnavailable;

export interface KeyUnavailable {
  readonly state: "unavailable";
  readonly reason: "signing_key_unavailable";
  /**
   * The rest of the pause in which Secrets Manager is not asked again, rounded up to whole seconds.
   */
  readonly retryAfterSeconds: number;
  readonly detail: string;
}

/**
 * Returns the current signing key of a secret.
 *
 * @param refusedKeyId the id of a key that the platform has refused. If the cached key has this id,
 *   the secret is read again, because it may hold another key by now. Exception: if the cached key
 *   was fetched in the last ten seconds, the refusal does not cause another read.
 * @throws {MalformedSecretError} the secret is not a credentials file with an RSA key.
 */
export type GetSigningKey = (secret: string, refusedKeyId?: string) => Promise<KeyOutcome>;

export interface SigningKeysOptions {
  readonly fetchSecret: FetchSecret;
  /** Seconds for which a fetched key is used before it is fetched again. */
  readonly ttlSeconds: number;
  /** If Secrets Manager is unreachable, the key is used for this many seconds more. */
  readonly maxStaleSeconds: number;
  /** The wall clock. A monotonic clock may stop while Lambda freezes the process. */
  readonly now: () => EpochMs;
  /** A random number in [0, 1), for jitter. */
  readonly random: () => number;
}

/**
 * The secret's value is not a key. The message names the secret, its version and the field, and
 * never shows the value.
 */
export class MalformedSecretError extends Error {
  override readonly name = "MalformedSecretError";
}

/** The cache of one secret. */
interface Slot {
  held?: HeldKey;
  /** The fetch that is running. All requests that need the key wait for the same one. */
  inFlight?: Promise<unknown>;
  /** Why the last fetch failed. Absent if it succeeded. */
  failure?: Failure;
}

interface Failure {
  readonly error: SecretUnavailableError | MalformedSecretError;
  readonly consecutive: number;
  readonly failedAt: EpochMs;
  /** For this many milliseconds after `failedAt`, no fetch starts. */
  readonly pause: number;
}

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
/**
 * If the platform refuses a key, the secret is read again, because it may hold another key by now.
 * The platform also refuses a key that lacks a role. Then the secret still holds the same key, and
 * a read for each refusal would be useless. So the secret is read at most once in this time.
 */
const REFUSAL_PAUSE_MS = 10_000;

/**
 * Caches the signing key of each secret, independently of the other secrets. After its fetch, a
 * key is returned as fresh for `ttlSeconds` minus a random part. Each container chooses this part,
 * which is up to a tenth of `ttlSeconds`. A request can say in `refusedKeyId` that the platform
 * refused the cached key. If this key was fetched in the last ten seconds, it is still returned as
 * fresh. Otherwise it is no longer fresh. If a key is not fresh, for either reason, Secrets Manager
 * is asked:
 *
 * | Secrets Manager               | time since the fetch                    | result                             |
 * | ----------------------------- | --------------------------------------- | ---------------------------------- |
 * | returns a key                 | any                                     | the new key, fresh                 |
 * | fails                         | below `ttlSeconds` + `maxStaleSeconds`  | the cached key, stale              |
 * | fails                         | `ttlSeconds` + `maxStaleSeconds` or longer, or nothing is cached | unavailable |
 * | says: deleted, or forbidden   | any                                     | unavailable; the cache is emptied  |
 * | returns a value that is no key | any                                     | MalformedSecretError; the cache is emptied |
 *
 * After a failed fetch, there is a pause in which no fetch starts. The pause is 250 ms after the
 * first failure, and doubles with each further failure up to 30 s, with jitter. During the pause, a
 * request that finds no fresh key gets the result that the table gives for the last failed fetch.
 * The cache does not check whether the caller has a grant: the code that asks for the key has
 * already checked it.
 */
export function holdSigningKeys(options: SigningKeysOptions): GetSigningKey {
  const { fetchSecret, ttlSeconds, maxStaleSeconds, now, random } = options;
  const slots = new Map<string, Slot>();
  // Without the random part, containers that start together, after a deployment or in a burst,
  // would all ask Secrets Manager in the same second.
  const freshMs = ttlSeconds * 1000 * (1 - random() / 10);

  // If the clock was set back, the age is negative. The key then counts as too old, and the pause
  // counts as over.
  const isWithin = (milliseconds: number, since: number) => {
    const age = now() - since;
    return age >= 0 && age < milliseconds;
  };

  async function refresh(secret: string, slot: Slot): Promise<void> {
    try {
      slot.held = await readKey(secret, await fetchSecret(secret), now());
      delete slot.failure;
    } catch (error) {
      if (!(error instanceof SecretUnavailableError || error instanceof MalformedSecretError)) throw error;
      if (error instanceof MalformedSecretError || error.withdrawn) delete slot.held;
      const consecutive = (slot.failure?.consecutive ?? 0) + 1;
      const longest = Math.min(FIRST_BACKOFF_MS * 2 ** (consecutive - 1), MAX_BACKOFF_MS);
      slot.failure = { error, consecutive, failedAt: now(), pause: longest * (0.5 + random() / 2) };
    }
  }

  return async (secret, refusedKeyId) => {
    const slot = slots.get(secret) ?? {};
    slots.set(secret, slot);

    const { held } = slot;
    const isRefused = held?.signingKey.keyId === refusedKeyId;
    if (held && isWithin(isRefused ? Math.min(freshMs, REFUSAL_PAUSE_MS) : freshMs, held.fetchedAt))
      return { state: "fresh", held };

    if (!slot.failure || !isWithin(slot.failure.pause, slot.failure.failedAt)) {
      slot.inFlight ??= refresh(secret, slot).finally(() => delete slot.inFlight);
      await slot.inFlight;
    }
    return outcomeOf(slot);
  };

  /** The outcome from what is cached, without another fetch. */
  function outcomeOf({ held, failure }: Slot): KeyOutcome {
    if (failure?.error instanceof MalformedSecretError) throw failure.error;
    if (held && !failure) return { state: "fresh", held };
    const detail = failure?.error.message ?? "never fetched";
    if (held && isWithin((ttlSeconds + maxStaleSeconds) * 1000, held.fetchedAt))
      return { state: "stale", held, detail };
    const remaining = failure ? failure.failedAt + failure.pause - now() : 0;
    const retryAfterSeconds = Math.max(1, Math.ceil(remaining / 1000));
    return { state: "unavailable", reason: "signing_key_unavailable", retryAfterSeconds, detail };
  }
}

async function readKey(
  secret: string,
  { value, versionId, ...created }: FetchedSecret,
  now: EpochMs,
): Promise<HeldKey> {
  try {
    const signingKey = await importSigningKey(parseCredentials(value));
    return { signingKey, secretVersionId: versionId, fetchedAt: now, ...created };
  } catch (error) {
    if (!(error instanceof CredentialsFileError)) throw error;
    throw new MalformedSecretError(`secret ${secret}, version ${versionId}: ${error.message}`, {
      cause: error,
    });
  }
}
