import { request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { importPKCS8, SignJWT } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { TokenError } from "../../lib/client/errors.ts";
import type { TokenProvider } from "../../lib/client/token-provider.ts";
import { vendedToken } from "../../lib/client/token-provider.ts";
import { createVoximplantFetch } from "../../lib/client/voximplant-fetch.ts";
import { createTokenProxy } from "../../lib/serve/server.ts";
import { makeThrowawayKey, type ThrowawayKey } from "../../lib/serve/throwaway-key.ts";

const ACCOUNT = 1234567;
const key = await makeThrowawayKey(ACCOUNT);
const { key_id: keyId } = JSON.parse(key.credentialsFile) as { key_id: string };
const stranger = await makeThrowawayKey(ACCOUNT);

/** A token as an official client signs it, changed as the test says. */
async function sign(
  of: ThrowawayKey = key,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { private_key, key_id } = JSON.parse(of.credentialsFile) as { private_key: string; key_id: string };
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: ACCOUNT, iat: now, exp: now + 64, ...claims } as never)
    .setProtectedHeader({ alg: "RS256", kid: key_id, ...header })
    .sign(await importPKCS8(private_key, "RS256"));
}

const vended = (name: string) =>
  vendedToken({
    access_token: name,
    token_type: "Bearer",
    expires_in: 300,
    expires_at: new Date(Date.now() + 300_000).toISOString(),
    service_account: "call-history",
    account_id: ACCOUNT,
  });

/** The proxy before a Management API that answers with `respond`. */
async function start(
  respond: (request: Request) => Response | Promise<Response> = () => Response.json({ result: 1 }),
  getToken: TokenProvider = () => Promise.resolve(vended("the-vended-token")),
) {
  const seen: Request[] = [];
  const lines: string[] = [];
  const apiUrl = "https://api.voximplant.com/platform_api";
  const upstream: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    seen.push(request.clone());
    return respond(request);
  };
  const server = createTokenProxy({
    forward: createVoximplantFetch(getToken, { apiUrl, runtime: { fetch: upstream } }),
    checkHealth: getToken,
    key,
    apiUrl,
    log: (line) => lines.push(line),
    monotonic: () => performance.now(),
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  /** By node:http, which lets a test choose every header. */
  const send = (path: string, headers: Record<string, string>, method = "POST", body = "a=1") =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = sendRequest({ host: "127.0.0.1", port, path, method, headers }, (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => (text += chunk));
        incoming.on("end", () => {
          resolve({ status: incoming.statusCode ?? 0, text });
        });
        incoming.on("error", reject);
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  return { port, send, seen, lines };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const form = { "content-type": "application/x-www-form-urlencoded" };

describe("a request signed by the throwaway key", () => {
  it("reaches the Management API with the vended token, the same body and query, and no other identity", async () => {
    const { send, seen } = await start();
    const own = await sign();
    const { status, text } = await send("/platform_api/GetKeys?count=2", {
      ...bearer(own),
      ...form,
      cookie: "a=b",
      connection: "close, x-hop",
      "x-hop": "1",
    });
    expect({ status, text }).toEqual({ status: 200, text: '{"result":1}' });
    const [request] = seen;
    expect(request?.url).toBe("https://api.voximplant.com/platform_api/GetKeys?count=2");
    expect(request?.method).toBe("POST");
    expect(Object.fromEntries(request?.headers ?? [])).toMatchObject({
      authorization: "Bearer the-vended-token",
      ...form,
    });
    for (const name of ["cookie", "x-hop", "host"]) expect(request?.headers.has(name)).toBe(false);
    expect(await request?.text()).toBe("a=1");
  });

  it.each([
    ["as a string in iss", { iss: String(ACCOUNT) }],
    ["five seconds back-dated", { iat: Math.floor(Date.now() / 1000) - 5 }],
    ["with nbf and an hour to live", { nbf: 1, exp: Math.floor(Date.now() / 1000) + 3600 }],
  ])("is accepted %s, as some official clients sign it", async (_, claims) => {
    const { send } = await start();
    expect(await send("/platform_api", bearer(await sign(key, claims)))).toMatchObject({ status: 200 });
  });

  it("gets the platform's answer unchanged", async () => {
    const { send } = await start(
      () => new Response("date;cost\n", { status: 206, headers: { "content-type": "text/csv" } }),
    );
    expect(await send("/platform_api/GetReport", bearer(await sign()))).toEqual({
      status: 206,
      text: "date;cost\n",
    });
  });

  it("is repeated with a new token if the platform refuses the first one", async () => {
    const tokens = ["refused", "renewed"];
    const { send, seen } = await start(
      (request) =>
        request.headers.get("authorization") === "Bearer refused"
          ? Response.json({ error: { code: 456, msg: "expired" } })
          : Response.json({ result: 2 }),
      () => Promise.resolve(vended(tokens.shift() ?? "none")),
    );
    expect((await send("/platform_api/GetKeys", bearer(await sign()))).text).toBe('{"result":2}');
    expect(await seen[1]?.text()).toBe("a=1");
  });

  it("is answered as a stream: the first part arrives before the last one exists", async () => {
    let finish: () => void = () => undefined;
    const { port } = await start(
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            start(controller) {
              controller.enqueue(Buffer.from("first"));
              finish = () => {
                controller.enqueue(Buffer.from("last"));
                controller.close();
              };
            },
          }),
          { headers: { "content-type": "application/octet-stream" } },
        ),
    );
    const response = await fetch(`http://127.0.0.1:${port}/platform_api/GetRecord`, {
      method: "POST",
      headers: bearer(await sign()),
    });
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("first");
    finish();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("last");
  });
});

const token = await sign();
const now = Math.floor(Date.now() / 1000);
const refused: readonly (readonly [string, number, string, Record<string, string>])[] = [
  ["a request without a token", 401, "/platform_api", {}],
  ["a token of a run before", 401, "/platform_api", bearer(await sign(stranger))],
  [
    "a token of another key under our key id",
    401,
    "/platform_api",
    bearer(await sign(stranger, {}, { kid: keyId })),
  ],
  ["a token under another key id", 401, "/platform_api", bearer(await sign(key, {}, { kid: "other" }))],
  ["an expired token", 401, "/platform_api", bearer(await sign(key, { iat: now - 100, exp: now - 36 }))],
  ["a token from the future", 401, "/platform_api", bearer(await sign(key, { iat: now + 60 }))],
  ["a token without an end", 401, "/platform_api", bearer(await sign(key, { exp: undefined }))],
  ["a token for another account", 401, "/platform_api", bearer(await sign(key, { iss: 7654321 }))],
  ["a token without a signature", 401, "/platform_api", bearer(`${token.split(".").slice(0, 2).join(".")}.`)],
  ["a Host of a website", 403, "/platform_api", { ...bearer(token), host: "evil.example.com" }],
  [
    "a Host that begins like this machine",
    403,
    "/platform_api",
    { ...bearer(token), host: "127.0.0.1.example.com" },
  ],
  ["a Host with a user", 403, "/platform_api", { ...bearer(token), host: "127.0.0.1@example.com" }],
  ["a request of a web page", 403, "/platform_api", { ...bearer(token), origin: "http://127.0.0.1" }],
  ["a forwarded request", 403, "/platform_api", { ...bearer(token), "x-forwarded-for": "10.0.0.1" }],
  ...["x-forwarded", "x-client-ip", "true-client-ip", "cf-connecting-ip"].map(
    (name) =>
      [`a request with ${name}`, 403, "/platform_api", { ...bearer(token), [name]: "10.0.0.1" }] as const,
  ),
  ["a request by way of a proxy", 403, "/platform_api", { ...bearer(token), via: "1.1 proxy" }],
  ["another path", 404, "/", bearer(token)],
  ["a path that leaves the API", 404, "/platform_api/../secret", bearer(token)],
  ["an encoded path", 404, "/platform_api/%2e%2e", bearer(token)],
  ["a whole URL as its target", 404, "http://evil.example.com/platform_api/GetKeys", bearer(token)],
  ["a health check from a website", 403, "/health", { host: "evil.example.com" }],
];

it.each(refused)("the server refuses %s, and forwards nothing", async (_, expected, path, headers) => {
  const { send, seen } = await start();
  const { status, text } = await send(path, headers);
  expect(status).toBe(expected);
  expect(JSON.parse(text)).toMatchObject({
    error: {
      code: expected === 401 ? 100 : 104,
      msg: expect.stringContaining("voxtoken serve: ") as string,
    },
    errors: [{ code: expected === 401 ? 100 : 104 }],
  });
  expect(text).not.toContain(token.slice(0, 40));
  expect(seen).toEqual([]);
});

it.each(["127.0.0.1", "127.0.0.1:80", "LocalHost:8790", "[::1]:8790"])(
  "the server accepts the Host of this machine: %s",
  async (host) => {
    const { send } = await start();
    expect(await send("/health", { host }, "GET", "")).toMatchObject({ status: 200 });
  },
);

describe("the server, if something fails,", () => {
  it.each([
    ["the grants refuse", new TokenError("access_denied", "no", { status: 403 }), 403, 100],
    ["the vendor cannot be reached", new TokenError("network", "refused"), 503, 500],
    ["the vendor's answer is invalid", new TokenError("invalid_response", "html"), 502, 500],
    ["the request is wrong", new TokenError("invalid_request", "count: appears twice"), 400, 500],
  ])("answers in the platform's shape: %s", async (_, error, status, code) => {
    const { send, seen } = await start(undefined, () => Promise.reject(error));
    const answer = await send("/platform_api/GetKeys", bearer(await sign()));
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code } });
    expect(answer.text).toContain(error.code);
    expect(seen).toEqual([]);
  });

  it.each([
    ["502 if the Management API cannot be reached", "connect", 502, "cannot be reached: ECONNREFUSED"],
    ["504 if an answer is lost", "read", 504, "gave no answer: ECONNREFUSED; the method may have run"],
  ])("answers %s, without the token", async (_, syscall, expected, message) => {
    const cause = Object.assign(new Error("ECONNREFUSED"), { code: "ECONNREFUSED", syscall });
    const { send, lines } = await start(() => Promise.reject(new TypeError("fetch failed", { cause })));
    const { status, text } = await send("/platform_api/GetKeys?secret=1", bearer(await sign()));
    expect(status).toBe(expected);
    expect(text).toContain(message);
    expect(text + lines.join()).not.toMatch(/vended-token|eyJ|secret/);
  });

  it("never answers 503 if a method that the service was to call may have run", async () => {
    const lost = new TokenError("internal_error", "…", { status: 500, mayHaveTakenEffect: true });
    const { send } = await start(undefined, () => Promise.reject(lost));
    const { status, text } = await send("/platform_api/StartScenarios", bearer(await sign()));
    expect(status).toBe(504);
    expect(text).toContain("the method may have run");
  });

  it("breaks the connection if the platform breaks off in the middle of an answer", async () => {
    const { send } = await start(
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            start(controller) {
              controller.enqueue(Buffer.from("half"));
              setTimeout(() => {
                controller.error(new Error("reset"));
              }, 20);
            },
          }),
        ),
    );
    await expect(send("/platform_api/GetKeys", bearer(await sign()))).rejects.toThrow();
  });
});

it("the server is healthy as long as it can get a token", async () => {
  let isWell = true;
  const { send } = await start(undefined, () =>
    isWell ? Promise.resolve(vended("t")) : Promise.reject(new TokenError("network", "refused")),
  );
  expect(await send("/health", {}, "GET", "")).toMatchObject({ status: 200 });
  isWell = false;
  expect(await send("/health", {}, "GET", "")).toMatchObject({ status: 503 });
});

it("the server logs one line for each request, without its query", async () => {
  const { send, lines } = await start();
  await send("/platform_api/GetKeys?key_id=1", bearer(await sign()));
  await send("/platform_api/GetKeys", {});
  expect(lines).toEqual([
    expect.stringMatching(/^POST \/platform_api\/GetKeys 200 \d+ ms$/),
    expect.stringMatching(/^POST \/platform_api\/GetKeys 401 \d+ ms$/),
  ]);
});
