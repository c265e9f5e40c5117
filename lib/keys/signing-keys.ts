import type { EpochMs } from "../epoch.ts";
import { CredentialsFileError, parseCredentials } from "./credentials-file.ts";
import { type FetchedSecret, type FetchSecret, SecretUnavailableError } from "./fetch-secret.ts";
import { importSigningKey, type SigningKey } from "./signing-key.ts";

/** A fetched key, with the version and times for the audit record. */
export interface HeldKey {
  readonly signingKey: SigningKey;
  readonly secretVersionId: string;
  /** When the key was put into Secrets Manager. It could be in use since then. */
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
  /** A retry before that cannot succeed. */
  readonly retryAfterSeconds: number;
  readonly detail: string;
}

/**
 * The current signing key of a secret.
 *
 * @param refusedKeyId of a key that the platform has refused. If it is the one that is held, Secrets
 *   Manager is asked again, unless that was done in the last ten seconds.
 * @throws {MalformedSecretError} the secret is not a credentials file with an RSA key.
 */
export type GetSigningKey = (secret: string, refusedKeyId?: string) => Promise<KeyOutcome>;

export interface SigningKeysOptions {
  readonly fetchSecret: FetchSecret;
  /** Seconds for which a fetched key is used without asking again, or up to a tenth less. */
  readonly ttlSeconds: number;
  /** Seconds after that for which it is still used if Secrets Manager is unreachable. */
  readonly maxStaleSeconds: number;
  /** The wall clock. A monotonic clock may stop while Lambda freezes the process. */
  readonly now: () => EpochMs;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
}

/**
 * The secret's value is not a key. Names the secret, its version and the field, never the value.
 */
export class MalformedSecretError extends Error {
  override readonly name = "MalformedSecretError";
}

/** What is known of one secret. */
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
  /** Milliseconds after that without another fetch. */
  readonly pause: number;
}

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
/** The platform gives the same error for a missing role, which another key does not fix. */
const REFUSAL_PAUSE_MS = 10_000;

/**
 * Keeps the signing keys of all secrets, each independently:
 *
 * | age of the key            | Secrets Manager      | answer                        |
 * | ------------------------- | -------------------- | ----------------------------- |
 * | under `ttlSeconds`*       | not asked            | the key, fresh                |
 * | older                     | answers              | the new key, fresh            |
 * | under ttl + `maxStale…`   | fails                | the key, stale                |
 * | older, or none            | fails                | unavailable                   |
 * | any                       | secret deleted or forbidden | unavailable, the key is dropped |
 * | any                       | value is not a key   | MalformedSecretError, the key is dropped |
 *
 * *Up to a tenth less in each container; at most ten seconds if the platform has refused the key.
 *
 * After a failure the next fetch waits for a pause that doubles from 250 ms to 30 s, with jitter;
 * requests in between do not fetch. Keys are cached without regard to the caller, because the grant
 * is decided before, for each request.
 */
export function holdSigningKeys(options: SigningKeysOptions): GetSigningKey {
  const { fetchSecret, ttlSeconds, maxStaleSeconds, now, random } = options;
  const slots = new Map<string, Slot>();
  // Up to a tenth less, fixed for this container: containers that started together, after a
  // deployment or in a burst, would otherwise all ask again in the same second.
  const freshMs = ttlSeconds * 1000 * (1 - random() / 10);

  // If the clock was set back, an age is negative: the key then counts as too old and the pause as
  // over.
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

  /** The outcome from what is known, without another fetch. */
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
