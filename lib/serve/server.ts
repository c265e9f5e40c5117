import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TokenError } from "../client/errors.ts";
import { isLoopback } from "../voximplant/api-url.ts";
import { errorCodes, networkReason, wasNotSent } from "../voximplant/errors.ts";
import type { ThrowawayKey } from "./throwaway-key.ts";

export interface ServeOptions {
  /** Sends an accepted request to Voximplant with a vended token, or to the vendor. */
  readonly forward: typeof fetch;
  /** Rejects if requests cannot be served now. */
  readonly checkHealth: () => Promise<unknown>;
  readonly key: Pick<ThrowawayKey, "findFault">;
  /** The Management API. `forward` gets a URL below this one, whatever host a request names. */
  readonly apiUrl: string;
  /**
   * Called when a request ends, except after a successful health probe. The line contains no query,
   * body or token.
   */
  readonly log: (line: string) => void;
  /** Milliseconds of a clock that no one can set back, as `performance.now`. */
  readonly monotonic: () => number;
}

/** The platform's own path: official clients can be given another host, but no other path. */
const PREFIX = "/platform_api";
const METHOD_PATH = new RegExp(`^${PREFIX}(/\\w+)?/?$`);
const HEALTH = "/health";

/** Headers of the connection (RFC 9110 §7.6.1), and the client's credentials for this server. */
const NOT_FORWARDED = new Set([
  // `fetch` asks for the encodings that it can undo.
  "accept-encoding",
  "authorization",
  "connection",
  "cookie",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** `fetch` has undone the encoding, so the length has changed too. */
const NOT_RETURNED = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "set-cookie",
  "transfer-encoding",
]);

/** A refused request or a failed upstream: HTTP status, error code of the platform, and reason. */
class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Passes requests of an official client on, without the client's own token. The caller of `listen`
 * must choose a loopback address.
 *
 * A request is refused unless the throwaway key has signed its token (except `GET /health`). So
 * websites, and programs without the credentials file, cannot use the grant of the role or user
 * that runs `serve`. Bodies are streamed.
 */
export function createTokenProxy(options: ServeOptions): Server {
  const { log, monotonic } = options;

  const server = createServer((request, response) => {
    const startedAt = monotonic();
    response.on("close", () => {
      const took = Math.round(monotonic() - startedAt);
      const status = response.writableFinished ? response.statusCode : "aborted";
      // Not logged, because health probes ask every few seconds.
      if (pathOf(request) === HEALTH && status === 200) return;
      log(`${request.method ?? ""} ${pathOf(request).slice(0, 200)} ${status} ${took} ms`);
    });
    void answer(options, request, response).catch((error: unknown) => {
      answerRefusal(response, asRefusal(error));
    });
  });
  server.maxConnections = 1_000;
  return server;
}

async function answer(
  options: ServeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  refuseStrangers(request);
  if (request.method === "GET" && pathOf(request) === HEALTH) {
    await options.checkHealth();
    response.setHeader("content-type", "application/json");
    response.end('{"status":"ok"}\n');
    return;
  }
  const target = targetOf(request, options.apiUrl);
  const fault = await options.key.findFault(request.headers.authorization);
  if (fault !== undefined) throw new Refusal(401, errorCodes.authorizationFailed, fault);

  const aborted = new AbortController();
  response.on("close", () => {
    aborted.abort();
  });
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const upstream = await options.forward(target, {
    method: request.method ?? "POST",
    headers: forwardedHeaders(request),
    signal: aborted.signal,
    ...(hasBody && { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: "half" }),
  });
  response.statusCode = upstream.status;
  for (const [name, value] of upstream.headers)
    if (!NOT_RETURNED.has(name)) response.appendHeader(name, value);
  if (upstream.body === null) response.end();
  else await pipeline(Readable.fromWeb(upstream.body), response);
}

/** Headers of websites and of forwarding proxies, in lower case. */
const OF_STRANGERS =
  /^(origin|forwarded|via|x-forwarded(-.*)?|(x-real|x-client|x-cluster-client|true-client|cf-connecting)-ip)$/;

/**
 * Refuses requests of websites and of forwarding proxies.
 *
 * A page in a browser can reach loopback through a host name that resolves to 127.0.0.1 (DNS
 * rebinding). The `Host` header shows that name. A forwarding header shows that the request comes
 * from another machine.
 */
function refuseStrangers({ headers }: IncomingMessage): void {
  const { host = "" } = headers;
  // Accepts only a name and a port. With an "@", the URL parser would take the text before it as a
  // user name, and check only the rest.
  if (
    !/^[\w.:[\]-]+$/.test(host) ||
    !URL.canParse(`http://${host}`) ||
    !isLoopback(new URL(`http://${host}`))
  )
    throw new Refusal(
      403,
      errorCodes.forbidden,
      "the Host header must name this machine: 127.0.0.1, localhost or [::1]",
    );
  const found = Object.keys(headers).find((name) => OF_STRANGERS.test(name));
  if (found !== undefined)
    throw new Refusal(403, errorCodes.forbidden, `requests with the header ${found} are refused`);
}

function pathOf({ url = "" }: IncomingMessage): string {
  return url.split("?", 1)[0] ?? "";
}

/** The method's URL at the Management API. Only the method and the query come from the request. */
function targetOf(request: IncomingMessage, apiUrl: string): URL {
  const method = METHOD_PATH.exec(pathOf(request));
  if (method === null)
    throw new Refusal(404, errorCodes.forbidden, `only ${PREFIX} and ${PREFIX}/<Method> are passed on`);
  const target = new URL(`${apiUrl.replace(/\/+$/, "")}${method[1] ?? ""}`);
  const query = request.url?.indexOf("?") ?? -1;
  if (query >= 0) target.search = request.url?.slice(query) ?? "";
  return target;
}

function forwardedHeaders({ headers, headersDistinct }: IncomingMessage): Headers {
  const ofConnection = new Set((headers.connection ?? "").toLowerCase().split(/\s*,\s*/));
  const forwarded = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    if (NOT_FORWARDED.has(name) || ofConnection.has(name)) continue;
    for (const value of values) forwarded.append(name, value);
  }
  return forwarded;
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof TokenError) {
    const code = error.denied ? errorCodes.authorizationFailed : INTERNAL_ERROR;
    const note = error.mayHaveTakenEffect ? `; ${MAY_HAVE_RUN}` : "";
    return new Refusal(statusOf(error), code, `${error.code}: ${error.message}${note}`);
  }
  const reason = networkReason(error);
  return wasNotSent(error)
    ? new Refusal(502, INTERNAL_ERROR, `the Management API cannot be reached: ${reason}`)
    : new Refusal(504, INTERNAL_ERROR, `the Management API gave no answer: ${reason}; ${MAY_HAVE_RUN}`);
}

const MAY_HAVE_RUN = "the method may have run";

/**
 * 503 tells a client that it may repeat the request. So it is never sent if the method may have
 * run.
 */
function statusOf({ code, denied, mayHaveTakenEffect, retryable }: TokenError): number {
  if (denied) return 403;
  if (code === "invalid_request") return 400;
  if (mayHaveTakenEffect) return 504;
  return retryable ? 503 : 502;
}

/**
 * The error code if the vendor or the Management API failed. It is the number of an HTTP status,
 * because it is not known which error code the platform uses for its own failures.
 */
const INTERNAL_ERROR = 500;

/**
 * Answers in the platform's shape. Some clients read `error`, the Node client reads `errors`. The
 * status is not 2xx, so that a client which reads neither still notices.
 */
function answerRefusal(response: ServerResponse, { status, code, message }: Refusal): void {
  if (response.headersSent) {
    // Part of the answer was sent. Only a broken connection shows that it is incomplete.
    response.destroy();
    return;
  }
  const error = { code, msg: `voxtoken serve: ${message}` };
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(`${JSON.stringify({ error, errors: [error] })}\n`);
}
