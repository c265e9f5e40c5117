import { connect } from "../client/connection.ts";
import { TokenError } from "../client/errors.ts";
import {
  checkWishes,
  parseServiceAccount,
  parseVendorOptions,
  type VendorOptions,
} from "../client/options.ts";
import { requestEntitlements, requestMethod } from "../client/requests.ts";
import { createTokenProvider } from "../client/token-provider.ts";
import { createVoximplantFetch } from "../client/voximplant-fetch.ts";
import type { EntitlementsResponse } from "../http/wire.ts";
import { vendorCalls } from "./vendor-calls.ts";

export interface UpstreamOptions {
  readonly vendor: VendorOptions;
  readonly serviceAccount: string;
  readonly ttlSeconds: number | undefined;
  /** A child account that the grant lists. Default: the key's own account. */
  readonly accountId: number | undefined;
  /** The Management API, for requests with a token. */
  readonly apiUrl: string;
  readonly fetch: typeof fetch;
  /** Milliseconds of a clock that is never set. */
  readonly monotonic: () => number;
}

/** Where the requests of an official client go. */
export interface Upstream {
  /** For the client's credentials file. */
  readonly accountId: number;
  /** For the user. */
  readonly what: string;
  readonly forward: typeof fetch;
  /** Rejects if a request that is accepted now would fail. */
  readonly checkHealth: () => Promise<unknown>;
}

/**
 * Sends requests with a vended token if the grant gives tokens. Otherwise the service makes the
 * calls.
 *
 * Asks for the entitlements first: the IAM policy of a caller who gets no token does not allow the
 * path of a token, so API Gateway would refuse that request, and nothing would show that calls
 * work.
 *
 * @throws TokenError there is no grant, or the service does not answer
 */
export async function openUpstream(options: UpstreamOptions): Promise<Upstream> {
  const serviceAccount = parseServiceAccount(options.serviceAccount);
  checkWishes(options);
  const entitlement = await findEntitlement(options.vendor, serviceAccount).catch((error: unknown) => {
    // A policy written by hand may allow the path of a token alone.
    if (error instanceof TokenError && error.code === "not_authorized") return undefined;
    throw error;
  });
  return entitlement?.tokens === false
    ? openCalls(options, serviceAccount, entitlement)
    : openTokens(options);
}

type Entitlement = EntitlementsResponse["service_accounts"][number];

/** Undefined if no grant names the service account. */
async function findEntitlement(
  vendor: VendorOptions,
  serviceAccount: string,
): Promise<Entitlement | undefined> {
  const { service_accounts } = await requestEntitlements(connect(parseVendorOptions(vendor)));
  return service_accounts.find(({ name }) => name === serviceAccount);
}

async function openTokens(options: UpstreamOptions): Promise<Upstream> {
  const { vendor, serviceAccount, ttlSeconds, accountId: childAccountId, apiUrl, fetch } = options;
  const getToken = createTokenProvider({ ...vendor, serviceAccount, ttlSeconds, accountId: childAccountId });
  // The first token shows that the grant is there, and names the account.
  const { accountId } = await getToken();
  return {
    accountId,
    what: `${serviceAccount} of account ${accountId}`,
    forward: createVoximplantFetch(getToken, { apiUrl, runtime: { fetch } }),
    checkHealth: getToken,
  };
}

function openCalls(
  { vendor, accountId: childAccountId, monotonic }: UpstreamOptions,
  serviceAccount: string,
  { methods = [], child_account_ids }: Entitlement,
): Upstream {
  if (childAccountId !== undefined && !child_account_ids.includes(childAccountId)) {
    throw new TokenError("access_denied", `the grant does not list the child account ${childAccountId}`);
  }
  const send = connect(parseVendorOptions({ ...vendor, ...CALL_LIMITS }));
  // Official clients want an account in their file. The service knows the key's own.
  const accountId = childAccountId ?? 1;
  return {
    accountId,
    what: `calls of ${methods.join(", ")} for ${serviceAccount}`,
    forward: vendorCalls(
      (method, parameters, child, signal) =>
        requestMethod(send, {
          serviceAccount,
          method,
          parameters,
          accountId: child ?? childAccountId,
          signal,
        }),
      accountId,
    ),
    checkHealth: atMostEvery(HEALTH_MS, monotonic, async () => {
      const entitlement = await findEntitlement(vendor, serviceAccount);
      if (entitlement === undefined) throw new TokenError("access_denied", "there is no longer a grant");
    }),
  };
}

/** Longer than the service waits for Voximplant. */
const CALL_LIMITS = { timeoutMs: 60_000, attemptTimeoutMs: 30_000 };

/** Probes ask every few seconds, and each answer of the service is paid for. */
const HEALTH_MS = 60_000;

/** Runs a check again only if the last one that succeeded is older than `ms`. */
function atMostEvery(ms: number, monotonic: () => number, check: () => Promise<void>): () => Promise<void> {
  let succeededAt = -Infinity;
  return async () => {
    if (monotonic() - succeededAt < ms) return;
    await check();
    succeededAt = monotonic();
  };
}
