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
  /** Milliseconds of a clock that no one can set back, as `performance.now`. */
  readonly monotonic: () => number;
}

/** Where the requests of an official client go. */
export interface Upstream {
  /** For the client's credentials file. */
  readonly accountId: number;
  /** What is served, for the message to the user. */
  readonly what: string;
  readonly forward: typeof fetch;
  /** Rejects if requests cannot be served now. */
  readonly checkHealth: () => Promise<unknown>;
}

/**
 * Sends requests to Voximplant with a vended token if the grant gives tokens. Otherwise sends them
 * to the vendor, which calls the methods.
 *
 * Asks for the entitlements first, not for a token. If the grant gives calls, the caller's IAM
 * policy does not allow the token route. API Gateway would refuse the request, and the refusal
 * would not show that the grant gives calls.
 *
 * @throws TokenError there is no grant, or the vendor does not answer
 */
export async function openUpstream(options: UpstreamOptions): Promise<Upstream> {
  const serviceAccount = parseServiceAccount(options.serviceAccount);
  checkWishes(options);
  const entitlement = await findEntitlement(options.vendor, serviceAccount).catch((error: unknown) => {
    // A policy written by hand may allow the token route and not the list of entitlements.
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
  { vendor, accountId: childAccountId, apiUrl, monotonic }: UpstreamOptions,
  serviceAccount: string,
  { methods = [], child_account_ids }: Entitlement,
): Upstream {
  if (childAccountId !== undefined && !child_account_ids.includes(childAccountId)) {
    throw new TokenError("access_denied", `the grant does not list the child account ${childAccountId}`);
  }
  const { timeoutMs = CALL_TIMEOUT_MS } = vendor;
  const attemptTimeoutMs = Math.min(timeoutMs, CALL_ATTEMPT_TIMEOUT_MS);
  const send = connect(parseVendorOptions({ ...vendor, timeoutMs, attemptTimeoutMs }));
  // Official clients need an account id in their credentials file. The placeholder 1 stands for the
  // key's own account, which the vendor knows.
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
      apiUrl,
    ),
    checkHealth: atMostEvery(HEALTH_MS, monotonic, async () => {
      const entitlement = await findEntitlement(vendor, serviceAccount);
      if (entitlement === undefined) throw new TokenError("access_denied", "there is no longer a grant");
    }),
  };
}

const CALL_TIMEOUT_MS = 60_000;
/** Longer than the vendor waits for Voximplant. */
const CALL_ATTEMPT_TIMEOUT_MS = 30_000;

/** Health probes ask every few seconds, and each request to the vendor costs money. */
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
