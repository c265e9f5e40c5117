import { createPublicKey } from "node:crypto";
import jsonwebtoken from "jsonwebtoken";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { jsonLog } from "../lib/audit/log.ts";
import type { AuditRecord } from "../lib/audit/record.ts";
import { createCallHandler } from "../lib/call.ts";
import { indexGrants } from "../lib/grants/authorize.ts";
import type { Policy } from "../lib/grants/policy.ts";
import type { HttpResponse } from "../lib/http/response.ts";
import type { ErrorResponse } from "../lib/http/wire.ts";
import { importSigningKey } from "../lib/keys/signing-key.ts";
import type { KeyOutcome } from "../lib/keys/signing-keys.ts";
import { expectAuditRecord } from "./fakes/audit-schema.ts";
import { eventFormats, type FakeRequest, restEvent } from "./fakes/events.ts";
import { grant, roleArn, serviceAccount } from "./fakes/policy.ts";
import { rsaPem } from "./fakes/rsa-keys.ts";

const policy: Policy = {
  serviceAccounts: [
    serviceAccount("outbound-calls", { accountId: 1234567, maxTtlSeconds: 900 }),
    serviceAccount("call-history", { claims: "minimal", maxTtlSeconds: 30 }),
    serviceAccount("wrong", { accountId: 999 }),
  ],
  grants: [
    grant([roleArn("dialer")], ["outbound-calls", "wrong"], {
      source: "grants.yml:10",
      childAccountIds: [7654321],
      methods: ["StartScenarios", "GetCall*"],
    }),
    grant([roleArn("dialer")], ["call-history"], { methods: ["*"] }),
    grant([roleArn("dialer")], ["call-history"], { methods: ["CreateKey"] }),
    grant([roleArn("reader")], ["outbound-calls"]),
    grant([roleArn("contractor")], ["outbound-calls"], {
      source: "grants.yml:50",
      methods: ["StartScenarios"],
      until: Date.UTC(2026, 10, 24, 12, 0, 40),
    }),
  ],
};

const noon = Date.UTC(2026, 10, 24, 12);
const pems = [rsaPem(), rsaPem()];
const [first, second] = (await Promise.all(
  pems.map(async (privateKey, i) => {
    const signingKey = await importSigningKey({ accountId: 1234567, keyId: `key-${i + 1}`, privateKey });
    const held = { signingKey, secretVersionId: `version-${i + 1}`, fetchedAt: noon };
    return { state: "fresh", held } satisfies KeyOutcome;
  }),
)) as [KeyOutcome, KeyOutcome];

let getKey: (secret: string, refusedKeyId?: string) => Promise<KeyOutcome>;
let platform: (request: Request) => Response | Promise<Response>;
let now: number;
let deadlineMs: number | undefined;
let requests: Request[];
let asked: (string | undefined)[][];
let audit: string[];
let logged: string[];
let writeAudit: (line: string) => void;

beforeEach(() => {
  getKey = () => Promise.resolve(first);
  platform = () => Response.json({ result: 1 });
  now = noon;
  deadlineMs = undefined;
  [requests, asked, audit, logged] = [[], [], [], []];
  writeAudit = (line) => audit.push(line);
});

/** Every record of every test is what docs/audit.schema.json says. */
afterEach(() => {
  for (const line of audit) expectAuditRecord(JSON.parse(line) as object);
});

function handle(event: unknown): Promise<HttpResponse> {
  const handler = createCallHandler({
    deployment: "vendor-dev",
    grants: indexGrants(policy),
    getSigningKey: (secret, refusedKeyId) => {
      asked.push([secret, refusedKeyId]);
      return getKey(secret, refusedKeyId);
    },
    platform: {
      url: "https://api.example/platform_api",
      fetch: async (input, init) => {
        const request = new Request(input, init);
        requests.push(request);
        return platform(request.clone());
      },
      ...(deadlineMs !== undefined && { deadlineMs }),
      now: () => now,
      sleep: () => Promise.reject(new Error("a call never waits")),
      random: () => 0.5,
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
  return handler(event, { awsRequestId: "lambda-1" });
}

interface Called extends FakeRequest {
  role?: string;
  account?: string;
  name?: string;
}

/** What a role sends to have a method called. */
function request({
  role = "dialer",
  account = "outbound-calls",
  name = "StartScenarios",
  ...rest
}: Called = {}) {
  return {
    userArn: `arn:aws:sts::111122223333:assumed-role/${role}/session`,
    path: `/v1/service-accounts/${account}/methods/${name}`,
    contentType: "application/json",
    body: '{"rule_id":42,"script_custom_data":"+49 30 123"}',
    ...rest,
  };
}
const call = (called: Called = {}) => handle(restEvent(request(called)));

const errorOf = ({ body }: HttpResponse) => JSON.parse(body) as ErrorResponse;
const record = () => JSON.parse(audit[0] ?? "{}") as AuditRecord;
const tokenOf = (index = 0) => (requests[index]?.headers.get("authorization") ?? "").replace("Bearer ", "");
const claimsOf = (index = 0, pem = pems[0] ?? "") =>
  jsonwebtoken.verify(tokenOf(index), createPublicKey(pem), {
    algorithms: ["RS256"],
    clockTimestamp: noon / 1000,
  });

describe.each(eventFormats)("a granted method, through a %s", (_, makeEvent) => {
  it("is called once, by POST of a form, and the platform's answer comes back unchanged", async () => {
    const body = '{ "result": 1,\n "call_session_history_id": 12345678901234567890 }';
    platform = () => new Response(body, { status: 200, headers: { "X-Platform": "1" } });
    expect(await handle(makeEvent(request()))).toEqual({
      statusCode: 200,
      headers: {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Request-Id": "request-1",
      },
      body,
    });
    expect(requests).toHaveLength(1);
    expect(requests[0]?.url).toBe("https://api.example/platform_api/StartScenarios");
    expect(requests[0]?.method).toBe("POST");
    expect(await requests[0]?.text()).toBe("rule_id=42&script_custom_data=%2B49+30+123");
  });

  it("takes a form as well, also in base64", async () => {
    const body = Buffer.from("rule_id=42&phone=%C3%BC").toString("base64");
    const contentType = "application/x-www-form-urlencoded";
    await handle(makeEvent(request({ body, contentType, isBase64Encoded: true })));
    expect(await requests[0]?.text()).toBe("rule_id=42&phone=%C3%BC");
  });

  it("is refused where the URL has a query", async () => {
    const answer = await handle(makeEvent(request({ query: { api_key: "x" } })));
    expect(answer.statusCode).toBe(400);
    expect(errorOf(answer).error_description).toBe("query: must be empty; parameters belong in the body");
    expect([requests, asked]).toEqual([[], []]);
  });
});

describe("the token of a call", () => {
  it("lives for a minute, names the caller, and is for the key's own account", async () => {
    await call();
    expect(claimsOf()).toEqual({
      iss: 1234567,
      iat: noon / 1000 - 5,
      exp: noon / 1000 + 60,
      sub: roleArn("dialer"),
      jti: "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    });
  });

  it("is for the child account that was asked for and that the grant lists", async () => {
    await call({ body: '{"account_id":7654321}' });
    expect(claimsOf()).toMatchObject({ iss: 7654321 });
    expect(await requests[0]?.text()).toBe("");
  });

  it("follows the service account: minimal claims, and a shorter maximum", async () => {
    await call({ account: "call-history", name: "GetRules" });
    expect(claimsOf()).toEqual({ iss: 1234567, iat: noon / 1000 - 5, exp: noon / 1000 + 30 });
  });

  it("is not kept for another connection: each call has one of its own", async () => {
    await call();
    expect(requests[0]?.headers.get("connection")).toBe("close");
  });
});

describe("a refused caller", () => {
  const sent = () => [requests, asked];

  it.each([
    ["of a method that the grant does not name", { name: "SetRuleInfo" }],
    ["of a sensitive method, which no wildcard gives", { account: "call-history", name: "DeleteKey" }],
    ["of a sensitive method in another case", { account: "call-history", name: "createkey" }],
    ["of a granted method in lower case", { name: "startscenarios" }],
    ["of a method that does not exist", { name: "Nonsense" }],
    ["of an unknown service account", { account: "nothing" }],
    ["of a child account that is not listed", { body: '{"account_id":7}' }],
    ["with a grant of tokens alone", { role: "reader" }],
    ["without any grant", { role: "intern" }],
  ])("%s gets the one 403, and nothing is sent", async (_, called) => {
    const answer = await call(called);
    expect(answer.statusCode).toBe(403);
    expect(errorOf(answer).error).toBe("access_denied");
    expect(sent()).toEqual([[], []]);
    expect(record()).toMatchObject({ outcome: "refused", reason: "access_denied" });
  });

  it("gets 400 for a wrong body, and 401 before that", async () => {
    expect((await call({ body: "{" })).statusCode).toBe(400);
    expect((await call({ body: "{", userArn: "arn:aws:iam::111122223333:root" })).statusCode).toBe(401);
    expect(sent()).toEqual([[], []]);
  });

  it.each([
    ["POST", "/v1/service-accounts/outbound-calls/token", 404],
    ["GET", "/v1/service-accounts", 404],
    ["GET", "/v1/service-accounts/outbound-calls/methods/StartScenarios", 405],
    ["POST", "/v1/service-accounts/outbound-calls/methods/StartScenarios/", 404],
    ["POST", "/v1/service-accounts/outbound-calls/methods//StartScenarios", 404],
    ["POST", "/v1/service-accounts/outbound-calls/methods/%53tartScenarios", 400],
  ])("%s %s: gets %i", async (method, path, status) => {
    expect((await call({ method, path })).statusCode).toBe(status);
    expect(sent()).toEqual([[], []]);
  });
});

describe("the platform's error", () => {
  it.each([
    [200, 104],
    [403, 104],
    [500, 340],
  ])("comes back unchanged: HTTP %i, code %i", async (status, code) => {
    const body = JSON.stringify({ error: { code, msg: "No." } });
    platform = () => new Response(body, { status });
    expect(await call()).toMatchObject({ statusCode: status, body });
    expect(requests).toHaveLength(1);
    expect(record()).toMatchObject({ outcome: "called", platform_status: status, platform_error_code: code });
  });

  describe("that refuses the token", () => {
    const refuseOnce = () => {
      platform = () =>
        requests.length === 1
          ? Response.json({ error: { code: 433, msg: "No key." } })
          : Response.json({ result: 1 });
    };

    it("makes the call again with another key, if there is one", async () => {
      refuseOnce();
      getKey = (_secret, refusedKeyId) => Promise.resolve(refusedKeyId === "key-1" ? second : first);
      expect(await call()).toMatchObject({ statusCode: 200, body: '{"result":1}' });
      expect(asked).toEqual([
        ["voximplant/outbound-calls", undefined],
        ["voximplant/outbound-calls", "key-1"],
      ]);
      expect(claimsOf(1, pems[1])).toMatchObject({ iss: 1234567 });
      expect(await requests[1]?.text()).toBe("rule_id=42&script_custom_data=%2B49+30+123");
      expect(record()).toMatchObject({ outcome: "called", kid: "key-2" });
    });

    it.each([
      ["the key is still the same", () => Promise.resolve(first)],
      [
        "Secrets Manager is out of reach",
        (_secret: string, refusedKeyId?: string) =>
          Promise.resolve<KeyOutcome>(
            refusedKeyId === undefined
              ? first
              : {
                  state: "unavailable",
                  reason: "signing_key_unavailable",
                  retryAfterSeconds: 1,
                  detail: "…",
                },
          ),
      ],
    ])("comes back if %s", async (_, answerKey) => {
      refuseOnce();
      getKey = answerKey;
      expect(JSON.parse((await call()).body)).toMatchObject({ error: { code: 433 } });
      expect(requests).toHaveLength(1);
      expect(record()).toMatchObject({ outcome: "called", kid: "key-1", key_state: "fresh" });
    });

    it("comes back if the other key is refused too", async () => {
      platform = () => Response.json({ error: { code: 433, msg: "No key." } });
      getKey = (_secret, refusedKeyId) => Promise.resolve(refusedKeyId === "key-1" ? second : first);
      expect(JSON.parse((await call()).body)).toMatchObject({ error: { code: 433 } });
      expect(requests).toHaveLength(2);
    });
  });
});

describe("a call that fails", () => {
  const refusedConnection = () =>
    Promise.reject(
      new TypeError("fetch failed", {
        cause: Object.assign(new Error("no"), { code: "ECONNREFUSED", syscall: "connect" }),
      }),
    );
  const reset = () =>
    Promise.reject(
      new TypeError("fetch failed", { cause: Object.assign(new Error("no"), { code: "ECONNRESET" }) }),
    );
  const big = (character: string, length: number) => () =>
    new Response(`{"result":"${character.repeat(length)}"}`);

  it.each([
    ["the connection is refused", 502, "platform_unavailable", refusedConnection],
    ["the answer is HTML", 502, "platform_unavailable", () => new Response("<html>", { status: 503 })],
    ["the answer is empty", 502, "platform_unavailable", () => new Response("")],
    [
      "the answer is a redirect",
      502,
      "platform_unavailable",
      () => Response.redirect("https://evil.example/", 302),
    ],
    [
      "the answer repeats the token",
      502,
      "platform_unavailable",
      (sent: Request) => Response.json({ result: sent.headers.get("authorization") }),
    ],
    ["the connection is reset", 504, "platform_timeout", reset],
    ["the answer is over 5 MiB", 502, "response_too_large", big("x", 5 * 1024 * 1024)],
    ["the answer is over Lambda's limit as JSON", 502, "response_too_large", big('\\"', 2.4 * 1024 * 1024)],
  ] as const)("because %s ends with %i %s, after one attempt", async (_, status, error, answer) => {
    platform = answer;
    const response = await call();
    expect(response.statusCode).toBe(status);
    expect(errorOf(response).error).toBe(error);
    expect(response.body).not.toContain(tokenOf().split(".")[2]);
    expect(requests).toHaveLength(1);
    expect(record()).toMatchObject({
      outcome: "failed",
      reason: error,
      detail: expect.stringMatching(/\w/) as string,
      platform_method: "StartScenarios",
    });
  });

  describe("at its deadline", () => {
    /** Never answers, and hangs up where the caller does. */
    const hang = ({ signal }: Request) =>
      new Promise<Response>((_, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      });
    const refuseThenHang = (meanwhile: () => void) => (request: Request) => {
      if (requests.length > 1) return hang(request);
      meanwhile();
      return Response.json({ error: { code: 433, msg: "No key." } });
    };
    const renewKey = () => {
      getKey = (_secret, refusedKeyId) => Promise.resolve(refusedKeyId === "key-1" ? second : first);
    };

    it("ends with 504", async () => {
      [deadlineMs, platform] = [20, hang];
      expect((await call()).statusCode).toBe(504);
      expect(record()).toMatchObject({ outcome: "failed", detail: "no answer in time" });
    });

    it("does not come before the time is over", async () => {
      deadlineMs = 5_000;
      const soon = () => new Promise((resolve) => setTimeout(resolve, 30)).then(() => Response.json({}));
      platform = (request) => Promise.race([hang(request), soon()]);
      expect((await call()).statusCode).toBe(200);
    });

    it("ends the second attempt too: both share one deadline", async () => {
      renewKey();
      deadlineMs = 3_600_000;
      platform = refuseThenHang(() => (now += 3_600_000));
      expect((await call()).statusCode).toBe(504);
      expect(requests).toHaveLength(2);
    });

    it("ends the second attempt where the clock was set back meanwhile", async () => {
      renewKey();
      deadlineMs = 20;
      platform = refuseThenHang(() => (now -= 3_600_000));
      expect((await call()).statusCode).toBe(504);
    });
  });

  it("says after a lost answer that the method may have taken effect", async () => {
    platform = reset;
    expect(errorOf(await call()).error_description).toBe(
      "Voximplant's answer did not arrive, or not in time. Whether the method took effect is not known: check before you call again.",
    );
  });

  it("passes an answer of 5 MiB on", async () => {
    platform = big("x", 5 * 1024 * 1024 - 20);
    expect((await call()).statusCode).toBe(200);
  });

  it("because no key can be fetched ends with 503, and nothing is sent", async () => {
    getKey = () =>
      Promise.resolve({
        state: "unavailable",
        reason: "signing_key_unavailable",
        retryAfterSeconds: 7,
        detail: "socket hang up",
      });
    expect(await call()).toMatchObject({ statusCode: 503, headers: { "Retry-After": "7" } });
    expect(requests).toEqual([]);
  });

  it("because the key is another account's ends with 500, and nothing is sent", async () => {
    expect((await call({ account: "wrong" })).statusCode).toBe(500);
    expect(requests).toEqual([]);
    expect(record()).toMatchObject({ reason: "internal_error", WrongAccountKey: 1 });
  });
});

describe("the audit record of a call", () => {
  it("has the method, the names of the parameters and what the platform said, and no value", async () => {
    const body = '{"result":1}';
    platform = () => new Response(body);
    await call({ body: '{"rule_id":42,"script_custom_data":"+49 30 123","account_id":7654321}' });
    expect(audit).toHaveLength(1);
    expect(audit[0]).not.toContain("+49");
    expect(record()).toMatchObject({
      outcome: "called",
      reason: "method_called",
      principal: roleArn("dialer"),
      service_account: "outbound-calls",
      requested_account_id: 7654321,
      grant: "grants.yml:10",
      kid: "key-1",
      jti: "7d444840-9dc0-11d1-b245-5ffdce74fad2",
      platform_method: "StartScenarios",
      platform_parameters: ["rule_id", "script_custom_data"],
      platform_status: 200,
      platform_bytes: body.length,
      platform_ms: 0,
      MethodsCalled: 1,
      PlatformLatencyMs: 0,
      Deployment: "vendor-dev",
    });
    expect(record()).not.toHaveProperty("token_sha256");
  });

  it("has a platform that is unavailable as a metric", async () => {
    platform = () => new Response("<html>");
    await call();
    expect(record()).toMatchObject({ PlatformUnavailable: 1 });
    expect(record()).not.toHaveProperty("MethodsCalled");
  });

  it("is written before the answer leaves: where it cannot be, the answer is 500", async () => {
    writeAudit = () => {
      throw new Error("the disk is full");
    };
    const answer = await call();
    expect(answer.statusCode).toBe(500);
    expect(requests).toHaveLength(1);
    expect(logged.join()).toContain("the disk is full");
  });
});

describe("a call under a grant that ends in 40 s", () => {
  it("is made with a token that ends with the grant, although the key came late", async () => {
    getKey = () => {
      now += 20_000;
      return Promise.resolve(first);
    };
    expect((await call({ role: "contractor" })).statusCode).toBe(200);
    expect(claimsOf()).toMatchObject({ exp: noon / 1000 + 40 });
    expect(record()).toMatchObject({ grant: "grants.yml:50", exp: noon / 1000 + 40 });
  });

  it.each([
    [11, "ends at 2026-11-24T12:00:40Z, in less than 30 s"],
    [41, "is over since 2026-11-24T12:00:40Z"],
  ])("is refused after %d s, and the record names the grant", async (seconds, detail) => {
    now = noon + seconds * 1000;
    expect((await call({ role: "contractor" })).statusCode).toBe(403);
    expect(record().detail).toContain(`grants.yml:50 ${detail}`);
    expect([asked, requests]).toEqual([[], []]);
  });
});
