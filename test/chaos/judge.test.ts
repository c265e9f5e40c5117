import { describe, expect, it } from "vitest";
import { type Given, judge, leakInAnswer, leakInLog, type Trouble } from "./judge.ts";
import type { Expectation } from "./requests.ts";

const now = Date.UTC(2026, 10, 24, 12);
const second = now / 1000;
const principal = "arn:aws:iam::111122223333:role/billing-worker";
const calm: Trouble = { secrets: false, voximplant: false, killed: false };
const broken: Trouble = { secrets: true, voximplant: true, killed: true };

const wantsToken: Expectation = {
  what: "token",
  asked: { principal, accountId: 1234567, ttlSeconds: 300 },
};
const wantsRefusal: Expectation = { what: "refusal", status: 403 };
const wantsMethod: Expectation = { what: "method", callId: "1" };

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

function answer(changes: { claims?: object; header?: object; body?: object; headers?: object } = {}): Given {
  const claims = { iss: 1234567, sub: principal, iat: second - 5, exp: second + 300, ...changes.claims };
  const token = `${encode({ alg: "RS256", kid: "k", ...changes.header })}.${encode(claims)}.c2ln`;
  const body = {
    access_token: token,
    expires_in: claims.exp - second,
    expires_at: new Date(claims.exp * 1000).toISOString(),
    account_id: claims.iss,
    ...changes.body,
  };
  return {
    status: 200,
    headers: { "cache-control": "no-store", ...changes.headers },
    body: JSON.stringify(body),
  };
}

function failure(status: number, error: unknown, rest: object = {}): Given {
  const body = { error, error_description: "A text.", request_id: "1", ...rest };
  return { status, headers: {}, body: JSON.stringify(body) };
}

const decide = (expectation: Expectation, given: Given, trouble = calm) =>
  judge(expectation, given, trouble, now).kind;

describe("the judge of a storm", () => {
  it("finds the token right that was asked for", () => {
    expect(decide(wantsToken, answer())).toBe("right");
  });

  it.each([
    ["of another caller", { claims: { sub: `${principal}2` } }],
    ["of another account", { claims: { iss: 7654321 } }],
    ["whose account is not the one that the answer names", { body: { account_id: 7654321 } }],
    ["that lives longer than asked", { claims: { exp: second + 302 } }],
    ["with more than an hour between iat and exp", { claims: { iat: second - 3400 } }],
    ["that has expired", { claims: { exp: second - 1 } }],
    ["signed in another way", { header: { alg: "HS256" } }],
    ["with a wrong expires_in", { body: { expires_in: 3600 } }],
    ["with a wrong expires_at", { body: { expires_at: "2026-11-24T13:00:00Z" } }],
    ["that a proxy may store", { headers: { "cache-control": "public" } }],
  ])("finds a token wrong %s", (_, changes) => {
    expect(decide(wantsToken, answer(changes), broken)).toBe("wrong");
  });

  it("finds a token wrong where a refusal is due, whatever is broken", () => {
    expect(decide(wantsRefusal, answer(), broken)).toBe("wrong");
  });

  it.each([
    ["the status that is due", wantsRefusal, failure(403, "access_denied"), calm, "right"],
    ["another status", wantsRefusal, failure(400, "invalid_request"), broken, "wrong"],
    [
      "a killed container's",
      wantsRefusal,
      failure(500, "internal_error"),
      { ...calm, killed: true },
      "failed",
    ],
    ["the key's, for a refusal", wantsRefusal, failure(503, "signing_key_unavailable"), broken, "wrong"],
    ["the key's, in a calm", wantsToken, failure(503, "signing_key_unavailable"), calm, "wrong"],
    ["the key's", wantsToken, failure(503, "signing_key_unavailable"), { ...calm, secrets: true }, "failed"],
    ["the platform's, for a token", wantsToken, failure(504, "platform_timeout"), broken, "wrong"],
    [
      "the platform's",
      wantsMethod,
      failure(504, "platform_timeout"),
      { ...calm, voximplant: true },
      "failed",
    ],
    [
      "the platform's own error",
      wantsMethod,
      failure(429, { code: 340 }),
      { ...calm, voximplant: true },
      "failed",
    ],
    ["a refusal of what is allowed", wantsToken, failure(403, "access_denied"), broken, "wrong"],
    ["no request id", wantsRefusal, failure(403, "access_denied", { request_id: "" }), broken, "wrong"],
    ["no JSON", wantsToken, { status: 502, headers: {}, body: "<html>" }, broken, "wrong"],
  ] as const)("judges a failure with %s", (_, expectation, given, trouble, kind) => {
    expect(decide(expectation, given, trouble)).toBe(kind);
  });

  it("finds a method's answer wrong in a calm if it is not the platform's", () => {
    const given = { status: 200, headers: {}, body: '{"result":2}' };
    expect(decide(wantsMethod, given)).toBe("wrong");
    expect(decide(wantsMethod, given, { ...calm, voximplant: true })).toBe("right");
  });

  it("finds entitlements wrong that are not the dialer's", () => {
    const given = (tokens: boolean) => ({
      status: 200,
      headers: {},
      body: JSON.stringify({ service_accounts: [{ name: "outbound-calls", tokens }] }),
    });
    expect(decide({ what: "entitlements" }, given(false))).toBe("right");
    expect(decide({ what: "entitlements" }, given(true), broken)).toBe("wrong");
  });

  it.each([
    ["a token", (JSON.parse(answer().body) as { access_token: string }).access_token.concat("c2lnbmF0dXJl")],
    ["a private key", "-----BEGIN PRIVATE KEY-----"],
    ["a part of a key", "MIIEvQIBADANBgkq".repeat(20)],
  ])("sees %s in an answer and in a log", (what, text) => {
    expect(leakInAnswer(`{"x":"${text}"}`)).toBe(what);
    expect(leakInLog(`{"x":"${text}"}`)).toBe(what);
  });

  it("sees a caller's credentials in a log, and not in the answer that repeats the request's headers", () => {
    const text = "x-amz-security-token: local-only-session-token-of-dialer-EXAMPLE";
    expect(leakInLog(text)).toBe("a caller's secret key or session token");
    expect(leakInAnswer(text)).toBeUndefined();
  });
});
