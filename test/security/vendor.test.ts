import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { createMethodCaller, createTokenProvider, fetchEntitlements } from "../../lib/client/index.ts";
import type { TokenResponse } from "../../lib/http/wire.ts";
import { setUpCli } from "../cli/set-up.ts";
import { credentials, failureOf, setUp } from "../client/set-up.ts";
import { answers, type Behaviour, refuses, startVendor } from "../fakes/vendor-server.ts";

/** A service in other hands: what it answers must not harm its caller. */

const token: TokenResponse = {
  access_token: "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2lnbmF0dXJl",
  token_type: "Bearer",
  expires_in: 300,
  expires_at: "2026-11-24T12:05:00Z",
  service_account: "outbound-calls",
  account_id: 1234567,
};
const json = { "content-type": "application/json" };
const says = (change: object, headers = json) =>
  answers(200, JSON.stringify({ ...token, ...change }), headers);
const saysText = (text: string) => answers(200, text, json);
const ESC = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u007f\r\u0000";
/** What may stand in a terminal: lines of text. */
const PRINTABLE = /^[^\p{Cc}]*(\n[^\p{Cc}]*)*$/u;

async function answerOf(behaviour: Behaviour, options: Parameters<typeof setUp>[1] = {}) {
  const { getToken, ...rest } = await setUp([behaviour], { rounds: 1, ...options });
  return { error: await failureOf(getToken()), ...rest };
}

describe("an answer that is not a token of what was asked for", () => {
  it.each<[string, object]>([
    ["another service account", { service_account: "call-history" }],
    ["a service account in another case", { service_account: "Outbound-Calls" }],
    ["expires_in of 1e9", { expires_in: 1e9 }],
    ["expires_in of more than an hour", { expires_in: 3601 }],
    ["negative expires_in", { expires_in: -300 }],
    ["expires_in of zero", { expires_in: 0 }],
    ["fractional expires_in", { expires_in: 0.5 }],
    ["expires_in as text", { expires_in: "900" }],
    ["expires_in of null, as JSON writes NaN", { expires_in: NaN }],
    ["expires_at that is no date", { expires_at: "tomorrow" }],
    ["another token type", { token_type: "Basic" }],
    ["an empty token", { access_token: "" }],
    ["a token with another header behind it", { access_token: `${token.access_token}\r\nX-Evil: 1` }],
    ["a token with a line feed at its end", { access_token: `${token.access_token}\n` }],
    ["a token with a blank", { access_token: `${token.access_token} x` }],
    ["a token that steers a terminal", { access_token: ESC }],
    ["a token outside ASCII", { access_token: "tökén" }],
    ["a token that is a list", { access_token: [token.access_token] }],
    ["members of its prototype alone", { access_token: undefined, ["__proto__"]: token }],
  ])("is refused, and nothing quotes it: %s", async (_, change) => {
    const { error, vendor } = await answerOf(says(change));
    expect(error.code).toBe("invalid_response");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/eyJ|Evil|owned/);
    expect(vendor.requests).toHaveLength(1);
  });

  it("is refused if it is for another account than the child account", async () => {
    const { error } = await answerOf(says({ account_id: 1234567 }), { accountId: 7654321 });
    expect(error.code).toBe("invalid_response");
  });

  it.each([
    ["NaN", '{"expires_in": NaN}'],
    ["two documents", `${JSON.stringify(token)}${JSON.stringify(token)}`],
    ["a list", JSON.stringify([token])],
    ["a prototype", `{"__proto__": ${JSON.stringify(token)}}`],
    ["a constructor", `{"constructor": {"prototype": ${JSON.stringify(token)}}}`],
    ["deep nesting", "[".repeat(60_000)],
  ])("is refused, and changes no prototype: %s", async (_, text) => {
    expect((await answerOf(saysText(text))).error.code).toBe("invalid_response");
    expect(Object.prototype).not.toHaveProperty("access_token");
    expect({}).not.toHaveProperty("expires_in");
  });
});

describe("an answer with a token", () => {
  it("is read as JSON reads it if members stand twice", async () => {
    const text = JSON.stringify(token);
    const twice = (member: string) => `${text.slice(0, -1)},${member}}`;
    const { getToken } = await setUp([saysText(twice('"access_token":"second"'))]);
    expect(await getToken()).toMatchObject({ accessToken: "second" });
    const { error } = await answerOf(saysText(twice('"service_account":"call-history"')));
    expect(error.code).toBe("invalid_response");
  });

  it.each(["text/html", "application/octet-stream", "text/event-stream", "multipart/mixed"])(
    "is read by its body alone, whatever the content type: %s",
    async (type) => {
      const { getToken } = await setUp([says({}, { "content-type": type })]);
      expect(await getToken()).toMatchObject({ accessToken: token.access_token });
    },
  );
});

describe("a redirect", () => {
  it.each([300, 301, 302, 303, 305, 307, 308])(
    "sends nothing elsewhere, neither for a token, a list nor a call: %i",
    async (status) => {
      const elsewhere = await startVendor([says({})]);
      onTestFinished(elsewhere.close);
      const location = `${elsewhere.url}/v1/service-accounts/outbound-calls/token`;
      const headers = { location, refresh: `0; url=${location}`, "content-location": location };
      const { error, vendor } = await answerOf(answers(status, "", headers));
      expect(error.code).toBe("invalid_response");
      const options = { url: vendor.url, credentials, region: "us-east-1", rounds: 1 };
      expect((await failureOf(fetchEntitlements(options))).code).toBe("invalid_response");
      const call = createMethodCaller({ ...options, serviceAccount: "outbound-calls" });
      expect((await failureOf(call("GetCallHistory"))).code).toBe("invalid_response");
      expect(elsewhere.requests).toEqual([]);
      expect(vendor.requests).toHaveLength(3);
    },
  );
});

describe("an answer without end", () => {
  const ATTEMPT_MS = 300;

  /** A server that writes for as long as it is listened to, and how much it could write. */
  async function flood(begin: (response: ServerResponse) => void, chunk: Buffer, everyMs?: number) {
    let written = 0;
    const server = createServer((_, response) => {
      begin(response);
      const write = () => {
        if (response.destroyed) return;
        written += chunk.length;
        const hasRoom = response.write(chunk);
        if (everyMs !== undefined) setTimeout(write, everyMs);
        else if (hasRoom) setImmediate(write);
        else response.once("drain", write);
      };
      write();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const getToken = createTokenProvider({
      ...{ url: `http://127.0.0.1:${port}/prod`, serviceAccount: "outbound-calls", credentials },
      ...{ region: "us-east-1", rounds: 1, attemptTimeoutMs: ATTEMPT_MS },
    });
    const began = performance.now();
    const { code } = await failureOf(getToken());
    return { code, tookMs: performance.now() - began, written };
  }

  it("is read up to 64 KiB, and the connection ends", async () => {
    const { code, written } = await flood(
      (response) => response.writeHead(200, json),
      Buffer.alloc(64 * 1024, "x"),
    );
    expect(code).toBe("invalid_response");
    // What the system's buffers hold was written before the client hung up.
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  it("is read up to 64 KiB when it is unpacked", async () => {
    const packed = gzipSync(Buffer.alloc(32 * 1024 * 1024, " "));
    expect(packed.length).toBeLessThan(40_000);
    const { error } = await answerOf((response) => {
      response.writeHead(200, { ...json, "content-encoding": "gzip" }).end(packed);
    });
    expect(error.message).toMatch(/more than 65536 bytes/);
  });

  it("is given up in time if it comes byte by byte", async () => {
    const { code, tookMs } = await flood((response) => response.writeHead(200, json), Buffer.from(" "), 10);
    expect(code).toBe("timeout");
    expect(tookMs).toBeLessThan(ATTEMPT_MS + 2000);
  });

  it("is given up if its headers have no end", async () => {
    const { error } = await answerOf((response) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\n${`X-A: ${"a".repeat(1000)}\r\n`.repeat(100)}`);
    });
    expect(["network", "timeout"]).toContain(error.code);
  });
});

describe("Retry-After", () => {
  it.each(["31536000", "999999999", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "-1", "1e9"])(
    "never keeps a caller beyond its time: %s",
    async (value) => {
      const throttled = refuses(429, "throttled", "later", { "retry-after": value });
      const { clock, getToken } = await setUp([throttled]);
      expect(await failureOf(getToken())).toMatchObject({ code: "throttled" });
      expect(clock.slept.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(15_000);
    },
  );

  it("of a year does not keep a token in use beyond its end", async () => {
    const { clock, vendor, getToken } = await setUp([
      says({}),
      refuses(429, "throttled", "later", { "retry-after": "31536000" }),
      says({ access_token: "second" }),
    ]);
    await getToken();
    clock.advance(295_000);
    expect(await getToken()).toMatchObject({ accessToken: token.access_token });
    clock.advance(5_000);
    expect(await getToken()).toMatchObject({ accessToken: "second" });
    expect(vendor.requests).toHaveLength(3);
  });
});

describe("a text that steers a terminal", () => {
  const list = { principal: "arn", service_accounts: [{ name: "x", child_account_ids: [], methods: ["a"] }] };
  const [account] = list.service_accounts;
  it.each<[string, string[], Behaviour]>([
    ["the description of an error", ["token", "x"], refuses(403, "access_denied", `no${ESC}`)],
    ["API Gateway's message", ["token", "x"], answers(403, JSON.stringify({ message: `no${ESC}` }))],
    [
      "an error that is unknown",
      ["token", "x"],
      answers(418, JSON.stringify({ error: ESC, request_id: ESC })),
    ],
    ["a token", ["token", "outbound-calls"], says({ access_token: `a${ESC}` })],
    ["a token's fields", ["token", "outbound-calls", "-o", "json"], says({ expires_at: ESC })],
    ["an account's name", ["token", "outbound-calls", "-o", "json"], says({ service_account: ESC })],
    ["a principal", ["whoami"], saysText(JSON.stringify({ ...list, principal: ESC }))],
    ["a principal, as JSON", ["whoami", "-o", "json"], saysText(JSON.stringify({ ...list, principal: ESC }))],
    [
      "the name of a service account",
      ["whoami"],
      saysText(JSON.stringify({ ...list, service_accounts: [{ ...account, name: ESC }] })),
    ],
    [
      "the name of a method",
      ["whoami"],
      saysText(JSON.stringify({ ...list, service_accounts: [{ ...account, methods: [ESC] }] })),
    ],
    [
      "a platform's error",
      ["call", "x", "StartScenarios"],
      saysText(JSON.stringify({ error: { code: 1, msg: ESC } })),
    ],
    ["a platform's result", ["call", "x", "StartScenarios"], saysText(JSON.stringify({ result: ESC }))],
    ["doctor's principal", ["doctor"], saysText(JSON.stringify({ ...list, principal: ESC }))],
    ["a verbose refusal", ["token", "x", "-v"], refuses(403, "access_denied", `no${ESC}`)],
  ])("reaches neither stdout nor stderr: %s", async (_, args, behaviour) => {
    const { run } = await setUpCli([behaviour]);
    const { out, err } = await run([...args, ...(args[0] === "doctor" ? [] : ["--timeout", "5"])]);
    expect(out + err).not.toBe("");
    expect(out).toMatch(PRINTABLE);
    expect(err).toMatch(PRINTABLE);
  });
});
