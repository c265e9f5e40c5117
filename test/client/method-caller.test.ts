import { describe, expect, it, onTestFinished } from "vitest";
import {
  createMethodCaller,
  type MethodCallerOptions,
  TokenError,
  VoximplantError,
} from "../../lib/client/index.ts";
import { fakeClock } from "../fakes/clock.ts";
import { answers, type Behaviour, refuses, startVendor } from "../fakes/vendor-server.ts";
import { credentials, failureOf } from "./set-up.ts";

async function setUp(behaviours: readonly Behaviour[], options: Partial<MethodCallerOptions> = {}) {
  const clock = fakeClock();
  const vendor = await startVendor(behaviours, clock.runtime.now);
  onTestFinished(vendor.close);
  const call = createMethodCaller({
    url: vendor.url,
    serviceAccount: "outbound-calls",
    credentials,
    ...options,
    runtime: { ...clock.runtime, ...options.runtime },
  });
  return { vendor, call };
}

const json = (body: unknown, status = 200): Behaviour =>
  answers(status, JSON.stringify(body), { "content-type": "application/json" });
const done = json({ result: 1, call_session_history_id: 7 });
const hangsUp: Behaviour = (response) => void response.socket?.destroy();

describe("a method that the service calls", () => {
  it("is named in the path, with its parameters as JSON, and resolves to the whole answer", async () => {
    const { vendor, call } = await setUp([done]);
    const parameters = { rule_id: 42, call_list: [1, 2], with_calls: true, nothing: undefined };
    expect(await call("StartScenarios", parameters)).toEqual({ result: 1, call_session_history_id: 7 });
    expect(vendor.requests).toMatchObject([
      {
        method: "POST",
        path: "/prod/v1/service-accounts/outbound-calls/methods/StartScenarios",
        headers: { "content-type": "application/json" },
        body: '{"rule_id":42,"call_list":[1,2],"with_calls":true}',
      },
    ]);
  });

  it("is for a child account where that is asked for", async () => {
    const { vendor, call } = await setUp([done]);
    await call("StartScenarios", {}, { accountId: 7654321 });
    expect(vendor.requests[0]?.body).toBe('{"account_id":7654321}');
  });

  it("may answer with more than a token's answer ever has", async () => {
    const { call } = await setUp([json({ result: "x".repeat(5 * 1024 * 1024) })]);
    expect(await call("GetCallHistory")).toHaveProperty("result");
  });

  it.each([200, 403, 500])("rejects with the platform's error, whatever its status: %i", async (status) => {
    const { vendor, call } = await setUp([json({ error: { code: 104, msg: "Forbidden" } }, status)]);
    const error: unknown = await call("GetRoles").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(VoximplantError);
    expect(error).toMatchObject({ method: "GetRoles", code: 104, codeName: "forbidden" });
    expect(vendor.requests).toHaveLength(1);
  });

  it("rejects with the service's own refusal, which has a text in error", async () => {
    const { call } = await setUp([refuses(403, "access_denied", "Access denied.")]);
    expect(await failureOf(call("CreateKey"))).toMatchObject({ code: "access_denied", denied: true });
  });

  it.each([
    ["{}", 200],
    ["[]", 200],
    ["<html>", 200],
  ])("rejects an answer that is not the service's: %s", async (body, status) => {
    const { call } = await setUp([answers(status, body)]);
    expect((await failureOf(call("StartScenarios"))).code).toBe("invalid_response");
  });

  it.each(["Start/Scenarios", "..", "", "a".repeat(65)])(
    "refuses the name %j before anything is sent",
    async (method) => {
      const { vendor, call } = await setUp([done]);
      expect((await failureOf(call(method))).code).toBe("invalid_options");
      expect(vendor.requests).toEqual([]);
    },
  );

  it("refuses a child account that is not a number", async () => {
    const { call } = await setUp([done]);
    const error = await failureOf(call("GetRoles", {}, { accountId: "7" as never }));
    expect(error).toMatchObject({
      code: "invalid_options",
      message: expect.stringContaining("accountId") as string,
    });
  });

  it("ends the wait of a caller that aborts", async () => {
    const { call } = await setUp([() => undefined]);
    const aborter = new AbortController();
    const { signal } = aborter;
    const waiting = call("StartScenarios", {}, { signal });
    aborter.abort(new Error("no longer needed"));
    await expect(waiting).rejects.toThrow("no longer needed");
    await expect(call("StartScenarios", {}, { signal })).rejects.toThrow("no longer needed");
  });
});

describe("a call that fails", () => {
  const unavailable = refuses(502, "platform_unavailable", "…");
  const timedOut = refuses(504, "platform_timeout", "…");
  it.each<[string, Behaviour, number, number]>([
    // What happened; how often StartScenarios and GetCallHistory are sent.
    ["the API is throttled", refuses(429, "throttled", "…"), 2, 2],
    ["there is no signing key", refuses(503, "signing_key_unavailable", "…"), 2, 2],
    ["Voximplant is unavailable", unavailable, 1, 2],
    ["the function failed", refuses(500, "internal_error", "…"), 1, 2],
    ["the connection was lost", hangsUp, 1, 2],
    ["Voximplant did not answer in time", timedOut, 1, 1],
    ["the answer is too large", refuses(502, "response_too_large", "…"), 1, 1],
    ["there is no grant", refuses(403, "access_denied", "…"), 1, 1],
    ["the request is wrong", refuses(400, "invalid_request", "…"), 1, 1],
  ])(
    "because %s is sent again only if it cannot have run, or is named Get…",
    async (_, fails, start, get) => {
      for (const [method, times] of [
        ["StartScenarios", start],
        ["GetCallHistory", get],
      ] as const) {
        const { vendor, call } = await setUp([fails, done]);
        const outcome = await call(method).catch((error: unknown) => error);
        expect(vendor.requests).toHaveLength(times);
        if (times === 1) expect(outcome).toBeInstanceOf(TokenError);
        else expect(outcome).toEqual({ result: 1, call_session_history_id: 7 });
      }
    },
  );

  it("because nothing listens at the first url is sent to the next one", async () => {
    const gone = await startVendor([done]);
    await gone.close();
    const second = await startVendor([done]);
    onTestFinished(second.close);
    const { call } = await setUp([], { url: [gone.url, second.url] });
    expect(await call("StartScenarios")).toHaveProperty("result", 1);
  });

  it("because the clock is wrong is sent again, since API Gateway let nothing through", async () => {
    const skewed = refuses(
      403,
      "not_authorized",
      "Signature expired: 20261124T120000Z is now earlier than …",
    );
    const { vendor, call } = await setUp([skewed, done]);
    expect(await call("StartScenarios")).toHaveProperty("result", 1);
    expect(vendor.requests).toHaveLength(2);
  });

  it("after the service timed out says that a repetition is not safe", async () => {
    const { call } = await setUp([timedOut]);
    expect((await failureOf(call("StartScenarios"))).retryable).toBe(false);
  });
});
