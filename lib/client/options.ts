import { types } from "node:util";
import { present } from "../environment.ts";
import { MAX_TTL_SECONDS, MIN_TTL_SECONDS } from "../http/wire.ts";
import { METHOD_NAME } from "../voximplant/method-name.ts";
import { type CredentialProvider, credentialProvider } from "./credentials.ts";
import { type Endpoint, parseEndpoint } from "./endpoint.ts";
import { TokenError } from "./errors.ts";
import type { RetryLimits } from "./retry.ts";
import { type Runtime, systemRuntime } from "./runtime.ts";
import type { AwsCredentials } from "./sign.ts";

export interface VendorOptions {
  /**
   * Address of the token vendor with its stage, or a list with one for each region. The first
   * request goes to the first address. A later request goes first to the address that has answered
   * most recently.
   */
  readonly url: string | readonly string[];
  /**
   * Default: found in the AWS CLI's order (`profile`, a key in the environment, AWS_PROFILE or
   * "default", web identity, ECS, EKS, EC2).
   */
  readonly credentials?: AwsCredentials | CredentialProvider | undefined;
  /**
   * The profile in the AWS configuration files for credentials and region. Default: AWS_PROFILE, or
   * "default".
   */
  readonly profile?: string | undefined;
  /**
   * Default: from the url's host name. For a custom domain: the region of `profile`, AWS_REGION,
   * AWS_DEFAULT_REGION, or the region of AWS_PROFILE or "default".
   */
  readonly region?: string | undefined;
  /** How long one call may take altogether, pauses included. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  /** How long one HTTP request may take. Default 5,000. */
  readonly attemptTimeoutMs?: number | undefined;
  /** How often each url is tried. Default 4. */
  readonly rounds?: number | undefined;
  /** Called for each event, for logs and metrics. No event holds a token or a credential. */
  readonly onEvent?: ((event: ClientEvent) => void) | undefined;
  /** Replaces functions of the runtime: `fetch` for a proxy, the others for tests. */
  readonly runtime?: Partial<Runtime> | undefined;
}

/** What a program may want to log or count. No field holds a token or a credential. */
export type ClientEvent =
  | {
      readonly type: "attempt_failed";
      /** The origin that was asked. */
      readonly origin: string;
      readonly error: TokenError;
      /** The pause before the next attempt; undefined when there is none. */
      readonly retryInMs: number | undefined;
    }
  | {
      readonly type: "clock_corrected";
      /** How far the server's clock is ahead of this machine's, in milliseconds. */
      readonly skewMs: number;
    }
  | { readonly type: "credentials_renewed" }
  | { readonly type: "token_vended"; readonly serviceAccount: string; readonly expiresAt: Date }
  | {
      readonly type: "refresh_failed";
      readonly serviceAccount: string;
      readonly error: TokenError;
      /** The present token stays in use until then. */
      readonly validUntil: Date;
    };

export interface Vendor {
  readonly endpoints: readonly Endpoint[];
  readonly credentials: CredentialProvider;
  readonly region: string | undefined;
  readonly profile: string | undefined;
  readonly attemptTimeoutMs: number;
  readonly limits: RetryLimits;
  readonly runtime: Runtime;
  readonly emit: (event: ClientEvent) => void;
}

/** @throws TokenError `invalid_options` */
export function parseVendorOptions(options: VendorOptions): Vendor {
  const given: unknown = options.url;
  if (given === undefined || given === null) throw new TokenError("invalid_options", "url is missing");
  const urls: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (!urls.every((url) => typeof url === "string")) {
    throw new TokenError("invalid_options", "url must be a text or a list of texts");
  }
  if (urls.length === 0) throw new TokenError("invalid_options", "url is an empty list");
  return {
    endpoints: urls.map(parseEndpoint),
    credentials: credentialProvider(options.credentials, present(options.profile)),
    // Programs pass environment variables on, and an empty variable counts as absent.
    region: present(options.region),
    profile: present(options.profile),
    attemptTimeoutMs: positive("attemptTimeoutMs", options.attemptTimeoutMs ?? 5000),
    limits: {
      rounds: positive("rounds", options.rounds ?? 4),
      baseDelayMs: 200,
      maxDelayMs: 5000,
      totalMs: positive("timeoutMs", options.timeoutMs ?? 15_000),
    },
    runtime: { ...systemRuntime, ...options.runtime },
    emit: emitter(options.onEvent),
  };
}

/**
 * Accepts only names that grants.yml allows, because IAM policies match the path that contains the
 * name.
 */
export function parseServiceAccount(name: string): string {
  if (typeof name === "string" && /^[a-z0-9-]{1,64}$/.test(name)) return name;
  throw new TokenError(
    "invalid_options",
    `serviceAccount ${JSON.stringify(name)} must be 1 to 64 of a-z, 0-9 and "-"`,
  );
}

/** @throws TokenError `invalid_options`: the name is wrong, and would be in the URL's path */
export function checkMethodName(method: string): void {
  if (METHOD_NAME.test(method)) return;
  throw new TokenError("invalid_options", `${JSON.stringify(method)} is not the name of a method`);
}

/**
 * If the listener throws, or returns a promise that rejects, the request continues, and the process
 * emits a warning.
 */
function emitter(onEvent: VendorOptions["onEvent"]): (event: ClientEvent) => void {
  const emit = (event: ClientEvent) =>
    new Promise((resolve) => {
      // A listener that is an async function returns a promise, which its type does not show.
      const result: unknown = onEvent?.(event);
      resolve(result);
    });
  return (event) => {
    emit(event).catch((error: unknown) => {
      process.emitWarning(`onEvent threw: ${types.isNativeError(error) ? error.message : String(error)}`);
    });
  };
}

/** @throws TokenError `invalid_options`: the lifetime or the account is not a valid number */
export function checkWishes({ ttlSeconds, accountId }: { ttlSeconds?: unknown; accountId?: unknown }): void {
  if (ttlSeconds !== undefined) wholeNumber("ttlSeconds", ttlSeconds, MIN_TTL_SECONDS, MAX_TTL_SECONDS);
  if (accountId !== undefined) wholeNumber("accountId", accountId, 1, Number.MAX_SAFE_INTEGER);
}

/** The longest delay of Node's timers. A longer one would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function positive(name: string, value: number): number {
  return wholeNumber(name, value, 1, LONGEST_TIMER_MS);
}

function wholeNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  throw new TokenError("invalid_options", `${name} must be a whole number from ${least} to ${most}`);
}
