import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { createMethodCaller, type MethodCallerOptions, VoximplantError } from "../../lib/client/index.ts";
import { fakeClock } from "../fakes/clock.ts";
import {
  answers,
  type Behaviour,
  hangs,
  refuses,
  resetsMidBody,
  startVendor,
} from "../fakes/vendor-server.ts";
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

  it("is not sent again if the caller aborts during the pause", async () => {
    const aborter = new AbortController();
    const { vendor, call } = await setUp([refuses(429, "throttled", "…"), done], {
      onEvent: (event) => {
        if (event.type !== "attempt_failed") return;
        queueMicrotask(() => {
          aborter.abort(new Error("stop"));
        });
      },
      runtime: { sleep: (ms, signal) => delay(ms / 10, undefined, { signal }) },
    });
    await expect(call("StartScenarios", {}, { signal: aborter.signal })).rejects.toThrow("stop");
    await delay(100);
    expect(vendor.requests).toHaveLength(1);
  });

  it("is not sent if the caller aborts while credentials are being found", async () => {
    const aborter = new AbortController();
    const { vendor, call } = await setUp([done], {
      credentials: () => {
        aborter.abort(new Error("stop"));
        return Promise.resolve(credentials);
      },
    });
    await expect(call("StartScenarios", {}, { signal: aborter.signal })).rejects.toThrow("stop");
    await delay(50);
    expect(vendor.requests).toEqual([]);
  });

  it("goes over a connection of its own, because a kept one may be closed", async () => {
    const { vendor, call } = await setUp([done]);
    await call("GetCallHistory");
    await call("StartScenarios");
    expect(vendor.requests.map(({ headers }) => headers.connection)).toEqual(["close", "close"]);
    expect(new Set(vendor.requests.map(({ port }) => port)).size).toBe(2);
  });
});

describe("a call that fails", () => {
  const lost = { retryable: false, mayHaveTakenEffect: true };
  const refused = { retryable: false, mayHaveTakenEffect: false };
  const again = "sent again";
  it.each<[string, Behaviour, object | typeof again, object | typeof again]>([
    // What happened; what StartScenarios and GetCallHistory then do.
    ["the API is throttled", refuses(429, "throttled", "…"), again, again],
    ["there is no signing key", refuses(503, "signing_key_unavailable", "…"), again, again],
    ["Voximplant is unavailable", refuses(502, "platform_unavailable", "…"), lost, again],
    ["Voximplant did not answer in time", refuses(504, "platform_timeout", "…"), lost, again],
    ["the function failed", refuses(500, "internal_error", "…"), lost, again],
    ["a proxy answered with HTML", answers(502, "<html>"), lost, again],
    ["the connection was lost", hangsUp, lost, again],
    ["the answer broke off", resetsMidBody, lost, again],
    ["the answer is not the service's", answers(200, "{}"), lost, refused],
    ["the answer is a redirect", answers(307, "", { location: "/elsewhere" }), lost, refused],
    ["the answer is too large", refuses(502, "response_too_large", "…"), lost, refused],
    ["there is no grant", refuses(403, "access_denied", "…"), refused, refused],
    ["the IAM policy refuses", refuses(403, "not_authorized", "…"), refused, refused],
    ["the request is wrong", refuses(400, "invalid_request", "…"), refused, refused],
  ])(
    "because %s is sent again only if it cannot have run, or is named Get…",
    async (_, fails, start, get) => {
      for (const [method, expected] of [
        ["StartScenarios", start],
        ["GetCallHistory", get],
      ] as const) {
        const { vendor, call } = await setUp([fails, done]);
        if (expected === again) {
          expect(await call(method)).toEqual({ result: 1, call_session_history_id: 7 });
          expect(vendor.requests).toHaveLength(2);
        } else {
          expect(await failureOf(call(method))).toMatchObject(expected);
          expect(vendor.requests).toHaveLength(1);
        }
      }
    },
  );

  it("because no answer came in time may have taken effect", async () => {
    const { vendor, call } = await setUp([hangs], { attemptTimeoutMs: 50, rounds: 1 });
    expect(await failureOf(call("StartScenarios"))).toMatchObject({ code: "timeout", ...lost });
    expect(vendor.requests).toHaveLength(1);
    const error = await failureOf(call("GetCallHistory"));
    expect(error).toMatchObject({ code: "timeout", retryable: true, mayHaveTakenEffect: false });
  });

  it("because no AWS credentials were found in time has taken no effect", async () => {
    const { vendor, call } = await setUp([done], {
      credentials: () => new Promise(() => undefined),
      timeoutMs: 50,
      rounds: 1,
    });
    const error = await failureOf(call("StartScenarios"));
    expect(error).toMatchObject({ code: "timeout", retryable: true, mayHaveTakenEffect: false });
    expect(vendor.requests).toEqual([]);
  });

  it("because nothing listens has taken no effect", async () => {
    const gone = await startVendor([done]);
    await gone.close();
    const { call } = await setUp([], { url: gone.url });
    const error = await failureOf(call("StartScenarios"));
    expect(error).toMatchObject({ code: "network", retryable: true, mayHaveTakenEffect: false });
  });

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
});
