import { ConnectionDropped, exchange, type Serve, untilAborted } from "../exchange.ts";

/**
 * A `fetch` that calls a stand-in in this process, without HTTP. It supports `signal` and
 * `redirect: "error"`, and rejects with a TypeError if an injected fault breaks the connection. It
 * follows no redirect.
 */
export function fetchFor(serve: Serve): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { pathname, search, host } = new URL(request.url);
    request.signal.throwIfAborted();
    const answering = exchange(serve, {
      method: request.method,
      target: pathname + search,
      headers: [...request.headers, ["host", host]],
      body: Buffer.from(await request.arrayBuffer()),
      bodyTooLarge: false,
      sourceIp: "127.0.0.1",
    }).catch((cause: unknown) => {
      throw cause instanceof ConnectionDropped ? new TypeError("fetch failed", { cause }) : cause;
    });
    const { status, headers = {}, body } = await untilAborted(answering, request.signal);
    if (status >= 300 && status < 400 && request.redirect !== "manual") {
      throw new TypeError("fetch failed", { cause: new Error("unexpected redirect") });
    }
    const pairs = Object.entries(headers).flatMap(([name, values]) =>
      [values].flat().map((value): [string, string] => [name, value]),
    );
    return new Response(
      status === 204 || status === 304 ? null : Uint8Array.from(Buffer.from(body as string)),
      {
        status,
        headers: pairs,
      },
    );
  };
}
