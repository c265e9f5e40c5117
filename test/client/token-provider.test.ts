import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { createTokenProvider } from "../../lib/client/index.ts";
import { lifetimeOf } from "../../lib/client/lifetime.ts";
import { answers, refuses, vends } from "../fakes/vendor-server.ts";
import { credentials, failureOf, setUp } from "./set-up.ts";

const broken = refuses(400, "invalid_request", "no such thing");
/** Lets the renewal in the background arrive. */
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe("the token provider", () => {
  it("sends the options that are set, and no others", async () => {
    const { vendor, getToken } = await setUp([vends()], { ttlSeconds: 60, accountId: 7654321 });
    await getToken();
    expect(vendor.requests[0]).toMatchObject({
      method: "POST",
      path: "/prod/v1/service-accounts/outbound-calls/token",
      body: '{"ttl_seconds":60,"account_id":7654321}',
    });
    const plain = await setUp([vends()]);
    await plain.getToken();
    expect(plain.vendor.requests[0]?.body).toBe("");
  });

  it("names the client in User-Agent", async () => {
    const { vendor, getToken } = await setUp([vends()]);
    await getToken();
    expect(vendor.requests[0]?.headers["user-agent"]).toMatch(/^voxtoken\/\d+\.\d+\.\d+ node\/\d+\./);
  });

  it("returns the token with its lifetime, service account and account", async () => {
    const { clock, getToken } = await setUp([vends()]);
    const token = await getToken();
    expect({
      ...token,
      accessToken: token.accessToken,
      expiresAt: Math.abs(token.expiresAt.getTime() - Date.now() - 300_000) < 5000,
    }).toEqual({
      accessToken: "token-1",
      expiresAt: true,
      serviceAccount: "outbound-calls",
      accountId: 1234567,
    });
    expect(clock.slept).toEqual([]);
  });

  it.each([
    ["http to another machine", { url: "http://vendor.example.com" }, /must be https/],
    ["no url at all", { url: [] }, /empty list/],
    ["nonsense for a url", { url: "vendor" }, /not a URL/],
    [
      "a password in the url",
      { url: "https://user:hunter2@vendor.example.com" },
      /must not hold a user name/,
    ],
    ["a path for a service account", { serviceAccount: "../x" }, /serviceAccount "..\/x" must be/],
    ["an undefined url", { url: undefined as never }, /url is missing/],
    ["a url that is no text", { url: [5] as never }, /url must be/],
    [
      "an undefined service account",
      { serviceAccount: undefined as never },
      /serviceAccount undefined must be/,
    ],
    [
      "a lifetime in words",
      { ttlSeconds: "1h" as never },
      /ttlSeconds must be a whole number from 30 to 3600/,
    ],
    ["a lifetime that is too short", { ttlSeconds: 29 }, /ttlSeconds must be/],
    ["an account that is no number", { accountId: "1" as never }, /accountId must be/],
    ["a time-out beyond a timer's range", { timeoutMs: 2 ** 31 }, /timeoutMs must be/],
    ["a time-out beyond a timer's range", { attemptTimeoutMs: 2 ** 31 }, /attemptTimeoutMs must be/],
    ["a time-out of nothing", { timeoutMs: 0 }, /timeoutMs must be/],
  ])("refuses %s before anything is sent", (_what, options, message) => {
    const create = () =>
      createTokenProvider({
        url: "https://vendor.example.com",
        serviceAccount: "a",
        credentials,
        ...options,
      });
    expect(create).toThrow(message);
    expect(create).toThrow(expect.objectContaining({ name: "TokenError", code: "invalid_options" }) as Error);
  });
});

describe("concurrent calls of the provider", () => {
  it("share one request: 1,000 calls", async () => {
    const { vendor, getToken } = await setUp([vends()]);
    const tokens = await Promise.all(Array.from({ length: 1000 }, () => getToken()));
    expect(new Set(tokens.map(({ accessToken }) => accessToken))).toEqual(new Set(["token-1"]));
    expect(vendor.requests).toHaveLength(1);
  });

  it("share one failure, and the next call makes a new request: 1,000 calls", async () => {
    const { vendor, getToken } = await setUp([broken, vends()]);
    const outcomes = await Promise.allSettled(Array.from({ length: 1000 }, () => getToken()));
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
    expect(vendor.requests).toHaveLength(1);
    await expect(getToken()).resolves.toMatchObject({ accessToken: "token-2" });
  });

  it("aborting affects only the caller that passed the signal", async () => {
    const { vendor, getToken } = await setUp([vends()]);
    const impatient = new AbortController();
    const [aborted, other] = [getToken({ signal: impatient.signal }), getToken()];
    impatient.abort(new Error("gone home"));
    await expect(aborted).rejects.toThrow("gone home");
    await expect(other).resolves.toMatchObject({ accessToken: "token-1" });
    expect(vendor.requests).toHaveLength(1);
  });

  it("send no request if their signal has already aborted", async () => {
    const { vendor, getToken } = await setUp([vends()]);
    await expect(getToken({ signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    expect(vendor.requests).toHaveLength(0);
  });

  it("make a new request after a Lambda freeze of 10 minutes", async () => {
    const { clock, vendor, getToken } = await setUp([() => undefined, vends()]);
    void getToken().catch(() => undefined);
    await until(() => vendor.requests.length === 1);
    clock.advance(600_000);
    await expect(getToken()).resolves.toMatchObject({ accessToken: "token-2" });
  });
});

describe("the provider's cached token", () => {
  it("is returned until 65 to 80 % of its lifetime have passed", async () => {
    const { clock, vendor, getToken } = await setUp([vends()]);
    await getToken();
    clock.advance(217_000); // random is one half: 72.5 % of 300 s
    expect(await getToken()).toMatchObject({ accessToken: "token-1" });
    expect(vendor.requests).toHaveLength(1);
  });

  it("is renewed in the background from then on, and returned meanwhile", async () => {
    const { clock, vendor, getToken } = await setUp([vends()]);
    await getToken();
    clock.advance(218_000);
    const served = await Promise.all([getToken(), getToken(), getToken()]);
    expect(served.map(({ accessToken }) => accessToken)).toEqual(["token-1", "token-1", "token-1"]);
    await until(() => vendor.requests.length === 2);
  });

  it("is not returned in the last tenth of its lifetime: the call waits for the new one", async () => {
    const { clock, getToken } = await setUp([vends()]);
    await getToken();
    clock.advance(291_000);
    await expect(getToken()).resolves.toMatchObject({ accessToken: "token-2" });
  });

  it("keeps the token in use until it ends if a renewal fails, and asks again only after a pause", async () => {
    const { clock, vendor, events, getToken } = await setUp([vends(), broken, broken, vends()]);
    await getToken();
    clock.advance(218_000);
    expect(await getToken()).toMatchObject({ accessToken: "token-1" });
    await until(() => events.some(({ type }) => type === "refresh_failed"));
    // Between 1 and 5 s of rest, here 3.
    clock.advance(2_000);
    expect(await getToken()).toMatchObject({ accessToken: "token-1" });
    expect(vendor.requests).toHaveLength(2);
    clock.advance(72_000);
    expect(await getToken()).toMatchObject({ accessToken: "token-1" });
    expect(vendor.requests).toHaveLength(3);
    clock.advance(8_000);
    expect(await getToken()).toMatchObject({ accessToken: "token-4" });
  });

  it("is not returned after it expires if the renewal fails", async () => {
    const { clock, getToken } = await setUp([vends(), broken]);
    await getToken();
    clock.advance(301_000);
    expect(await failureOf(getToken())).toMatchObject({ code: "invalid_request" });
  });

  it("is replaced once for all callers if the platform refused it", async () => {
    const { vendor, getToken } = await setUp([vends()]);
    const { accessToken: rejected } = await getToken();
    const renewed = await Promise.all(Array.from({ length: 100 }, () => getToken({ rejected })));
    expect(new Set(renewed.map(({ accessToken }) => accessToken))).toEqual(new Set(["token-2"]));
    expect(await getToken({ rejected })).toMatchObject({ accessToken: "token-2" });
    expect(vendor.requests).toHaveLength(2);
  });

  it.each([
    ["a day", 86_400_000],
    ["a minute", 60_000],
  ])("is replaced if the clock was set back by %s, to before the first request", async (_by, ms) => {
    const { clock, getToken } = await setUp([vends()]);
    await getToken();
    clock.advance(30_000);
    clock.set(-ms);
    expect(await getToken()).toMatchObject({ accessToken: "token-2" });
  });

  it("gives no expired token if the clock was set back while it was cached", async () => {
    const { clock, getToken } = await setUp([vends(), vends()]);
    await getToken();
    clock.advance(299_000);
    clock.set(-200_000);
    clock.advance(2_000);
    expect(await getToken()).toMatchObject({ accessToken: "token-2" });
  });

  it("gives no expired token after a failed renewal and a clock set back", async () => {
    const { clock, getToken } = await setUp([vends(), broken, broken, vends()]);
    await getToken();
    clock.advance(291_000);
    expect(await getToken()).toMatchObject({ accessToken: "token-1" });
    clock.advance(10_000);
    clock.set(-250_000);
    expect(await failureOf(getToken())).toMatchObject({ code: "invalid_request" });
    expect(await getToken()).toMatchObject({ accessToken: "token-4" });
  });

  it("has no renewal that runs past its deadline if the clock was set back meanwhile", async () => {
    const { clock, getToken } = await setUp([
      (response, request, n) => {
        clock.set(-3_600_000);
        refuses(429, "throttled", "later", { "retry-after": "1800" })(response, request, n);
      },
    ]);
    expect(await failureOf(getToken())).toMatchObject({ code: "throttled", retryAfterSeconds: 1800 });
    expect(clock.slept).toEqual([]);
  });

  it("is renewed before the last tenth of its lifetime, whatever the lifetime", () => {
    const anyRandom = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 3600 }), anyRandom, (expiresIn, random) => {
        const { renewFrom, renewBy, endsAt } = lifetimeOf(expiresIn, 0, random);
        expect(endsAt).toBe(expiresIn * 1000);
        expect(renewFrom).toBeGreaterThanOrEqual(0.65 * endsAt - 1);
        expect(renewFrom).toBeLessThanOrEqual(0.8 * endsAt);
        expect(renewBy).toBeGreaterThan(renewFrom);
        expect(endsAt - renewBy).toBeLessThanOrEqual(10_000);
      }),
    );
  });
});

describe("the provider's errors, events and tokens", () => {
  const secrets = /eyJ|secret-access-key|session-token|token-\d/;

  it.each([
    ["a broken answer with a token in it", answers(200, "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2ln")],
    [
      "a token of the wrong type",
      answers(200, '{"access_token":["eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2ln"]}'),
    ],
    [
      "API Gateway quoting the canonical request",
      answers(
        403,
        JSON.stringify({
          message:
            "The signature does not match.\n\nThe Canonical String was\nx-amz-security-token:session-token",
        }),
      ),
    ],
    [
      "a refusal that quotes a token",
      refuses(400, "invalid_request", "bad: eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2ln"),
    ],
  ])("show no secret after %s", async (_what, behaviour) => {
    const { events, getToken } = await setUp([behaviour], { rounds: 1 });
    const error = await failureOf(getToken());
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(secrets);
    expect(JSON.stringify(error) + String(error)).not.toMatch(secrets);
    expect(inspect(events, { depth: 10 })).not.toMatch(secrets);
  });

  it("a token is not shown by console.log, and is readable as a property", async () => {
    const { events, getToken } = await setUp([vends()]);
    const token = await getToken();
    expect(inspect({ token }, { depth: 10 })).not.toMatch(secrets);
    expect(inspect(events, { depth: 10 })).not.toMatch(secrets);
    expect(token.accessToken).toBe("token-1");
    expect(JSON.stringify({ token })).not.toMatch(secrets);
    expect(JSON.stringify({ ...token }) + inspect({ ...token })).not.toMatch(secrets);
    expect(JSON.stringify(Object.assign({}, token)) + JSON.stringify(Object.entries(token))).not.toMatch(
      secrets,
    );
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("disk full");
      },
    ],
    ["rejects", () => Promise.reject(new Error("disk full"))],
  ])(
    "a log function that %s does not prevent the token, and the process gets a warning",
    async (_, onEvent) => {
      const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
      const { getToken } = await setUp([vends()], { onEvent });
      await expect(getToken()).resolves.toMatchObject({ accessToken: "token-1" });
      expect(warn).toHaveBeenCalledWith("onEvent threw: disk full");
      warn.mockRestore();
    },
  );
});
