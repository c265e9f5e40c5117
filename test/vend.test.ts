import { createPublicKey } from "node:crypto";

import jsonwebtoken from "jsonwebtoken";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { jsonLog } from "../lib/audit/log.ts";
import type { AuditRecord } from "../lib/audit/record.ts";
import { indexGrants } from "../lib/grants/authorize.ts";
import type { Policy } from "../lib/grants/policy.ts";
import type { ErrorResponse, TokenResponse } from "../lib/http/wire.ts";
import type { HttpResponse } from "../lib/http/response.ts";
import { importSigningKey } from "../lib/keys/signing-key.ts";
import { MalformedSecretError, type KeyOutcome } from "../lib/keys/signing-keys.ts";
import type { InvocationContext } from "../lib/request-handler.ts";
import { createVendHandler } from "../lib/vend.ts";
import { expectAuditRecord } from "./fakes/audit-schema.ts";
import { rsaPem } from "./fakes/rsa-keys.ts";
import { billingWorker, eventFormats, type FakeRequest, restEvent } from "./fakes/events.ts";
import { grant, roleArn, serviceAccount, userArn } from "./fakes/policy.ts";

const policy: Policy = {
  serviceAccounts: [
    serviceAccount("outbound-calls", { accountId: 1234567 }),
    serviceAccount("call-history", { claims: "minimal" }),
  ],
  grants: [
    grant([roleArn("billing-worker")], ["outbound-calls", "call-history"], {
      source: "grants.yml:10",
      childAccountIds: [7654321],
    }),
    grant([userArn("ops/alice"), "arn:aws-cn:iam::111122223333:role/billing-worker"], ["outbound-calls"], {
      source: "grants.yml:20",
      maxTtlSeconds: 120,
    }),
    grant([roleArn("contractor")], ["outbound-calls"], {
      source: "grants.yml:30",
      until: Date.UTC(2026, 10, 24, 12, 1, 40),
    }),
  ],
};

const pem = rsaPem();
const signingKey = await importSigningKey({ accountId: 1234567, keyId: "key-1", privateKey: pem });
const noon = Date.UTC(2026, 10, 24, 12);
const fresh: KeyOutcome = {
  state: "fresh",
  held: { signingKey, secretVersionId: "version-1", createdAt: noon - 86_400_000, fetchedAt: noon - 60_000 },
};

let now: number;
let key: () => Promise<KeyOutcome>;
let secretsAsked: string[];
let audit: string[];
let logged: string[];
let writeAudit: (line: string) => void;
let basePath: string | undefined;

/** Every record of every test is what docs/audit.schema.json says. */
afterEach(() => {
  for (const line of audit) expectAuditRecord(JSON.parse(line) as object);
});

beforeEach(() => {
  now = noon;
  key = () => Promise.resolve(fresh);
  secretsAsked = [];
  audit = [];
  logged = [];
  writeAudit = (line) => audit.push(line);
  basePath = undefined;
});

function makeVend(
  context: InvocationContext | undefined = { awsRequestId: "lambda-1" },
): (event: unknown) => Promise<HttpResponse> {
  const handler = createVendHandler({
    basePath,
    deployment: "vendor-dev",
    grants: indexGrants(policy),
    getSigningKey: (secret) => {
      secretsAsked.push(secret);
      return key();
    },
    writeAudit: (line) => {
      writeAudit(line);
    },
    log: jsonLog(
      (line) => logged.push(line),
      () => noon,
    ),
    now: () => now,
    newId: () => "7d444840-9dc0-11d1-b245-5ffdce74fad2",
  });
  return (event) => handler(event, context);
}

const call = (event: unknown) => makeVend()(event);

const tokenOf = ({ body }: HttpResponse) => JSON.parse(body) as TokenResponse;
const errorOf = ({ body }: HttpResponse) => JSON.parse(body) as ErrorResponse;
const recordOf = (index = 0) => JSON.parse(audit[index] ?? "{}") as AuditRecord;
const claimsOf = (response: HttpResponse) =>
  jsonwebtoken.verify(tokenOf(response).access_token, createPublicKey(pem), {
    algorithms: ["RS256"],
    clockTimestamp: noon / 1000,
  });

describe.each(eventFormats)("the vending function through a %s", (_, makeEvent) => {
  it("vends a token that verifies to a granted caller, in the shape of docs/openapi.yaml", async () => {
    const response = await call(makeEvent());
    expect(response).toMatchObject({
      statusCode: 200,
      headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
    });
    expect(tokenOf(response)).toEqual({
      access_token: expect.any(String) as string,
      token_type: "Bearer",
      expires_in: 300,
      expires_at: "2026-11-24T12:05:00Z",
      service_account: "outbound-calls",
      account_id: 1234567,
    });
    expect(claimsOf(response)).toEqual({
      iss: 1234567,
      iat: noon / 1000 - 5,
      exp: noon / 1000 + 300,
      sub: "arn:aws:iam::111122223333:role/billing-worker",
      jti: "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    });
  });

  it.each([
    [30, 30],
    [3595, 3595],
    [3600, 3595],
  ])(
    "answers a lifetime of %i s with expires_in %i, which agrees with exp",
    async (ttl_seconds, expected) => {
      const response = await call(makeEvent({ body: JSON.stringify({ ttl_seconds }) }));
      expect(tokenOf(response).expires_in).toBe(expected);
      const { exp } = claimsOf(response) as { exp: number };
      expect(exp).toBe(noon / 1000 + expected);
      expect(Date.parse(tokenOf(response).expires_at)).toBe(exp * 1000);
    },
  );

  it("finds its route with and without the base path of a custom domain", async () => {
    basePath = "tokens";
    const path = "/v1/service-accounts/outbound-calls/token";
    for (const prefix of ["", "/tokens"])
      expect((await call(makeEvent({ path: prefix + path }))).statusCode).toBe(200);
    expect((await call(makeEvent({ path: `/other${path}` }))).statusCode).toBe(404);
  });

  it("sets a child account that the grant lists as the issuer", async () => {
    const response = await call(makeEvent({ body: '{"account_id":7654321}' }));
    expect(tokenOf(response).account_id).toBe(7654321);
    expect(claimsOf(response)).toMatchObject({ iss: 7654321 });
  });

  it("leaves sub and jti out for a service account with minimal claims", async () => {
    const response = await call(makeEvent({ path: "/v1/service-accounts/call-history/token" }));
    expect(Object.keys(claimsOf(response))).toEqual(["iss", "iat", "exp"]);
  });

  const alice = { userArn: "arn:aws:iam::111122223333:user/ops/alice", userId: "AIDAEXAMPLEALICE00000" };
  const asFederated = {
    userArn: "arn:aws:sts::111122223333:federated-user/billing-worker",
    userId: "111122223333:bob",
  };

  it.each<[string, FakeRequest]>([
    ["a user with a path", alice],
    ["an AWS-China role", { userArn: "arn:aws-cn:sts::111122223333:assumed-role/billing-worker/s" }],
  ])("serves %s under its canonical ARN", async (_name, request) => {
    const response = await call(makeEvent(request));
    expect(response.statusCode).toBe(200);
    expect(tokenOf(response).expires_in).toBe(120);
  });

  const invalid = (field: string) => expect.stringContaining(field) as string;
  const anyText = expect.any(String) as string;
  const imitation = { userArn: "arn:aws:sts::111122223333:assumed-role/intern/role@billing-worker" };

  it.each<[number, string, string, FakeRequest, string]>([
    [400, "invalid_request", "a body that is not JSON", { body: "ttl=1" }, invalid("JSON")],
    [400, "invalid_request", "a wrong type", { body: '{"ttl_seconds":"60"}' }, invalid("ttl_seconds")],
    [400, "invalid_request", "an unknown field", { body: '{"scope":"all"}' }, invalid('"scope"')],
    [
      400,
      "invalid_request",
      "a lifetime of 29 s",
      { body: '{"ttl_seconds":29}' },
      invalid("from 30 to 3600"),
    ],
    [
      400,
      "invalid_request",
      "a lifetime of 3601 s",
      { body: '{"ttl_seconds":3601}' },
      invalid("from 30 to 3600"),
    ],
    [400, "invalid_request", "a body too large", { body: " ".repeat(1025) }, invalid("1024 bytes")],
    [
      400,
      "ttl_too_long",
      "more than the grant gives",
      { ...alice, body: '{"ttl_seconds":121}' },
      invalid("120 seconds"),
    ],
    [401, "unauthenticated", "a missing userArn", { userArn: undefined }, anyText],
    [401, "unauthenticated", "a null userArn", { userArn: null }, anyText],
    [401, "unauthenticated", "a federated user", asFederated, anyText],
    [
      401,
      "unauthenticated",
      "root",
      { userArn: "arn:aws:iam::111122223333:root", userId: "111122223333" },
      anyText,
    ],
    [
      403,
      "access_denied",
      "a role without a grant",
      { userArn: billingWorker.replace("billing-worker", "intern") },
      anyText,
    ],
    [403, "access_denied", "a session name that imitates a role", imitation, anyText],
    [
      403,
      "access_denied",
      "an unknown service account",
      { path: "/v1/service-accounts/nobody/token" },
      anyText,
    ],
    [
      403,
      "access_denied",
      "a service account with the name of an object's property",
      { path: "/v1/service-accounts/constructor/token" },
      anyText,
    ],
    [
      403,
      "access_denied",
      "a percent-encoded name",
      { path: "/v1/service-accounts/outbound%2Dcalls/token" },
      anyText,
    ],
    [403, "access_denied", "a child account not listed", { body: '{"account_id":1}' }, anyText],
    [404, "not_found", "another path", { path: "/v1/keys" }, anyText],
    [405, "method_not_allowed", "another method", { method: "GET" }, invalid("POST")],
  ])("answers %i %s to %s and fetches no key", async (status, error, _name, request, description) => {
    const response = await call(makeEvent(request));
    expect(response.statusCode).toBe(status);
    expect(errorOf(response)).toEqual({ error, error_description: description, request_id: "request-1" });
    expect(response.headers).toMatchObject({ "Cache-Control": "no-store" });
    expect(secretsAsked).toEqual([]);
    expect(recordOf()).toMatchObject({ type: "audit", outcome: "refused", reason: error, Refusals: 1 });
  });

  it("vends each caller a token of its own", async () => {
    const vend = makeVend();
    const subjects: unknown[] = [];
    for (const event of [makeEvent(), makeEvent(alice), makeEvent()]) {
      subjects.push((claimsOf(await vend(event)) as { sub?: unknown }).sub);
    }
    const billing = "arn:aws:iam::111122223333:role/billing-worker";
    expect(subjects).toEqual([billing, "arn:aws:iam::111122223333:user/ops/alice", billing]);
  });

  it("decides each request anew, even right after vending a token", async () => {
    const vend = makeVend();
    expect((await vend(makeEvent())).statusCode).toBe(200);
    expect((await vend(makeEvent(imitation))).statusCode).toBe(403);
    expect((await vend(makeEvent())).statusCode).toBe(200);
  });

  it("gives the same answer for every 403", async () => {
    const bodies = await Promise.all(
      [imitation, { path: "/v1/service-accounts/nobody/token" }, { body: '{"account_id":1}' }].map(
        async (request) => (await call(makeEvent(request))).body,
      ),
    );
    expect(new Set(bodies).size).toBe(1);
  });

  it("answers 503 with Retry-After if there is no key", async () => {
    key = () =>
      Promise.resolve({
        state: "unavailable",
        reason: "signing_key_unavailable",
        retryAfterSeconds: 7,
        detail: "secret x: timed out",
      });
    const response = await call(makeEvent());
    expect(response).toMatchObject({ statusCode: 503, headers: { "Retry-After": "7" } });
    expect(errorOf(response)).toMatchObject({ error: "signing_key_unavailable" });
    expect(response.body).not.toContain("secret x");
    expect(recordOf()).toMatchObject({ outcome: "failed", detail: "secret x: timed out", KeyUnavailable: 1 });
    expect(logged.join()).toContain("secret x: timed out");
  });

  it("answers 500 without the detail, which is logged", async () => {
    key = () => Promise.reject(new MalformedSecretError("secret x, version 1: private_key: is missing"));
    const response = await call(makeEvent());
    expect(response.statusCode).toBe(500);
    expect(errorOf(response)).toMatchObject({ error: "internal_error", request_id: "request-1" });
    expect(response.body).not.toContain("private_key");
    expect(logged.join()).toContain("private_key: is missing");
    expect(recordOf()).toMatchObject({
      outcome: "failed",
      Errors: 1,
      principal: expect.any(String) as string,
    });
  });

  it("lists only the caller's own entitlements", async () => {
    const response = await call(makeEvent({ method: "GET", path: "/v1/service-accounts" }));
    expect(response.statusCode).toBe(200);
    expect(JSON.parse(response.body)).toEqual({
      principal: "arn:aws:iam::111122223333:role/billing-worker",
      service_accounts: [
        { name: "call-history", tokens: true, max_ttl_seconds: 3600, child_account_ids: [7654321] },
        { name: "outbound-calls", tokens: true, max_ttl_seconds: 3600, child_account_ids: [7654321] },
      ],
    });
    expect(recordOf()).toMatchObject({ outcome: "listed", reason: "entitlements_listed" });
  });

  it("returns an empty list to a caller without a grant", async () => {
    const response = await call(makeEvent({ ...imitation, method: "GET", path: "/v1/service-accounts" }));
    expect(JSON.parse(response.body)).toEqual({
      principal: "arn:aws:iam::111122223333:role/intern",
      service_accounts: [],
    });
  });
});

describe("a key of another Voximplant account than accountId in grants.yml", () => {
  const foreign = { signingKey: { ...signingKey, accountId: 999 }, secretVersionId: "v9", fetchedAt: noon };
  const foreignKeys: [string, KeyOutcome][] = [
    ["fresh", { state: "fresh", held: foreign }],
    ["stale", { state: "stale", held: foreign, detail: "secret x: timed out" }],
  ];
  const detail =
    "secret voximplant/outbound-calls: key key-1 belongs to Voximplant account 999, " +
    "but grants.yml says accountId 1234567 for outbound-calls; the key is not used";

  describe.each(foreignKeys)("if it is %s,", (state, outcome) => {
    beforeEach(() => {
      key = () => Promise.resolve(outcome);
    });

    it.each([
      ["the key's own account", "{}"],
      ["a child account", '{"account_id":7654321}'],
    ])("causes no token for %s", async (_, body) => {
      const response = await call(restEvent({ body }));
      expect(response.statusCode).toBe(500);
      expect(errorOf(response)).toMatchObject({ error: "internal_error", request_id: "request-1" });
      for (const told of ["999", "1234567", "key-1", "access_token"]) {
        expect(response.body).not.toContain(told);
      }
    });

    it("is named in one audit record and one log line, and counted", async () => {
      await call(restEvent());
      expect(audit).toHaveLength(1);
      const { _aws, ...record } = recordOf();
      expect(record).toMatchObject({
        outcome: "failed",
        reason: "internal_error",
        detail,
        kid: "key-1",
        key_state: state,
        service_account: "outbound-calls",
        WrongAccountKey: 1,
        Errors: 1,
      });
      for (const absent of ["iss", "jti", "token_sha256", "TokensVended", "KeyServedStale"]) {
        expect(record).not.toHaveProperty(absent);
      }
      expect(JSON.stringify(_aws)).toContain('"Name":"WrongAccountKey"');
      expect(logged.map((line) => JSON.parse(line) as unknown)).toEqual([
        expect.objectContaining({ level: "error", message: detail, request_id: "request-1" }),
      ]);
    });
  });

  it("is not detected if grants.yml names no account", async () => {
    key = () => Promise.resolve({ state: "fresh", held: foreign });
    const response = await call(restEvent({ path: "/v1/service-accounts/call-history/token" }));
    expect(tokenOf(response).account_id).toBe(999);
    expect(recordOf()).not.toHaveProperty("WrongAccountKey");
  });
});

describe("the audit record", () => {
  it("of a vended token contains the caller, the request, the grant and the key, and only the token's hash", async () => {
    const response = await call(restEvent({ body: '{"ttl_seconds":60}' }));
    const { _aws, token_sha256, ...record } = recordOf();
    expect(record).toEqual({
      type: "audit",
      Deployment: "vendor-dev",
      time: "2026-11-24T12:00:00.000Z",
      outcome: "vended",
      reason: "token_vended",
      principal: "arn:aws:iam::111122223333:role/billing-worker",
      session_name: "i-0abc",
      unique_id: "AROAEXAMPLEBILLING000",
      principal_account: "111122223333",
      principal_org: "o-a1b2c3d4e5",
      source_ip: "203.0.113.7",
      user_agent: "curl/8.5.0",
      method: "POST",
      path: "/v1/service-accounts/outbound-calls/token",
      service_account: "outbound-calls",
      requested_ttl_seconds: 60,
      grant: "grants.yml:10",
      grant_pattern: "arn:aws:iam::111122223333:role/billing-worker",
      kid: "key-1",
      secret_version_id: "version-1",
      key_state: "fresh",
      iss: 1234567,
      iat: noon / 1000 - 5,
      exp: noon / 1000 + 60,
      jti: "7d444840-9dc0-11d1-b245-5ffdce74fad2",
      request_id: "request-1",
      api_id: "abc123",
      latency_ms: 0,
      LatencyMs: 0,
      TokensVended: 1,
      KeyAgeSeconds: 86_400,
    });
    expect(_aws).toMatchObject({
      Timestamp: noon,
      CloudWatchMetrics: [
        { Namespace: "VoximplantTokenVendor", Dimensions: [["Deployment"]] },
        {
          Dimensions: [["Deployment", "service_account"]],
          Metrics: [{ Name: "TokensVended" }, { Name: "KeyAgeSeconds" }],
        },
      ],
    });
    const { subtle } = globalThis.crypto;
    const digest = await subtle.digest("SHA-256", Buffer.from(tokenOf(response).access_token));
    expect(token_sha256).toBe(Buffer.from(digest).toString("hex"));
  });

  it("of a refusal contains the reason that the caller does not get", async () => {
    await call(restEvent({ userArn: billingWorker.replace("billing-worker", "intern") }));
    expect(recordOf()).toMatchObject({ detail: "no grant names arn:aws:iam::111122223333:role/intern" });
    expect(recordOf()).toMatchObject({ reason: "access_denied", Refusals: 1 });
  });

  it("and the log contain no header of the request", async () => {
    const event = restEvent();
    const headers = {
      ...event.headers,
      Authorization: "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261124/us-east-1/execute-api/aws4_request",
      "X-Amz-Security-Token": "session-token-of-the-caller",
    };
    expect((await call({ ...event, headers })).statusCode).toBe(200);
    expect((await call({ ...event, headers, path: "/" })).statusCode).toBe(404);
    expect([...audit, ...logged].join()).not.toMatch(/session-token-of-the-caller|AWS4-HMAC/);
  });

  it("contains no age of the key if Secrets Manager gives no date", async () => {
    key = () =>
      Promise.resolve({ state: "fresh", held: { signingKey, secretVersionId: "v", fetchedAt: noon } });
    await call(restEvent());
    expect(recordOf()).toMatchObject({ TokensVended: 1 });
    expect(recordOf()).not.toHaveProperty("KeyAgeSeconds");
  });

  it("contains no metric dimension for a service account name that the caller made up", async () => {
    await call(restEvent({ path: "/v1/service-accounts/made-up/token" }));
    expect(recordOf()).toMatchObject({ service_account: "made-up" });
    expect(JSON.stringify(recordOf()._aws)).not.toContain("service_account");
  });

  it("is one line of bounded length for any path", async () => {
    await call(restEvent({ path: `/v1/service-accounts/${"a\n".repeat(5000)}/token` }));
    expect(audit).toHaveLength(1);
    expect(audit[0]).not.toContain("\n");
    expect(audit[0]?.length).toBeLessThan(4000);
  });

  it("is written for a stale key, with a warning and a metric beside it", async () => {
    key = () => Promise.resolve({ ...fresh, state: "stale", detail: "secret x: timed out" } as KeyOutcome);
    expect((await call(restEvent())).statusCode).toBe(200);
    expect(recordOf()).toMatchObject({ key_state: "stale", KeyServedStale: 1, TokensVended: 1 });
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({
      level: "warn",
      message: expect.stringContaining("timed out") as string,
    });
  });

  it.each([undefined, {}, { Records: [] }])(
    "is written for an event that is not API Gateway's: %j",
    async (event) => {
      const response = await call(event);
      expect(response.statusCode).toBe(500);
      expect(recordOf()).toMatchObject({ outcome: "failed", request_id: "lambda-1", Errors: 1 });
    },
  );

  it("has a generated id if neither API Gateway nor Lambda gives one", async () => {
    const response = await makeVend({})(undefined);
    const { request_id } = errorOf(response);
    expect(request_id).toBe("7d444840-9dc0-11d1-b245-5ffdce74fad2");
    expect(recordOf()).toMatchObject({ request_id });
  });

  it("is written for a crash, with what is known by then", async () => {
    key = () => {
      throw new TypeError("x is not a function");
    };
    expect((await call(restEvent())).statusCode).toBe(500);
    expect(recordOf()).toMatchObject({
      outcome: "failed",
      detail: "TypeError: x is not a function",
      principal: "arn:aws:iam::111122223333:role/billing-worker",
      grant: "grants.yml:10",
    });
  });

  it("is written before the answer: if writing fails, no token is returned", async () => {
    writeAudit = () => {
      throw new Error("EPIPE");
    };
    const response = await call(restEvent());
    expect(response.statusCode).toBe(500);
    expect(response.body).not.toContain("access_token");
    expect(logged.join()).toContain("EPIPE");
  });
});

describe("a token of a grant that ends in 100 s", () => {
  const ask = (body = "") =>
    call(restEvent({ userArn: billingWorker.replace("billing-worker", "contractor"), body }));

  it("ends with the grant", async () => {
    const response = await ask();
    expect(claimsOf(response)).toMatchObject({ exp: noon / 1000 + 100 });
    expect(tokenOf(response)).toMatchObject({ expires_in: 100, expires_at: "2026-11-24T12:01:40Z" });
    expect(recordOf()).toMatchObject({ grant: "grants.yml:30", exp: noon / 1000 + 100 });
  });

  it("ends with the grant although the key came late", async () => {
    key = () => {
      now += 60_000;
      return Promise.resolve(fresh);
    };
    const response = await ask();
    expect(tokenOf(response)).toMatchObject({ expires_in: 40, expires_at: "2026-11-24T12:01:40Z" });
    expect(claimsOf(response)).toMatchObject({ exp: noon / 1000 + 100 });
  });

  it("is not vended for longer than the grant has left", async () => {
    const response = await ask('{"ttl_seconds": 101}');
    expect(response.statusCode).toBe(400);
    expect(errorOf(response)).toMatchObject({ error: "ttl_too_long" });
    expect(errorOf(response).error_description).toContain("100");
    expect(secretsAsked).toEqual([]);
  });

  it.each([
    [29, "grants.yml:30 ends at 2026-11-24T12:01:40Z, in less than 30 s"],
    [0, "grants.yml:30 is over since 2026-11-24T12:01:40Z"],
    [-1, "grants.yml:30 is over since 2026-11-24T12:01:40Z"],
  ])("is refused with %d s left, and the record names the grant", async (secondsLeft, detail) => {
    now = noon + (100 - secondsLeft) * 1000;
    const response = await ask();
    expect(response.statusCode).toBe(403);
    expect(response.body).not.toContain("12:01:40");
    expect(recordOf().detail).toContain(detail);
    expect(secretsAsked).toEqual([]);
  });

  it("is listed until the grant is over", async () => {
    const list = async () => {
      const userArn = billingWorker.replace("billing-worker", "contractor");
      const { body } = await call(restEvent({ userArn, method: "GET", path: "/v1/service-accounts" }));
      return (JSON.parse(body) as { service_accounts: object[] }).service_accounts;
    };
    expect(await list()).toMatchObject([{ name: "outbound-calls", max_ttl_seconds: 100 }]);
    now = noon + 100_000;
    expect(await list()).toEqual([]);
  });
});
