import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { platformConnection } from "../../lib/voximplant/connection.ts";
import { forwardMethod } from "../../lib/voximplant/forward.ts";

const forward = (url: string) =>
  forwardMethod(platformConnection(url), "head.payload.signature", "StartScenarios", new Map(), 5_000);

describe("a call that is passed on", () => {
  it("goes over a connection of its own, and closes it", async () => {
    const ports: unknown[] = [];
    const server = createServer((request, response) => {
      ports.push([request.socket.remotePort, request.headers.connection]);
      response.end('{"result":1}');
    });
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (let i = 0; i < 3; i += 1) expect(await forward(url)).toEqual({ status: 200, body: '{"result":1}' });
    expect(new Set(ports.map((port) => JSON.stringify(port))).size).toBe(3);
    expect(JSON.stringify(ports)).toMatch(/"close".*"close".*"close"/);
  });

  it.each([
    ["connect", "platform_unavailable"],
    ["read", "platform_timeout"],
  ])("fails after an error of the system call %s as %s", async (syscall, reason) => {
    const cause = Object.assign(new Error("no"), { code: "EHOSTUNREACH", syscall });
    const fetch = () => Promise.reject(new TypeError("fetch failed", { cause }));
    const connection = { ...platformConnection("https://api.example"), fetch };
    const answer = forwardMethod(connection, "head.payload.signature", "StartScenarios", new Map(), 5_000);
    expect(await answer).toMatchObject({ reason });
  });

  it("is known not to have happened where nothing listens", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    expect(await forward(`http://127.0.0.1:${port}`)).toMatchObject({ reason: "platform_unavailable" });
  });

  it.each([
    ["its payload", '{"result":"payload"}'],
    ["its signature", '{"result":"x signature x"}'],
    ["its signature, escaped", String.raw`{"result":"signatur\u0065"}`],
  ])("returns no answer that repeats %s", async (_, body) => {
    const connection = {
      ...platformConnection("https://api.example"),
      fetch: () => Promise.resolve(new Response(body)),
    };
    expect(
      await forwardMethod(connection, "head.payload.signature", "StartScenarios", new Map(), 5_000),
    ).toEqual({
      reason: "platform_unavailable",
      detail: "HTTP 200, and the answer repeats the token",
    });
  });

  it("does not follow a redirect", async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(307, { Location: "/elsewhere" }).end('{"result":1}');
    });
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const answer = await forward(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const detail = "HTTP 307: redirects are not followed";
    expect(answer).toEqual({ reason: "platform_unavailable", detail });
    expect(asked).toBe(1);
  });
});
