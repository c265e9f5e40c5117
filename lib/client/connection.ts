import packageJson from "../../package.json" with { type: "json" };
import { isLoopback } from "../voximplant/api-url.ts";
import { serverTime } from "./answer.ts";
import { awsRegion } from "./credentials.ts";
import { type Endpoint, resourceUrl } from "./endpoint.ts";
import { TokenError } from "./errors.ts";
import { type Answer, exchange, type ExchangeOptions } from "./exchange.ts";
import { startWatch } from "./lifetime.ts";
import type { Vendor } from "./options.ts";
import { retry } from "./retry.ts";
import { orAborted } from "../voximplant/or-aborted.ts";
import { signRequest } from "./sign.ts";

interface VendorRequest extends ExchangeOptions {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body: string;
  /** Nothing is sent after it aborts. What was sent before is not taken back. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request, with retries, until there is an answer. `read` turns the answer into a value or
 * throws a TokenError. `atMostMs` limits the time further, if it is less than the limit in
 * `Vendor`.
 */
export type Send = <T>(request: VendorRequest, read: (answer: Answer) => T, atMostMs?: number) => Promise<T>;

/** Identifies the program in API Gateway's log and in audit records. */
const USER_AGENT = `voxtoken/${packageJson.version} node/${process.versions.node}`;

/** A smaller difference is ignored: a server's `Date` has whole seconds, and arrives late. */
const NOTICEABLE_SKEW_MS = 60_000;

/**
 * The `Date` of a slower answer is not used: a frozen Lambda or a suspended laptop may delay it.
 */
const PROMPT_ANSWER_MS = 10_000;

/** Remembers which URL answered last, and how far this machine's clock is off. */
export function connect(vendor: Vendor): Send {
  const { runtime, emit } = vendor;
  let inOrder = vendor.endpoints;
  let skewMs = 0;

  async function send(endpoint: Endpoint, request: VendorRequest, deadline: number, forceRefresh: boolean) {
    const timeLeft = (atMost = Infinity) =>
      runtime.timeout(Math.max(1, Math.floor(Math.min(atMost, deadline - runtime.monotonic()))));
    const credentials = await findCredentials(vendor, forceRefresh, timeLeft());
    const region = await regionFor(endpoint, vendor);
    const url = resourceUrl(endpoint, request.path);
    const { method, body } = request;
    const sentAt = runtime.now();
    const age = startWatch(runtime);
    const headers = await signRequest(
      { method, url, body, headers: body === "" ? {} : { "content-type": "application/json" } },
      { credentials, region, signingName: endpoint.signingName, date: new Date(sentAt + skewMs) },
    );
    const init = {
      method,
      headers: {
        ...headers,
        "user-agent": USER_AGENT,
        // The other side may have closed a kept connection, for example while this process was
        // frozen. A request that is sent over it is lost. So no connection is kept.
        connection: "close",
      },
      ...(body === "" ? {} : { body }),
    };
    const signal = timeLeft(vendor.attemptTimeoutMs);
    request.signal?.throwIfAborted();
    const answer = await exchange(runtime.fetch, url, init, signal, request);
    measureSkew(answer, age());
    return answer;
  }

  function measureSkew({ headers }: Answer, tookMs: number): void {
    const receivedAt = runtime.now();
    const date = serverTime(headers);
    if (date === undefined || tookMs > PROMPT_ANSWER_MS) return;
    const measured = date - receivedAt;
    const corrected = Math.abs(measured) < NOTICEABLE_SKEW_MS ? 0 : measured;
    if (Math.abs(corrected - skewMs) < NOTICEABLE_SKEW_MS) return;
    skewMs = corrected;
    emit({ type: "clock_corrected", skewMs });
  }

  /**
   * If a request is refused because of a wrong clock or expired credentials, sends it once more:
   * signed with the server's time, or with renewed credentials.
   */
  async function sendCorrected<T>(send: (forceRefresh: boolean) => Promise<T>): Promise<T> {
    const skewBefore = skewMs;
    try {
      return await send(false);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      if (error.code === "credentials_expired") {
        emit({ type: "credentials_renewed" });
        return send(true);
      }
      if (error.code === "clock_skew" || (error.code === "not_authorized" && skewMs !== skewBefore))
        return send(false);
      throw error;
    }
  }

  return (request, read, atMostMs = Infinity) =>
    retry(
      inOrder,
      async (endpoint, remainingMs) => {
        const deadline = runtime.monotonic() + remainingMs;
        const result = await sendCorrected(async (forceRefresh) =>
          read(await send(endpoint, request, deadline, forceRefresh)),
        );
        const { endpoints } = vendor;
        const index = endpoints.indexOf(endpoint);
        inOrder = [...endpoints.slice(index), ...endpoints.slice(0, index)];
        return result;
      },
      { ...vendor.limits, totalMs: Math.min(vendor.limits.totalMs, atMostMs) },
      runtime,
      ({ target, error, retryInMs }) => {
        emit({ type: "attempt_failed", origin: target.url.origin, error, retryInMs });
      },
      request.signal,
    );
}

/** The region to sign for: given, or in the host name, or as {@link awsRegion} finds it. */
async function regionFor(endpoint: Endpoint, { region, profile }: Vendor): Promise<string> {
  const found = region ?? endpoint.region ?? (await awsRegion(undefined, profile));
  if (found !== undefined) return found;
  // The stand-in on this machine accepts a signature for any region, so none has to be set.
  if (isLoopback(endpoint.url)) return "us-east-1";
  throw new TokenError(
    "invalid_options",
    `${endpoint.url.hostname} does not name its region: set AWS_REGION or the option region`,
  );
}

/**
 * Limits the time, because the services behind credentials (EC2 metadata, SSO, STS) may never
 * answer.
 */
export async function findCredentials(
  { credentials }: Pick<Vendor, "credentials">,
  forceRefresh: boolean,
  signal: AbortSignal,
) {
  try {
    const found = await orAborted(credentials({ forceRefresh }), signal);
    checkForHeader("the AWS access key id", found.accessKeyId);
    checkForHeader("the AWS session token", found.sessionToken);
    return found;
  } catch (error) {
    if (error instanceof TokenError || !signal.aborted) throw error;
    throw new TokenError("timeout", "the AWS credentials were not found in time");
  }
}

/** Checked here, because the error of fetch would quote the value. */
function checkForHeader(what: string, value: string | undefined): void {
  if (value === undefined || /^[\x21-\x7e]*$/.test(value)) return;
  throw new TokenError(
    "no_credentials",
    `${what} has a line break, a blank or another character that a header must not have`,
  );
}
