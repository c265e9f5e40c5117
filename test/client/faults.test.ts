import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { TokenErrorCode } from "../../lib/client/index.ts";
import {
  answers,
  type Behaviour,
  hangs,
  refuses,
  resetsMidBody,
  startVendor,
  vends,
} from "../fakes/vendor-server.ts";
import { credentials, failureOf, setUp } from "./set-up.ts";

const SKEWED =
  "Signature expired: 20261124T115000Z is now earlier than 20261124T115500Z (20261124T120000Z - 5 min.)";
const EXPIRED = "The security token included in the request is expired";

const throttled = refuses(429, "throttled", "Too Many Requests");
const throttledFor = (seconds: string) =>
  refuses(429, "throttled", "Too Many Requests", { "retry-after": seconds });
const broken = refuses(500, "internal_error", "internal error");
const unavailable = refuses(503, "signing_key_unavailable", "the signing key is unavailable", {
  "retry-after": "2",
});

describe("a temporary fault", () => {
  // Full jitter: at most 200, 400, 800 ms before the 2nd, 3rd and 4th attempt; the random number
  // here is always one half.
  it.each<{ fault: string; behaviours: Behaviour[]; slept: number[]; requests: number }>([
    { fault: "429 without Retry-After", behaviours: [throttled, vends()], slept: [100], requests: 2 },
    {
      fault: "429 three times",
      behaviours: [throttled, throttled, throttled, vends()],
      slept: [100, 200, 400],
      requests: 4,
    },
    {
      fault: "429 with Retry-After: 3",
      behaviours: [throttledFor("3"), vends()],
      slept: [3100],
      requests: 2,
    },
    {
      fault: "429 with Retry-After as a date",
      behaviours: [throttledFor("Tue, 24 Nov 2026 12:00:04 GMT"), vends()],
      slept: [4100],
      requests: 2,
    },
    {
      fault: "429 with nonsense in Retry-After",
      behaviours: [throttledFor("-5"), vends()],
      slept: [100],
      requests: 2,
    },
    { fault: "500", behaviours: [broken, vends()], slept: [100], requests: 2 },
    {
      fault: "502 of a proxy, with HTML",
      behaviours: [answers(502, "<html>bad gateway"), vends()],
      slept: [100],
      requests: 2,
    },
    { fault: "503 with Retry-After: 2", behaviours: [unavailable, vends()], slept: [2100], requests: 2 },
    {
      fault: "a reset in the middle of the body",
      behaviours: [resetsMidBody, vends()],
      slept: [100],
      requests: 2,
    },
    {
      fault: "AWS credentials that have expired, and can be renewed",
      behaviours: [refuses(403, "not_authorized", EXPIRED), vends()],
      slept: [],
      requests: 2,
    },
  ])(
    "delays the token and does not fail the call: $fault, $slept ms",
    async ({ behaviours, slept, requests }) => {
      const { clock, vendor, getToken } = await setUp(behaviours);
      await expect(getToken()).resolves.toMatchObject({ accessToken: `token-${requests}` });
      expect(clock.slept).toEqual(slept);
      expect(vendor.requests).toHaveLength(requests);
    },
  );
});

describe("a permanent fault", () => {
  it.each<{ fault: string; behaviour: Behaviour; code: TokenErrorCode; slept: number[]; message?: RegExp }>([
    { fault: "429 for good", behaviour: throttled, code: "throttled", slept: [100, 200, 400] },
    {
      fault: "429 with a Retry-After beyond the caller's time",
      behaviour: throttledFor("60"),
      code: "throttled",
      slept: [],
    },
    { fault: "500 for good", behaviour: broken, code: "internal_error", slept: [100, 200, 400] },
    {
      fault: "503 for good",
      behaviour: unavailable,
      code: "signing_key_unavailable",
      slept: [2100, 2200, 2400],
    },
    { fault: "a reset each time", behaviour: resetsMidBody, code: "network", slept: [100, 200, 400] },
    {
      fault: "400",
      behaviour: refuses(400, "invalid_request", "ttl_seconds must be 30 to 3600"),
      code: "invalid_request",
      slept: [],
    },
    {
      fault: "ttl_too_long",
      behaviour: refuses(400, "ttl_too_long", "at most 300"),
      code: "ttl_too_long",
      slept: [],
      message: /at most 300/,
    },
    {
      fault: "denied by the grants",
      behaviour: refuses(403, "access_denied", "no"),
      code: "access_denied",
      slept: [],
    },
    {
      fault: "denied by API Gateway",
      behaviour: refuses(403, "not_authorized", "User is not authorized"),
      code: "not_authorized",
      slept: [],
    },
    {
      fault: "API Gateway's own form of a refusal",
      behaviour: answers(403, '{"message":"Forbidden"}'),
      code: "not_authorized",
      slept: [],
      message: /Forbidden/,
    },
    {
      fault: "credentials that have expired for good",
      behaviour: refuses(403, "not_authorized", EXPIRED),
      code: "credentials_expired",
      slept: [],
    },
    {
      fault: "garbage instead of JSON",
      behaviour: answers(200, "<html>log in"),
      code: "invalid_response",
      slept: [],
      message: /missing or invalid: the body/,
    },
    {
      fault: "JSON that is no token",
      behaviour: answers(200, '{"access_token": 5}'),
      code: "invalid_response",
      slept: [],
      message: /access_token, token_type/,
    },
    {
      fault: "a body without end",
      behaviour: answers(200, "x".repeat(70_000)),
      code: "invalid_response",
      slept: [],
      message: /more than 65536 bytes/,
    },
    {
      fault: "a redirect",
      behaviour: answers(302, "", { location: "https://example.com/" }),
      code: "invalid_response",
      slept: [],
      message: /redirect/,
    },
  ])(
    "is reported by its code after the last attempt: $fault, $code, $slept ms",
    async ({ behaviour, code, slept, message }) => {
      const { clock, vendor, getToken } = await setUp([behaviour]);
      const error = await failureOf(getToken());
      expect(error.code).toBe(code);
      const passing = ["throttled", "internal_error", "signing_key_unavailable", "network", "timeout"];
      expect(error.retryable).toBe(passing.includes(code));
      if (message) expect(error.message).toMatch(message);
      expect(clock.slept).toEqual(slept);
      expect(vendor.requests).toHaveLength(code === "credentials_expired" ? 2 : slept.length + 1);
    },
  );

  it("is reported with Retry-After if that is longer than the caller's deadline", async () => {
    const { getToken } = await setUp([throttledFor("60")]);
    expect(await failureOf(getToken())).toMatchObject({
      status: 429,
      retryAfterSeconds: 60,
      requestId: "request-1",
    });
  });

  it("a hang: the caller gets a timeout, after as many attempts as fit", async () => {
    const given: number[] = [];
    const { clock, getToken } = await setUp([hangs], {
      timeoutMs: 12_000,
      runtime: {
        // Each attempt is given time twice: to find credentials, and to ask. Time is up as soon as
        // the request has been sent: what is checked is how much of it each attempt was given.
        timeout: (ms) => {
          given.push(ms);
          if (given.length % 2 === 1) return new AbortController().signal;
          clock.advance(ms);
          return AbortSignal.timeout(1);
        },
      },
    });
    expect(await failureOf(getToken())).toMatchObject({ code: "timeout" });
    const last = 12_000 - 2 * 5000 - 100 - 200;
    expect(given).toEqual([12_000, 5000, 6900, 5000, last, last]);
    expect(clock.slept).toEqual([100, 200]);
  });

  it("is reported as no_credentials without a retry if no credentials are found", async () => {
    const { vendor, clock, getToken } = await setUp([vends()], {
      credentials: () => Promise.reject(new Error("Could not load credentials from any providers")),
    });
    const error = await failureOf(getToken());
    expect(error.code).toBe("no_credentials");
    expect(error.message).toContain("Could not load credentials from any providers");
    expect([vendor.requests, clock.slept]).toEqual([[], []]);
  });

  it("is reported as timeout if the credential provider never answers", async () => {
    const { getToken } = await setUp([vends()], {
      credentials: () => new Promise(() => undefined),
      rounds: 1,
      runtime: { timeout: () => AbortSignal.abort() },
    });
    expect(await failureOf(getToken())).toMatchObject({
      code: "timeout",
      message: expect.stringContaining("credentials") as string,
    });
  });
});

describe("a wrong clock", () => {
  it.each([
    { off: "10 minutes slow", serverAheadMs: 600_000 },
    { off: "10 minutes fast", serverAheadMs: -600_000 },
  ])("is corrected at once by the server's clock: $off", async ({ serverAheadMs }) => {
    const { clock, vendor, events, getToken } = await setUp(
      [refuses(403, "not_authorized", SKEWED), vends()],
      {
        serverAheadMs,
      },
    );
    await expect(getToken()).resolves.toMatchObject({ accessToken: "token-2" });
    expect(vendor.requests.map(({ headers }) => headers["x-amz-date"])).toEqual([
      "20261124T120000Z",
      serverAheadMs > 0 ? "20261124T121000Z" : "20261124T115000Z",
    ]);
    expect(clock.slept).toEqual([]);
    expect(events).toContainEqual({ type: "clock_corrected", skewMs: serverAheadMs });
  });

  it("is corrected for the next request even if no request was refused", async () => {
    const { clock, vendor, getToken } = await setUp([vends()], { serverAheadMs: 120_000 });
    await getToken();
    clock.advance(300_000);
    await getToken();
    expect(vendor.requests[1]?.headers["x-amz-date"]).toBe("20261124T120700Z");
  });

  it("does not shorten the token's lifetime", async () => {
    const { clock, vendor, getToken } = await setUp([vends()], { serverAheadMs: -600_000 });
    await getToken();
    clock.advance(60_000);
    await getToken();
    expect(vendor.requests).toHaveLength(1);
  });

  it("is reported as clock_skew if the correction does not help", async () => {
    const { vendor, getToken } = await setUp([refuses(403, "not_authorized", SKEWED)]);
    expect(await failureOf(getToken())).toMatchObject({ code: "clock_skew", status: 403 });
    expect(vendor.requests).toHaveLength(2);
  });

  it.each([
    { code: "not_authorized" as const, requests: 2 },
    { code: "access_denied" as const, requests: 1 },
  ])("gives $requests request(s) in all if the answer is $code", async ({ code, requests }) => {
    const { vendor, getToken } = await setUp([refuses(403, code, "refused")], { serverAheadMs: 120_000 });
    expect(await failureOf(getToken())).toMatchObject({ code, status: 403 });
    expect(vendor.requests).toHaveLength(requests);
  });

  it("does not correct the clock by an answer that took long", async () => {
    const { clock, events, getToken } = await setUp([
      (response, request, n) => {
        clock.advance(90_000);
        vends()(response, request, n);
      },
    ]);
    await getToken();
    expect(events.map(({ type }) => type)).toEqual(["token_vended"]);
  });
});

describe("a client with several urls", () => {
  it("tries the next url at once if the first is unreachable, and keeps using it", async () => {
    const dead = await startVendor([hangs]);
    await dead.close();
    const second = await startVendor([vends()]);
    const { clock, events, getToken } = await setUp([], { url: [dead.url, second.url] });
    await getToken();
    clock.advance(300_000);
    await getToken();
    await second.close();
    expect(second.requests).toHaveLength(2);
    expect(clock.slept).toEqual([]);
    const failures = events.filter(({ type }) => type === "attempt_failed");
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({
      origin: new URL(dead.url).origin,
      error: { code: "network" },
      retryInMs: 0,
    });
  });

  it("waits for the longest Retry-After once all urls have throttled", async () => {
    const first = await startVendor([throttledFor("4"), vends()]);
    const second = await startVendor([throttledFor("1")]);
    const { clock, getToken } = await setUp([], { url: [first.url, second.url] });
    await expect(getToken()).resolves.toMatchObject({ accessToken: "token-2" });
    expect(clock.slept).toEqual([4100]);
    await Promise.all([first.close(), second.close()]);
  });

  it("reports the longest Retry-After, even if another url is unreachable", async () => {
    const first = await startVendor([throttledFor("60")]);
    const dead = await startVendor([hangs]);
    await dead.close();
    const { clock, getToken } = await setUp([], { url: [first.url, dead.url] });
    expect(await failureOf(getToken())).toMatchObject({ code: "throttled", retryAfterSeconds: 60 });
    expect(clock.slept).toEqual([]);
    await first.close();
  });

  it("does not ask another region after a refusal", async () => {
    const first = await startVendor([refuses(403, "access_denied", "no")]);
    const second = await startVendor([vends()]);
    const { getToken } = await setUp([], { url: [first.url, second.url] });
    expect(await failureOf(getToken())).toMatchObject({ code: "access_denied", denied: true });
    expect(second.requests).toHaveLength(0);
    await Promise.all([first.close(), second.close()]);
  });
});

it.each(["sessionToken", "accessKeyId"])(
  "credentials whose %s has a line break are refused unseen",
  async (name) => {
    const { getToken, events, vendor } = await setUp([vends()], {
      credentials: { ...credentials, [name]: "FwoGZXIvYXdzSECRET\nSECOND-LINE" },
    });
    const error: unknown = await getToken().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "no_credentials", mayHaveTakenEffect: false });
    expect(inspect([error, events])).not.toMatch(/SECRET|SECOND/);
    expect(vendor.requests).toEqual([]);
  },
);
