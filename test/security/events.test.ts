import { createPublicKey } from "node:crypto";
import fc from "fast-check";
import jsonwebtoken from "jsonwebtoken";
import { describe, expect, it } from "vitest";
import { indexGrants } from "../../lib/grants/authorize.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import type { KeyOutcome } from "../../lib/keys/signing-keys.ts";
import type { TokenResponse } from "../../lib/http/wire.ts";
import { createVendHandler } from "../../lib/vend.ts";
import { runs } from "../fakes/at-length.ts";
import { billingWorker, eventFormats, httpEvent, restEvent } from "../fakes/events.ts";
import { grant, policy, roleArn } from "../fakes/policy.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

/**
 * Events by which someone might get a token that the grants do not give. The only grant: the role
 * billing-worker may have tokens of outbound-calls, for 300 s at most.
 */
const pem = rsaPem();
const signingKey = await importSigningKey({ accountId: 1234567, keyId: "key-1", privateKey: pem });
const held = { signingKey, secretVersionId: "version-1", fetchedAt: Date.now() };
const key: KeyOutcome = { state: "fresh", held };
const handler = createVendHandler({
  deployment: "test",
  grants: indexGrants(policy(grant([roleArn("billing-worker")], ["outbound-calls"], { maxTtlSeconds: 300 }))),
  getSigningKey: () => Promise.resolve(key),
  writeAudit: () => undefined,
  log: () => undefined,
  now: Date.now,
  newId: () => "7d444840-9dc0-11d1-b245-5ffdce74fad2",
});

const intern = billingWorker.replace("billing-worker", "intern");
const PATH = "/v1/service-accounts/outbound-calls/token";

interface Claims {
  readonly sub: string;
  readonly iss: number;
  readonly iat: number;
  readonly exp: number;
}

/** The claims of the token that an event gets; undefined if it gets none. */
async function claimsOf(event: object): Promise<Claims | undefined> {
  const { statusCode, body } = await handler(event);
  if (statusCode !== 200) {
    expect(body).not.toContain("eyJ");
    return undefined;
  }
  const { access_token } = JSON.parse(body) as Partial<TokenResponse>;
  if (access_token === undefined) return undefined;
  const claims: unknown = jsonwebtoken.verify(access_token, createPublicKey(pem), { algorithms: ["RS256"] });
  return claims as Claims;
}

describe("an event with two identities", () => {
  const iam = { userArn: billingWorker, userId: "AROAEXAMPLEBILLING000:i-0abc", accountId: "111122223333" };

  it("is decided by that of its own format, if a REST event also has the other", async () => {
    const event = restEvent({ userArn: intern });
    Object.assign(event.requestContext, { authorizer: { iam } });
    expect(await claimsOf(event)).toBeUndefined();
  });

  it("is decided by that of its own format, if an HTTP event also has the other", async () => {
    const event = httpEvent({ userArn: intern }) as { requestContext: object };
    Object.assign(event.requestContext, { identity: iam });
    expect(await claimsOf(event)).toBeUndefined();
  });

  it("gets no token by a version that only looks like 2.0", async () => {
    for (const version of ["1.0", "2.00", 2, ["2.0"], null]) {
      const event = { ...httpEvent({ userArn: intern }), ...restEvent({ userArn: intern }), version };
      expect(await claimsOf(event)).toBeUndefined();
    }
  });
});

describe.each(eventFormats)("an identity that the caller writes into a %s", (_, makeEvent) => {
  it.each([
    ["a header", { headers: { userArn: billingWorker, "X-Amz-User-Arn": billingWorker } }],
    [
      "a query",
      { queryStringParameters: { userArn: billingWorker }, rawQueryString: `userArn=${billingWorker}` },
    ],
    ["the event itself", { userArn: billingWorker, identity: { userArn: billingWorker } }],
    ["a stage variable", { stageVariables: { userArn: billingWorker } }],
  ])("is ignored in %s", async (_place, fields) => {
    expect(await claimsOf({ ...makeEvent({ userArn: intern }), ...fields })).toBeUndefined();
  });

  it("is refused in the body", async () => {
    for (const name of ["principal", "sub", "userArn", "iss"]) {
      expect(await claimsOf(makeEvent({ body: JSON.stringify({ [name]: billingWorker }) }))).toBeUndefined();
    }
  });
});

describe.each(eventFormats)("a path of a %s that is not exactly a route", (_, makeEvent) => {
  it.each([
    "/v1/service-accounts/call-history/../outbound-calls/token",
    "/v1/service-accounts/call-history/token/../../outbound-calls/token",
    "/v1/service-accounts/./outbound-calls/token",
    "/v1/service-accounts/outbound%2Dcalls/token",
    "/v1/service-accounts/outbound-calls%2Ftoken",
    "/v1/service-accounts/outbound-calls%252Ftoken",
    "/v1/service-accounts/%6Futbound-calls/token",
    "/v1/service-accounts/outbound-calls/token/",
    "/v1/service-accounts/outbound-calls//token",
    "//v1/service-accounts/outbound-calls/token",
    "/v1//service-accounts/outbound-calls/token",
    "/V1/Service-Accounts/outbound-calls/token",
    "/v1/service-accounts/OUTBOUND-CALLS/token",
    "/v1/service-accounts/outbound-calls/token\u0000",
    "/v1/service-accounts/outbound-calls\u0000/token",
    "/v1/service-accounts/outbound-calls/token?x",
    "/v1/service-accounts/outbound-calls/token#x",
    "/v1/service-accounts/outbound-calls/token;x",
    "/v1/service-accounts/outbound\u2010calls/token",
    "/v1/service-accounts/outbound-calls/\uff54oken",
    "\\v1\\service-accounts\\outbound-calls\\token",
    `/v1/service-accounts/${"a".repeat(8000)}/token`,
  ])("gets no token: %j", async (path) => {
    expect(await claimsOf(makeEvent({ path }))).toBeUndefined();
  });

  it("gets no token, whatever is put into the path or taken out of it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(PATH.length),
        fc.nat(3),
        fc.oneof(fc.constantFrom("..", "/", "%2f", "%00", "\u0000", ".", "//", "a", "\\"), fc.string()),
        async (at, length, inserted) => {
          const path = PATH.slice(0, at) + inserted + PATH.slice(at + length);
          fc.pre(path !== PATH);
          expect(await claimsOf(makeEvent({ path }))).toBeUndefined();
        },
      ),
      runs(300),
    );
  });
});

describe.each(eventFormats)("the name of an object's property in a %s", (_, makeEvent) => {
  it.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"])(
    "is no service account and no field: %s",
    async (name) => {
      expect(await claimsOf(makeEvent({ path: `/v1/service-accounts/${name}/token` }))).toBeUndefined();
      expect(await claimsOf(makeEvent({ body: `{"${name}": {"ttl_seconds": 3600}}` }))).toBeUndefined();
      expect(Object.prototype).not.toHaveProperty("ttl_seconds");
    },
  );
});

describe.each(eventFormats)("a body of a %s with a number at the edge", (_, makeEvent) => {
  it.each([
    ['{"ttl_seconds": 3e2}', 300],
    ['{"ttl_seconds": 300.0}', 300],
    ['{"ttl_seconds": 300, "ttl_seconds": 60}', 60],
  ])("is read as JSON reads it, within the grant: %s", async (body, seconds) => {
    const before = Math.floor(Date.now() / 1000);
    const { exp = 0 } = (await claimsOf(makeEvent({ body }))) ?? {};
    expect(exp - before).toBeGreaterThanOrEqual(seconds);
    expect(exp - before).toBeLessThanOrEqual(seconds + 5);
  });

  it.each([
    '{"ttl_seconds": 60, "ttl_seconds": 301}',
    '{"ttl_seconds": 301}',
    '{"ttl_seconds": 1e400}',
    '{"ttl_seconds": -0}',
    '{"ttl_seconds": 300.5}',
    '{"ttl_seconds": "300"}',
    '{"ttl_seconds": [300]}',
    '{"ttl_seconds": {"valueOf": 300}}',
    '{"ttl_seconds": null}',
    '{"ttl_seconds": true}',
    '{"account_id": 9007199254740993}',
    '{"account_id": 1234567}',
    '{"account_id": "7654321"}',
    '{"account_id": 0}',
    '[{"ttl_seconds": 300}]',
    '"300"',
    '\ufeff{"ttl_seconds": 300}',
    '{"ttl_seconds": 300}\u0000',
    '{"a": '.repeat(100),
  ])("gets no token: %s", async (body) => {
    expect(await claimsOf(makeEvent({ body }))).toBeUndefined();
  });
});

describe.each(eventFormats)("a session of a %s whose name imitates the granted role", (_, makeEvent) => {
  it.each([
    "arn:aws:sts::111122223333:assumed-role/intern/billing-worker",
    "arn:aws:sts::111122223333:assumed-role/intern/role=billing-worker",
    "arn:aws:sts::111122223333:assumed-role/intern/x/assumed-role/billing-worker/y",
    "arn:aws:sts::111122223333:assumed-role/intern:assumed-role/billing-worker/y",
    "arn:aws:sts::111122223333:assumed-role/billing-worker",
    "arn:aws:sts::111122223333:assumed-role/billing-worker/",
    "arn:aws:sts::111122223333:assumed-role/Billing-Worker/i-0abc",
    "arn:aws:sts::111122223333:assumed-role/billing-worker/a\u0000b",
    "arn:aws:sts::111122223334:assumed-role/billing-worker/i-0abc",
    "arn:aws-cn:sts::111122223333:assumed-role/billing-worker/i-0abc",
    "arn:aws:sts::111122223333:federated-user/billing-worker",
    "arn:aws:iam::111122223333:role/billing-worker",
    "arn:aws:iam::111122223333:user/billing-worker",
    "arn:aws:iam::111122223333:root",
    "AROAEXAMPLEBILLING000:i-0abc",
  ])("gets no token: %s", async (userArn) => {
    expect(await claimsOf(makeEvent({ userArn }))).toBeUndefined();
  });
});

it("whatever the event, a token is that of the granted caller, account and lifetime", async () => {
  const base = [...eventFormats.map(([, makeEvent]) => JSON.stringify(makeEvent()))];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...base),
      fc.array(fc.tuple(fc.nat(3000), fc.nat(4), fc.string({ maxLength: 6 })), {
        minLength: 1,
        maxLength: 3,
      }),
      async (text, changes) => {
        const changed = changes.reduce(
          (before, [at, length, inserted]) => before.slice(0, at) + inserted + before.slice(at + length),
          text,
        );
        const event = parsed(changed);
        if (event === undefined) return;
        const claims = await claimsOf(event);
        if (claims === undefined) return;
        expect(claims).toMatchObject({ iss: 1234567, sub: "arn:aws:iam::111122223333:role/billing-worker" });
        expect(claims.exp - claims.iat).toBeLessThanOrEqual(305);
      },
    ),
    runs(1000),
  );
});

/** Undefined if the text is no longer JSON of an object. */
function parsed(text: string): object | undefined {
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    return undefined;
  }
}
