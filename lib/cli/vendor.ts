import { type Command, Option } from "commander";
import { connect, findCredentials } from "../client/connection.ts";
import type { ClientEvent } from "../client/options.ts";
import { lifetimeOf } from "../client/lifetime.ts";
import { parseServiceAccount, parseVendorOptions, type VendorOptions } from "../client/options.ts";
import { requestToken } from "../client/requests.ts";
import { type TokenProvider, vendedToken } from "../client/token-provider.ts";
import { BACKDATE_SECONDS, MAX_TTL_SECONDS, MIN_TTL_SECONDS, type TokenResponse } from "../http/wire.ts";
import { readVariable } from "../environment.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { credentialIdentity } from "./credential-identity.ts";
import { type Io, oneLine } from "./io.ts";
import { throughCache } from "./token-cache.ts";
import { wholeNumber } from "./whole-number.ts";

/** The vendor's address, and the AWS identity to use. */
export interface VendorFlags {
  readonly url?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly timeout?: number;
  readonly verbose?: boolean;
}

/** The token to request. */
export interface RequestFlags extends VendorFlags {
  readonly ttl?: number;
  readonly accountId?: number;
}

export interface TokenFlags extends RequestFlags {
  readonly cache: boolean;
}

/** The token for a command that gets it once and cannot renew it. */
export interface HandOverFlags extends TokenFlags {
  readonly minTtl?: number;
}

export function addVendorOptions(command: Command): Command {
  return command
    .option("--url <url>", "the token vendor, with its stage; several with commas (default: VOXTOKEN_URL)")
    .option("--profile <name>", "AWS profile (default: as the AWS CLI finds it)")
    .option("--region <region>", "AWS region, if the url does not name it (default: as the AWS SDK finds it)")
    .addOption(
      new Option(
        "--timeout <seconds>",
        "give up after this time (default: 15; api, call and doctor: 45)",
      ).argParser(wholeNumber(1, 3600)),
    )
    .option("-v, --verbose", "print each step on stderr");
}

export function addAccountOption(command: Command): Command {
  return command.addOption(
    new Option("--account-id <id>", "a child account that you were granted").argParser(
      wholeNumber(1, Number.MAX_SAFE_INTEGER, "the number of an account"),
    ),
  );
}

/** Adds the options of a token request, without the option for the cache. */
export function addRequestOptions(command: Command): Command {
  return addAccountOption(
    addVendorOptions(command).addOption(
      new Option(
        "--ttl <seconds>",
        `lifetime of the token, ${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS}`,
      ).argParser(wholeNumber(MIN_TTL_SECONDS, MAX_TTL_SECONDS)),
    ),
  );
}

export function addTokenOptions(command: Command): Command {
  return addRequestOptions(command).option("--no-cache", "request a new token, and do not store it");
}

export function addHandOverOptions(command: Command): Command {
  return addTokenOptions(command).addOption(
    new Option("--min-ttl <seconds>", "minimum time left (default: half the lifetime)").argParser(
      wholeNumber(1, MAX_TTL_SECONDS - BACKDATE_SECONDS),
    ),
  );
}

export function vendorOptions(
  io: Io,
  flags: VendorFlags,
): VendorOptions & { readonly url: readonly string[] } {
  const url = (flags.url ?? readVariable(io.env, "VOXTOKEN_URL") ?? "")
    .split(",")
    .map((text) => text.trim())
    // As in "$URL,$OTHER_URL" where the second variable is empty.
    .filter((text) => text !== "");
  if (url.length === 0) {
    const hint = "give --url, or export VOXTOKEN_URL=https://….execute-api.<region>.amazonaws.com/<stage>";
    throw new CliError("no url of a token vendor", EXIT.usage, hint);
  }
  return {
    url,
    region: flags.region,
    profile: flags.profile,
    timeoutMs: flags.timeout === undefined ? undefined : flags.timeout * 1000,
    // A third of the time, as in the defaults, so that three slow attempts fit.
    attemptTimeoutMs: flags.timeout === undefined ? undefined : Math.ceil((flags.timeout * 1000) / 3),
    runtime: { fetch: io.fetch, now: io.now, monotonic: io.monotonic, sleep: io.sleep },
    onEvent:
      flags.verbose === true
        ? (event) => {
            io.stderr.write(`voxtoken: ${oneLine(describe(event))}\n`);
          }
        : undefined,
  };
}

/**
 * Starts the command's one deadline, for credentials, cache, token and method together.
 *
 * @returns the milliseconds left, at least 1
 */
export function startDeadline(io: Io, { timeout = 15 }: VendorFlags): () => number {
  const deadline = io.monotonic() + timeout * 1000;
  return () => Math.max(1, Math.floor(deadline - io.monotonic()));
}

/** Finds the token that a command needs. Looks in the cache, unless `--no-cache` is given. */
type FindToken = (rejected?: string) => Promise<TokenResponse>;

/** @param needed how long a token must still be valid, in ms; default: any valid token is enough */
export function tokenFinder(
  io: Io,
  serviceAccount: string,
  flags: TokenFlags,
  timeLeft: () => number,
  needed: (lifetimeMs: number) => number = () => 0,
): FindToken {
  const vendor = parseVendorOptions(vendorOptions(io, flags));
  const request = {
    serviceAccount: parseServiceAccount(serviceAccount),
    ttlSeconds: flags.ttl,
    accountId: flags.accountId,
  };
  const send = connect(vendor);
  const mint = async () => {
    const [askedAt, uptime] = [io.now(), io.monotonic()];
    const response = await requestToken(send, request, timeLeft());
    return { response, lifetime: lifetimeOf(response.expires_in, askedAt, Math.random()), uptime };
  };
  return async (rejected) => {
    if (!flags.cache) return (await mint()).response;
    const urls = vendor.endpoints.map(({ url }) => url.href);
    const identity = (await credentialIdentity(io.env, flags.profile)) ?? [
      "key",
      (await findCredentials(vendor, false, AbortSignal.timeout(timeLeft()))).accessKeyId,
    ];
    return throughCache(io, { key: { urls, identity, ...request }, mint, needed, timeLeft, rejected });
  };
}

/**
 * Finds a token for a command that passes the token on once. At least half of the token's lifetime
 * is left, or as much as --min-ttl says.
 *
 * @throws CliError wrong usage, if a new token is valid for less than --min-ttl
 */
export async function findTokenToHandOver(
  io: Io,
  serviceAccount: string,
  flags: HandOverFlags,
): Promise<TokenResponse> {
  const { minTtl, ttl } = flags;
  const tooLong = (seconds: number) =>
    new CliError(
      `--min-ttl ${minTtl ?? ""} is more than the token's lifetime of ${seconds} s`,
      EXIT.usage,
      "ask for a longer lifetime with --ttl",
    );
  if (minTtl !== undefined && ttl !== undefined && minTtl > ttl) throw tooLong(ttl);
  const needed = (lifetimeMs: number) => (minTtl === undefined ? lifetimeMs / 2 : minTtl * 1000);
  const token = await tokenFinder(io, serviceAccount, flags, startDeadline(io, flags), needed)();
  if (minTtl !== undefined && minTtl > token.expires_in) throw tooLong(token.expires_in);
  return token;
}

/** Adapts {@link FindToken} to the client library. */
export function tokenProvider(findToken: FindToken): TokenProvider {
  return async ({ rejected } = {}) => vendedToken(await findToken(rejected));
}

function describe(event: ClientEvent): string {
  switch (event.type) {
    case "attempt_failed": {
      const next = event.retryInMs === undefined ? "giving up" : `trying again in ${event.retryInMs} ms`;
      return `${event.origin}: ${event.error.code}: ${event.error.message}; ${next}`;
    }
    case "clock_corrected": {
      const seconds = Math.round(Math.abs(event.skewMs) / 1000);
      if (seconds === 0) return "the server's clock agrees with this one again";
      const side = event.skewMs > 0 ? "ahead of" : "behind";
      return `the server's clock is ${seconds} s ${side} this one; signatures use the server's time`;
    }
    case "credentials_renewed":
      return "the AWS credentials have expired; looking for new ones";
    case "token_vended":
    case "refresh_failed":
      return event.type;
  }
}
