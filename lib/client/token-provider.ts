import { connect } from "./connection.ts";
import { TokenError } from "./errors.ts";
import { parseServiceAccount, parseVendorOptions, type VendorOptions } from "./options.ts";
import { requestToken } from "./requests.ts";
import { orAborted } from "./runtime.ts";
import { lifetimeOf, type Lifetime } from "./lifetime.ts";
import { vendedToken, type VendedToken } from "./vended-token.ts";

export interface TokenProviderOptions extends VendorOptions {
  readonly serviceAccount: string;
  /** Lifetime wanted, in seconds, 30 to 3600. Default: 300 or the grant's maximum, whichever is lower. */
  readonly ttlSeconds?: number | undefined;
  /** A child account that the grant lists. Default: the key's own account. */
  readonly accountId?: number | undefined;
}

export interface GetTokenOptions {
  /** Ends this call's wait. A request that others wait for too goes on. */
  readonly signal?: AbortSignal | undefined;
  /** A token that the platform has refused: it is not given again. A newer one is given if there is one already. */
  readonly rejected?: string | undefined;
}

/** Gives a token that is good now. Call it before each use, and do not keep what it gives. */
export type TokenProvider = (options?: GetTokenOptions) => Promise<VendedToken>;

interface Held {
  readonly token: VendedToken;
  readonly lifetime: Lifetime;
}

interface Flight {
  readonly startedAt: number;
  readonly outcome: Promise<VendedToken>;
}

/**
 * A source of tokens of one service account, for as long as the program runs.
 *
 * One request is in flight however many ask. A token is renewed in the background before it ends, and served meanwhile; a
 * renewal that fails spoils nothing while the token is valid.
 *
 * @throws TokenError `invalid_options`
 */
export function createTokenProvider(options: TokenProviderOptions): TokenProvider {
  const vendor = parseVendorOptions(options);
  const serviceAccount = parseServiceAccount(options.serviceAccount);
  const { runtime, emit, limits } = vendor;
  const send = connect(vendor);
  let held: Held | undefined;
  let flight: Flight | undefined;
  /** After a failed renewal: not before this time again, while there is a valid token. */
  let restUntil = 0;

  async function renew(): Promise<VendedToken> {
    const askedAt = runtime.now();
    try {
      const response = await requestToken(send, { ...options, serviceAccount });
      const token = vendedToken(response);
      const lifetime = lifetimeOf(response.expires_in, askedAt, runtime.random());
      // A request that was frozen may come back after a later one: what it brings is not the newer token.
      if (held === undefined || lifetime.endsAt >= held.lifetime.endsAt) held = { token, lifetime };
      emit({ type: "token_vended", serviceAccount, expiresAt: token.expiresAt });
      return token;
    } catch (error) {
      if (error instanceof TokenError && held !== undefined && runtime.now() < held.lifetime.endsAt) {
        restUntil = runtime.now() + (error.retryAfterSeconds ?? 1 + 4 * runtime.random()) * 1000;
        emit({ type: "refresh_failed", serviceAccount, error, validUntil: held.token.expiresAt });
      }
      throw error;
    }
  }

  function joinFlight(): Promise<VendedToken> {
    // One that should have ended long ago was frozen with its Lambda or its laptop: it will fail, so it is not joined.
    if (flight === undefined || runtime.now() - flight.startedAt > limits.totalMs) {
      const started: Flight = { startedAt: runtime.now(), outcome: renew() };
      flight = started;
      const land = () => {
        if (flight === started) flight = undefined;
      };
      // Everybody who awaits the outcome gets its error; a renewal in the background has told it by its event.
      started.outcome.then(land, land);
    }
    return flight.outcome;
  }

  return async ({ signal, rejected } = {}) => {
    signal?.throwIfAborted();
    if (held?.token.accessToken === rejected) held = undefined;
    const now = runtime.now();
    if (held === undefined) return orAborted(joinFlight(), signal);
    const { token, lifetime } = held;
    if (now < lifetime.renewFrom) return token;
    if (now < lifetime.endsAt && now < restUntil) return token;
    if (now < lifetime.renewBy) {
      void joinFlight();
      return token;
    }
    try {
      return await orAborted(joinFlight(), signal);
    } catch (error) {
      if (signal?.aborted === true || runtime.now() >= lifetime.endsAt) throw error;
      return token;
    }
  };
}
