import { HttpResponse, type HttpHandler } from "@smithy/core/protocols";
import { exchange, type RawRequest, type Serve, untilAborted } from "../exchange.ts";

/**
 * Lets the unmodified AWS SDK call a stand-in in this process, without HTTP: `new
 * SecretsManagerClient({ region, credentials, requestHandler })`.
 *
 * `handle` rejects with `ECONNRESET` if an injected fault breaks the connection, as the SDK's own
 * handler does.
 */
export function requestHandlerFor(serve: Serve): HttpHandler {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request, options) {
      const raw: RawRequest = {
        method: request.method,
        target: request.path,
        headers: Object.entries(request.headers),
        body: bytesOf(request.body),
        bodyTooLarge: false,
        sourceIp: "127.0.0.1",
      };
      const signal = options?.abortSignal;
      if (signal?.aborted === true) throw abortError();
      const answering = exchange(serve, raw);
      const answer = signal instanceof AbortSignal ? untilAborted(answering, signal) : answering;
      const {
        status,
        headers = {},
        body,
      } = await answer.catch((error: unknown) => {
        throw signal?.aborted === true ? abortError() : error;
      });
      return {
        response: new HttpResponse({
          statusCode: status,
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
          ),
          body: Buffer.from(body as string),
        }),
      };
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined,
  };
}

/**
 * Bytes are not passed to `Buffer.from(body)`: the SDK warns when its own kind of Uint8Array is
 * treated as a string.
 */
function bytesOf(body: unknown): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(typeof body === "string" ? body : "");
}

/** Like the error of the SDK's own handlers. */
function abortError(): Error {
  return Object.assign(new Error("Request aborted"), { name: "AbortError" });
}
