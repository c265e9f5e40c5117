import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { ErrorCode, ErrorResponse, TokenResponse } from "../../lib/http/wire.ts";

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The client's. Each connection has another one. */
  readonly port: number | undefined;
}

/** How the server behaves for one request. */
export type Behaviour = (
  response: ServerResponse,
  request: IncomingMessage,
  n: number,
  body?: string,
) => void;

/**
 * A token vendor on loopback that misbehaves as told: the n-th request meets the n-th behaviour,
 * later ones the last. It checks no signature; test/e2e has the real gateway for that.
 */
export async function startVendor(behaviours: readonly Behaviour[], now: () => number = Date.now) {
  const requests: ReceivedRequest[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { method = "", url: path = "", headers } = request;
      requests.push({ method, path, headers, body, port: request.socket.remotePort });
      response.setHeader("date", new Date(now()).toUTCString());
      behaviours[Math.min(requests.length, behaviours.length) - 1]?.(
        response,
        request,
        requests.length,
        body,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/prod`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `token-1`, `token-2`, …, by the number of the request, of what was asked for. */
export const vends =
  (expiresIn = 300, now: () => number = Date.now): Behaviour =>
  (response, request, n, body = "") => {
    const { account_id = 1234567 } = JSON.parse(body || "{}") as { account_id?: number };
    json(response, 200, {
      access_token: `token-${n}`,
      token_type: "Bearer",
      expires_in: expiresIn,
      expires_at: new Date(now() + expiresIn * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
      service_account: request.url?.split("/").at(-2) ?? "",
      account_id,
    } satisfies TokenResponse);
  };

export const refuses =
  (status: number, error: ErrorCode, description: string, headers: Record<string, string> = {}): Behaviour =>
  (response, _request, n) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    json(response, status, {
      error,
      error_description: description,
      request_id: `request-${n}`,
    } satisfies ErrorResponse);
  };

export const answers =
  (status: number, body: string, headers: Record<string, string> = {}): Behaviour =>
  (response) => {
    response.writeHead(status, headers).end(body);
  };

/** The headers arrive, and the beginning of the body; then the connection is cut. */
export const resetsMidBody: Behaviour = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "500" });
  response.write('{"access_token": "eyJh', () => response.destroy());
};

export const hangs: Behaviour = () => undefined;

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
