import { serverTime } from "../client/answer.ts";
import { callApi } from "../client/call-api.ts";
import { connect, findCredentials } from "../client/connection.ts";
import { type Endpoint, resourceUrl } from "../client/endpoint.ts";
import { exchange } from "../client/exchange.ts";
import { parseVendorOptions, type Vendor } from "../client/options.ts";
import { requestEntitlements } from "../client/requests.ts";
import { type EntitlementsResponse, routes } from "../http/wire.ts";
import { isTokenRefusal, VoximplantError } from "../voximplant/errors.ts";
import { apiOptions } from "./api.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { asCliError } from "./failure.ts";
import type { Io } from "./io.ts";
import { startDeadline, type TokenFlags, tokenFinder, tokenProvider, vendorOptions } from "./vendor.ts";

/** The outcome of one step between the AWS credentials and an accepted call. */
type Finding =
  | { readonly ok: true; readonly what: string }
  | { readonly ok: false; readonly what: string; readonly next: string; readonly exitStatus: number };

export interface DoctorFlags extends TokenFlags {
  readonly apiUrl?: string;
}

/** Checks each step, and stops at a failure that makes the remaining steps pointless. */
export async function* diagnose(
  io: Io,
  flags: DoctorFlags,
  serviceAccount: string | undefined,
): AsyncGenerator<Finding> {
  const timeLeft = startDeadline(io, { timeout: 45, ...flags });
  let vendor: Vendor;
  try {
    vendor = parseVendorOptions(vendorOptions(io, flags));
  } catch (error) {
    yield problem("url", error);
    return;
  }
  yield fine(`url: ${vendor.endpoints.map(({ url }) => url.href).join(", ")}`);

  let found = true;
  try {
    const { accessKeyId } = await findCredentials(vendor, false, AbortSignal.timeout(timeLeft()));
    yield fine(`AWS credentials: access key ${accessKeyId}`);
  } catch (error) {
    found = false;
    yield problem("AWS credentials", error);
  }

  const reached: boolean[] = [];
  for (const endpoint of vendor.endpoints) {
    for await (const finding of reach(vendor, endpoint, io)) {
      reached.push(finding.ok);
      yield finding;
    }
  }
  if (!found || !reached.includes(true)) return;

  let entitlements: EntitlementsResponse;
  try {
    entitlements = await requestEntitlements(connect(vendor), timeLeft());
  } catch (error) {
    yield problem("API Gateway", error);
    return;
  }
  yield fine(`API Gateway accepts your requests, as ${entitlements.principal}`);
  yield* tryToken(io, flags, entitlements, serviceAccount, timeLeft);
}

/**
 * Sends an unsigned request. Any answer shows that the server is reachable. The `Date` header of
 * the answer shows the server's clock.
 */
async function* reach(
  { runtime, attemptTimeoutMs }: Vendor,
  endpoint: Endpoint,
  io: Io,
): AsyncGenerator<Finding> {
  const url = resourceUrl(endpoint, routes.listEntitlements.path);
  let headers: Headers;
  try {
    const request = { method: "GET", headers: {} };
    ({ headers } = await exchange(runtime.fetch, url, request, runtime.timeout(attemptTimeoutMs)));
  } catch (error) {
    yield problem(`reaching ${url.host}`, error);
    return;
  }
  yield fine(`${url.host} answers`);
  const date = serverTime(headers);
  if (date === undefined) return;
  const aheadSeconds = Math.round((io.now() - date) / 1000);
  if (Math.abs(aheadSeconds) < 60) {
    yield fine("clock: agrees with the server's");
    return;
  }
  const direction = aheadSeconds > 0 ? "ahead of" : "behind";
  yield {
    ok: false,
    what: `clock: this machine is ${Math.abs(aheadSeconds)} s ${direction} the server`,
    next: "turn on time synchronisation: voxtoken corrects for this, other programs fail at 5 minutes",
    exitStatus: EXIT.failure,
  };
}

async function* tryToken(
  io: Io,
  flags: DoctorFlags,
  { principal, service_accounts }: EntitlementsResponse,
  wanted: string | undefined,
  timeLeft: () => number,
): AsyncGenerator<Finding> {
  const names = service_accounts.map(({ name }) => name);
  const first = service_accounts.find(({ tokens }) => tokens) ?? service_accounts[0];
  const serviceAccount = wanted ?? first?.name;
  if (serviceAccount === undefined || first === undefined) {
    const what = "grants: none for this principal";
    const next = `ask the owner of grants.yml for a grant to ${principal}`;
    yield { ok: false, what, next, exitStatus: EXIT.denied };
    return;
  }
  yield fine(`grants: ${names.join(", ")}`);

  const entitlement = service_accounts.find(({ name }) => name === serviceAccount);
  if (entitlement?.tokens === false) {
    const methods = entitlement.methods?.join(", ") ?? "";
    yield fine(`${serviceAccount}: no token, only calls of ${methods}; use voxtoken call`);
    return;
  }

  const findToken = tokenFinder(io, serviceAccount, { ...flags, cache: false }, timeLeft);
  try {
    const { account_id, expires_in } = await findToken();
    yield fine(`token: ${serviceAccount}, account ${account_id}, valid for ${expires_in} s`);
  } catch (error) {
    yield problem(`token of ${serviceAccount}`, error);
    return;
  }

  try {
    await callApi(tokenProvider(findToken), "GetAccountInfo", {}, apiOptions(io, flags.apiUrl, timeLeft));
    yield fine("Voximplant accepts the token (GetAccountInfo)");
  } catch (error) {
    const refused = error instanceof VoximplantError && isTokenRefusal(error.code);
    const next = "ask the vendor's owner to check its key with voxtoken admin keys";
    yield problem("Voximplant", error, refused ? next : undefined);
  }
}

function fine(what: string): Finding {
  return { ok: true, what };
}

function problem(step: string, error: unknown, next?: string): Finding {
  const { message, hint, exitStatus } = error instanceof CliError ? error : asCliError(error);
  return {
    ok: false,
    what: `${step}: ${message}`,
    next: next ?? hint ?? "try again with --verbose",
    exitStatus,
  };
}
