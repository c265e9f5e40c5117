import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Answer, ConnectionDropped, exchange, type RawRequest, type Serve } from "./exchange.ts";

export type { Answer, RawRequest } from "./exchange.ts";

export interface Listening {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** The port could not be opened. The message names the server and what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/**
 * Serves on the loopback interface only, because the stand-ins give keys and tokens to every
 * caller.
 *
 * @param options.port 0 for any free one.
 * @param options.what names the server in the message of {@link ListenError}, with its flag: `the
 * gateway (--port)`.
 * @param options.maxBodyBytes the rest of a longer body is not kept, and `bodyTooLarge` is set.
 */
export async function listen(options: {
  readonly port: number;
  readonly what: string;
  readonly maxBodyBytes: number;
  readonly serve: Serve;
}): Promise<Listening> {
  const server = createServer((incoming, response) => void respond(incoming, response, options));
  // Without a listener, Node closes the connection of a CONNECT request without an answer.
  server.on("connect", (_, socket) => {
    socket.on("error", () => undefined); // The client has left, and needs no answer.
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  server.listen(options.port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new ListenError(explain(cause, options), { cause });
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: { readonly maxBodyBytes: number; readonly serve: Serve },
): Promise<void> {
  let body: Body;
  try {
    body = await readBody(incoming, options.maxBodyBytes);
  } catch {
    response.destroy(); // The client left, or Node answered 400 to invalid HTTP.
    return;
  }
  let answer: Answer;
  try {
    answer = await exchange(options.serve, requestOf(incoming, body));
  } catch (error) {
    if (!(error instanceof ConnectionDropped)) throw error;
    incoming.socket.destroy();
    return;
  }
  try {
    write(response, answer);
  } catch (error) {
    console.error("A stand-in gave an answer that is not valid HTTP:", error);
    write(response, { status: 500, body: "" });
  }
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) }).end(body);
}

type Body = Pick<RawRequest, "body" | "bodyTooLarge">;

async function readBody(incoming: IncomingMessage, maxBodyBytes: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= maxBodyBytes) chunks.push(chunk);
  }
  return { body: Buffer.concat(chunks), bodyTooLarge: length > maxBodyBytes };
}

function requestOf(incoming: IncomingMessage, body: Body): RawRequest {
  return {
    method: incoming.method ?? "GET",
    target: originForm(incoming.url ?? "/"),
    headers: pairs(incoming.rawHeaders),
    ...body,
    sourceIp: incoming.socket.remoteAddress ?? "127.0.0.1",
  };
}

/** A server must accept `http://host/path` for `/path`: RFC 9112, section 3.2.2. */
function originForm(target: string): string {
  const withoutHost = target.replace(/^https?:\/\/[^/?]*/i, "");
  return withoutHost.startsWith("/") || withoutHost === target ? withoutHost : `/${withoutHost}`;
}

function pairs(rawHeaders: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    result.push([rawHeaders[i] ?? "", rawHeaders[i + 1] ?? ""]);
  }
  return result;
}

function explain(cause: unknown, { port, what }: { readonly port: number; readonly what: string }): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EADDRINUSE")
    return `Port ${port} for ${what} is in use: stop the program that uses it, or choose another port.`;
  if (code === "EACCES") return `Port ${port} for ${what} is not permitted: choose a port above 1023.`;
  return `Port ${port} for ${what} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}.`;
}
