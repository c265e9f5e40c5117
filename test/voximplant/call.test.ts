import { describe, expect, it } from "vitest";

import { callMethod } from "../../lib/voximplant/call.ts";
import type { Connection } from "../../lib/voximplant/connection.ts";
import { isRefusal, VoximplantError, VoximplantUnavailableError } from "../../lib/voximplant/errors.ts";

type Answer = (request: Request) => Response | Promise<Response>;

/**
 * A platform that gives these answers, one after the other, and a clock that moves by what is
 * slept.
 */
function connect(answers: readonly Answer[], options: Partial<Connection> = {}) {
  const requests: Request[] = [];
  const pauses: number[] = [];
  let now = Date.UTC(2026, 10, 24);
  const connection = {
    url: "https://api.example/platform_api",
    fetch: async (input, init) => {
      const request = new Request(input, init);
      requests.push(request);
      const answer = answers[requests.length - 1];
      if (answer === undefined) throw new Error("the test has no further answer");
      return await answer(request);
    },
    now: () => now,
    sleep: (milliseconds) => {
      pauses.push(milliseconds);
      now += milliseconds;
      return Promise.resolve();
    },
    random: () => 1,
    ...options,
  } satisfies Connection;
  const call = (repeatable = true) =>
    callMethod(connection, { token: "a.b.c" }, "GetKeys", { count: 2, key_id: undefined }, { repeatable });
  return { call, connection, requests, pauses };
}

const json =
  (body: unknown, status = 200) =>
  () =>
    Response.json(body, { status });
const refused = (code: number, status = 200) => json({ error: { code, msg: "No." } }, status);
const lost = () => Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNRESET") }));
const done = json({ result: 1 });

describe("a call of the Management API", () => {
  it("is a POST of a form with the token in the header, and omits undefined parameters", async () => {
    const { call, requests } = connect([json({ result: [], total_count: 0 })]);
    await expect(call()).resolves.toEqual({ result: [], total_count: 0 });
    const [request] = requests;
    expect(request?.url).toBe("https://api.example/platform_api/GetKeys");
    expect(request?.method).toBe("POST");
    expect(request?.headers.get("authorization")).toBe("Bearer a.b.c");
    expect(request?.redirect).toBe("manual");
    await expect(request?.text()).resolves.toBe("count=2");
  });

  it("sends the deprecated API key in the form, and no header", async () => {
    const { connection, requests } = connect([done]);
    const authorization = { accountId: 7, apiKey: "k" };
    await callMethod(connection, authorization, "GetRoles", {}, { repeatable: true });
    expect(requests[0]?.headers.has("authorization")).toBe(false);
    await expect(requests[0]?.text()).resolves.toBe("account_id=7&api_key=k");
  });

  it.each([200, 400, 401, 403, 500])(
    "reads an error's code whatever the status (HTTP %i)",
    async (status) => {
      const error = await connect([refused(433, status)])
        .call()
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(VoximplantError);
      expect(error).toMatchObject({ code: 433, codeName: "invalidKeyId", method: "GetKeys" });
      expect(isRefusal(error, "invalidKeyId")).toBe(true);
      expect(isRefusal(error, "forbidden")).toBe(false);
    },
  );

  it("reads the plural form of an error too, and keeps an unknown code", async () => {
    const { call } = connect([json({ errors: [{ code: 9999, msg: "New." }] })]);
    await expect(call()).rejects.toMatchObject({ code: 9999, codeName: undefined });
  });

  it.each([
    ["error 340", refused(340)],
    ["HTTP 429 without a body to read", () => new Response("slow down", { status: 429 })],
  ])("waits and repeats any method after %s, because nothing was done", async (_, answer) => {
    const { call, pauses } = connect([answer, answer, done]);
    await expect(call(false)).resolves.toEqual({ result: 1 });
    expect(pauses).toEqual([500, 1000]);
  });

  it.each([
    ["error 515", refused(515)],
    ["a lost connection", lost],
    ["a gateway's page", () => new Response("<html>", { status: 502 })],
    ["an answer with neither result nor error", json({})],
  ])("repeats only a repeatable method after %s", async (_, answer) => {
    await expect(connect([answer, done]).call(true)).resolves.toEqual({ result: 1 });
    const once = connect([answer, done]);
    await expect(once.call(false)).rejects.toThrow();
    expect(once.requests).toHaveLength(1);
  });

  it("does not repeat after any other refusal", async () => {
    const { call, requests } = connect([refused(104), done]);
    await expect(call()).rejects.toMatchObject({ codeName: "forbidden" });
    expect(requests).toHaveLength(1);
  });

  it("gives up after five attempts with the last error", async () => {
    const { call, requests } = connect([lost, lost, lost, lost, lost, done]);
    const error = await call().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(VoximplantUnavailableError);
    expect(String(error)).toContain("ECONNRESET");
    expect(requests).toHaveLength(5);
  });

  it("waits no longer than its deadline", async () => {
    const { call, pauses } = connect([refused(340), refused(340), refused(340), done], { deadlineMs: 1_600 });
    await expect(call()).rejects.toMatchObject({ codeName: "rateLimited" });
    expect(pauses).toEqual([500, 1000]);
  });

  it("abandons an attempt that is not answered in time", async () => {
    const hang: Answer = (request) =>
      new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => {
          reject(new Error("aborted"));
        });
      });
    const { call } = connect([hang, done], { attemptTimeoutMs: 20 });
    await expect(call(false)).rejects.toThrow("no answer in time");
  });

  it("refuses an answer above the size limit without quoting it", async () => {
    const secret = "-----BEGIN PRIVATE KEY-----";
    const { call } = connect([json({ result: secret.repeat(100) })], { maxResponseBytes: 1000 });
    const error = await call(false).catch((e: unknown) => e);
    expect(String(error)).toContain("larger than 1000 bytes");
    expect(String(error)).not.toContain("BEGIN");
  });
});

it("an abort during a pause ends the call with the last refusal", async () => {
  const aborter = new AbortController();
  const refusal = json({ error: { code: 340, msg: "Slow down." } });
  const { call, requests } = connect([refusal, refusal], {
    signal: aborter.signal,
    sleep: () => {
      aborter.abort();
      return new Promise(() => undefined);
    },
  });
  await expect(call()).rejects.toMatchObject({ name: "VoximplantError", code: 340 });
  expect(requests).toHaveLength(1);
});
