import { inspect } from "node:util";
import type { TokenResponse } from "../http/wire.ts";
import { connect } from "./connection.ts";
import { TokenError } from "./errors.ts";
import { checkWishes, parseServiceAccount, parseVendorOptions, type VendorOptions } from "./options.ts";
import { requestToken } from "./requests.ts";
import { orAborted } from "../voximplant/or-aborted.ts";
import { lifetimeOf, type Lifetime, startWatch } from "./lifetime.ts";

export interface TokenProviderOptions extends VendorOptions {
  readonly serviceAccount: string;
  /** Lifetime in seconds, 30 to 3600. Default: 300, or the grant's maximum if that is lower. */
  readonly ttlSeconds?: number | undefined;
  /** A child account that the grant lists. Default: the key's own account. */
  readonly accountId?: number | undefined;
}

export interface GetTokenOptions {
  /**
   * Aborts the wait of this call only. The request itself continues, and other calls that wait for
   * it get its token.
   */
  readonly signal?: AbortSignal | undefined;
  /** A token that the platform has refused. If it is the cached one, a new token is requested. */
  readonly rejected?: string | undefined;
}

export interface VendedToken {
  /**
   * The value after `Authorization: Bearer`. Not enumerable: `{...token}` and JSON leave it out.
   */
  readonly accessToken: string;
  /** The token's `exp`, by the vendor's clock. */
  readonly expiresAt: Date;
  readonly serviceAccount: string;
  /** The Voximplant account that the token is for. */
  readonly accountId: number;
}

/** Resolves to a token that is valid now. Call it before each use, and do not keep the token. */
export type TokenProvider = (options?: GetTokenOptions) => Promise<VendedToken>;

interface Held {
  readonly token: VendedToken;
  readonly lifetime: Lifetime;
  /** Milliseconds since the token was requested. Infinity if the clock shows an earlier time. */
  readonly age: () => number;
}

interface Flight {
  /** Milliseconds since the request began. */
  readonly age: () => number;
  readonly outcome: Promise<VendedToken>;
}

/**
 * Provides tokens of one service account for as long as the program runs.
 *
 * If several calls need a token at the same time, they share one request. The first call
 * after 65 to 80 % of a token's lifetime starts its renewal in the background. A call in the
 * last tenth of the lifetime (at most the last 10 s) waits for the renewal. If the renewal fails,
 * the token stays in use until it expires.
 *
 * @throws TokenError `invalid_options`
 */
export function createTokenProvider(options: TokenProviderOptions): TokenProvider {
  const vendor = parseVendorOptions(options);
  const serviceAccount = parseServiceAccount(options.serviceAccount);
  checkWishes(options);
  const { runtime, emit, limits } = vendor;
  const send = connect(vendor);
  let held: Held | undefined;
  let flight: Flight | undefined;
  /**
   * A failed renewal sets this time. Before this time, no new renewal starts, unless the token has
   * expired.
   */
  let restUntil = -Infinity;

  /**
   * Returns the present time, to compare with the times in `lifetime`. It is `askedAt` plus
   * `age()`. It is not `now()`: if the clock was set back, the token would seem younger than it is.
   */
  const timeOf = ({ lifetime, age }: Held) => lifetime.askedAt + age();

  async function renew(): Promise<VendedToken> {
    const askedAt = runtime.now();
    const age = startWatch(runtime);
    try {
      const response = await requestToken(send, { ...options, serviceAccount });
      const token = vendedToken(response);
      const lifetime = lifetimeOf(response.expires_in, askedAt, runtime.random());
      // If the machine was suspended during a request, joinFlight (below) starts a new request, and
      // the old one may still be answered. If the old request is answered last, its token may have
      // less time left than the token of the new request. Then the provider keeps the token of the
      // new request.
      const remaining = (one: Held) => one.lifetime.endsAt - timeOf(one);
      const renewed = { token, lifetime, age };
      if (held === undefined || remaining(renewed) >= remaining(held)) held = renewed;
      emit({ type: "token_vended", serviceAccount, expiresAt: token.expiresAt });
      return token;
    } catch (error) {
      if (error instanceof TokenError && held !== undefined && timeOf(held) < held.lifetime.endsAt) {
        restUntil = runtime.monotonic() + (error.retryAfterSeconds ?? 1 + 4 * runtime.random()) * 1000;
        emit({ type: "refresh_failed", serviceAccount, error, validUntil: held.token.expiresAt });
      }
      throw error;
    }
  }

  function joinFlight(): Promise<VendedToken> {
    // A request ends after `totalMs` at the latest. If it is older and still open, the machine that
    // runs this client (a laptop, a container of a Lambda function) was suspended. Such a request
    // will probably fail, so another one is started.
    if (flight === undefined || flight.age() > limits.totalMs) {
      const started: Flight = { age: startWatch(runtime), outcome: renew() };
      flight = started;
      const land = () => {
        if (flight === started) flight = undefined;
      };
      // Nothing awaits a background renewal. Without a handler here, its error would end the
      // process.
      started.outcome.then(land, land);
    }
    return flight.outcome;
  }

  return async ({ signal, rejected } = {}) => {
    signal?.throwIfAborted();
    if (held?.token.accessToken === rejected) held = undefined;
    const current = held;
    if (current === undefined) return orAborted(joinFlight(), signal);
    const { token, lifetime } = current;
    const now = timeOf(current);
    if (now < lifetime.renewFrom) return token;
    if (now < lifetime.endsAt && runtime.monotonic() < restUntil) return token;
    if (now < lifetime.renewBy) {
      void joinFlight();
      return token;
    }
    try {
      return await orAborted(joinFlight(), signal);
    } catch (error) {
      if (signal?.aborted === true || timeOf(current) >= lifetime.endsAt) throw error;
      return token;
    }
  };
}

/**
 * Creates a token object that does not show the token in `console.log`, JSON or copies, because
 * loggers such as pino and winston serialise objects.
 */
export function vendedToken(response: TokenResponse): VendedToken {
  const { service_account: serviceAccount, account_id: accountId } = response;
  const expiresAt = new Date(response.expires_at);
  const shown = { accessToken: "[hidden]", expiresAt, serviceAccount, accountId };
  return Object.defineProperties({ expiresAt, serviceAccount, accountId } as VendedToken, {
    accessToken: { value: response.access_token },
    [inspect.custom]: { value: () => shown },
  });
}
