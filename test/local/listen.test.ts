import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, it, vi } from "vitest";
import { type Call, type RawRequest, UnreadableRequest } from "../../local/exchange.ts";
import { listen, type Listening } from "../../local/listen.ts";
import { startSecretsManager } from "../../local/secrets-manager/server.ts";
import { startManagementApi } from "../../local/voximplant/server.ts";

let server: Listening | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await server?.close();
});

const silence = () => vi.spyOn(console, "error").mockImplementation(() => undefined);

async function start(serve: (request: RawRequest) => Call): Promise<string> {
  server = await listen({ port: 0, what: "a stand-in", maxBodyBytes: 10, serve });
  return server.url;
}

/** Byte for byte: `fetch` tidies a target before it sends it. */
const raw = (port: number, target: string, method = "GET") =>
  sendBytes(port, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);

async function sendBytes(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(bytes);
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, "close");
  return answer;
}

it.each([
  [
    "before it answers",
    (): Call => {
      throw new Error("a bug");
    },
  ],
  ["while it answers", (): Call => ({ fault: undefined, answer: () => Promise.reject(new Error("a bug")) })],
])("a stand-in that fails %s prints the error and answers 500", async (_, serve) => {
  const printed = silence();
  const answer = await fetch(await start(serve), { method: "POST", body: "x" });
  expect(answer.status).toBe(500);
  expect(printed.mock.calls.flat()).toContainEqual(new Error("a bug"));
});

it("a stand-in whose answer HTTP cannot transmit prints the error and answers 500", async () => {
  const printed = silence();
  const url = await start(() => ({
    fault: undefined,
    answer: () => ({ status: 200, headers: { a: "\n" }, body: "" }),
  }));
  expect((await fetch(url)).status).toBe(500);
  expect(printed).toHaveBeenCalledOnce();
});

it("a stand-in answers 400 with the reason to a request that it cannot read", async () => {
  silence();
  const url = await start(() => {
    throw new UnreadableRequest("The body is not a multipart form.");
  });
  const answer = await fetch(url);
  expect([answer.status, await answer.json()]).toEqual([
    400,
    { message: "The body is not a multipart form." },
  ]);
});

it("both stand-ins answer 400 to a body of more than 1 MiB", async () => {
  silence();
  const platform = await startManagementApi({ accounts: [{ accountId: 1 }] });
  const secrets = await startSecretsManager();
  for (const url of [platform.apiUrl, secrets.url]) {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const answer = await fetch(url, { method: "POST", headers, body: "x".repeat(1024 * 1024 + 1) });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { message: "The body is larger than 1 MiB." },
    ]);
  }
  await Promise.all([platform.close(), secrets.close()]);
});

it("a stand-in prints no query of a request, which may hold a key", async () => {
  const printed = silence();
  const url = await start(() => {
    throw new Error("a bug");
  });
  await fetch(`${url}/x?api_key=secret`);
  expect(printed.mock.calls.flat().join()).toContain("/x");
  expect(printed.mock.calls.flat().join()).not.toContain("secret");
});

it.each([
  ["http://localhost/a/b?c=d", "/a/b?c=d"],
  ["HTTP://localhost:80//a", "//a"],
  ["http://localhost", "/"],
  ["http://localhost?c=d", "/?c=d"],
  ["/a?http://localhost/b", "/a?http://localhost/b"],
])("a stand-in reads the target %s as %s", async (target, path) => {
  let seen: string | undefined;
  await start((request) => {
    seen = request.target;
    return { fault: undefined, answer: () => ({ status: 200, body: "" }) };
  });
  expect(await raw(server?.port ?? 0, target)).toMatch(/^HTTP\/1\.1 200 /);
  expect(seen).toBe(path);
});

const POST = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

it.each([
  ["a Content-Length that is not a number", `${POST}Content-Length: x\r\n\r\n`],
  ["two Content-Lengths", `${POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
  [
    "both Content-Length and chunks",
    `${POST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ["a body shorter than its Content-Length", `${POST}Content-Length: 9\r\n\r\nab`],
  ["a broken chunk", `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n`],
  ["a header without a colon", `${POST}header\r\n\r\n`],
  ["a control character in a header", `${POST}a: \u0001\r\n\r\n`],
  ["no Host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"],
  ["an unknown method", "FETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["CONNECT", "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n"],
  ["no HTTP at all", "hello\r\n\r\n"],
])("a stand-in answers 400 to a request with %s, and continues to serve", async (_, bytes) => {
  const url = await start(() => ({ fault: undefined, answer: () => ({ status: 204, body: "" }) }));
  expect(await sendBytes(server?.port ?? 0, bytes)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect((await fetch(url)).status).toBe(204);
});

it("a stand-in prints nothing if a client disconnects while it sends, and continues to serve", async () => {
  const printed = silence();
  const url = await start(() => ({ fault: undefined, answer: () => ({ status: 204, body: "" }) }));
  const socket = connect(server?.port ?? 0, "127.0.0.1");
  socket.write(`${POST}Content-Length: 9\r\n\r\nab`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.destroy();
  expect((await fetch(url)).status).toBe(204);
  expect(printed).not.toHaveBeenCalled();
});

it("a stand-in prints nothing if an injected fault drops the connection", async () => {
  const printed = silence();
  const url = await start(() => ({ fault: { drop: "after" }, answer: () => ({ status: 200, body: "" }) }));
  await expect(fetch(url)).rejects.toThrow();
  expect(printed).not.toHaveBeenCalled();
});

it.each(["//", "//x", "/%", "/?%"])("both stand-ins answer a request whose target is %s", async (target) => {
  const printed = silence();
  const platform = await startManagementApi({ accounts: [{ accountId: 1 }] });
  const secrets = await startSecretsManager();
  expect(await raw(platform.port, target)).toMatch(/^HTTP\/1\.1 200 [^]*"code":100/);
  expect(await raw(secrets.port, target)).toMatch(/^HTTP\/1\.1 400 [^]*UnknownOperationException/);
  expect(printed).not.toHaveBeenCalled();
  await Promise.all([platform.close(), secrets.close()]);
});
