import { execFile, spawnSync } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import identities from "../../../local/identities.json" with { type: "json" };
import type { Identity } from "../../../local/gateway/identity.ts";
import { type Gateway, startGateway } from "../../../local/gateway/server.ts";
import type { ErrorResponse } from "../../../lib/http/wire.ts";
import {
  presign,
  secondSigner,
  send,
  type Sign,
  type SignedRequest,
  smithy,
  type ToSign,
} from "../signers.ts";

const [billing, , alice, , stranger] = identities as [Identity, Identity, Identity, Identity, Identity];
const now = new Date("2026-11-24T03:45:00Z");
const path = "/v1/service-accounts/outbound-calls/token";
const body = '{"ttl_seconds":60}';

let gateway: Gateway;
let clock = () => now;

beforeAll(async () => {
  gateway = await startGateway({
    identities,
    now: () => clock(),
    invoke: (event) => Promise.resolve({ statusCode: 200, body: JSON.stringify(event) }),
  });
});
afterAll(() => gateway.close());

function toSign(change: Partial<ToSign> = {}): ToSign {
  return { identity: billing, url: gateway.url + path, body, date: now, ...change };
}

interface Echo {
  body: string;
  requestContext: { identity: { userArn: string } };
}

async function expectAccepted(request: SignedRequest, identity = billing): Promise<Echo> {
  const response = await send(request);
  const answer = (await response.json()) as Echo & ErrorResponse;
  expect(answer.error_description).toBeUndefined();
  expect(response.status).toBe(200);
  expect(answer.requestContext.identity.userArn).toBe(identity.userArn);
  return answer;
}

async function expectRefused(request: SignedRequest, type: string): Promise<string> {
  const response = await send(request);
  const answer = (await response.json()) as ErrorResponse;
  expect({ status: response.status, type: response.headers.get("x-amzn-errortype") }).toEqual({
    status: 403,
    type,
  });
  expect(answer).toMatchObject({
    error: "not_authorized",
    request_id: response.headers.get("x-amzn-requestid"),
  });
  return answer.error_description;
}

const signers: [string, Sign][] = [
  ["the AWS SDK for JavaScript", smithy],
  ["aws4", secondSigner],
];

describe.each(signers)("a request signed by %s", (_, sign) => {
  it.each([
    ["a role session", billing],
    ["an IAM user", alice],
    ["a caller of another account", stranger],
  ])("is accepted with the credentials of %s", async (_, identity) => {
    await expectAccepted(await sign(toSign({ identity })), identity);
  });

  it.each([
    ["a plain path", "/v1/service-accounts/outbound-calls/token"],
    ["an encoded path", "/v1/service-accounts/a%20b%2Fc/token"],
    ["repeated parameters, out of order", "/v1/service-accounts/x/token?b=2&a=2&b=1&a"],
    ["parameters that need encoding", "/v1/service-accounts/x/token?q=%C3%A4%20%2B%26%3D*%27()&empty="],
  ])("is accepted with %s", async (_, target) => {
    await expectAccepted(await sign(toSign({ url: gateway.url + target })));
  });

  it("is accepted with any region, without a body, with more headers, and four minutes late", async () => {
    const date = new Date(now.getTime() - 4 * 60_000);
    const headers = { "Content-Type": "application/json", "x-custom": "a   b" };
    await expectAccepted(await sign(toSign({ region: "eu-central-1", date, headers })));
    const list = await sign(toSign({ method: "GET", url: `${gateway.url}/v1/service-accounts`, body: "" }));
    await expectAccepted(list);
  });

  it.each<[string, (request: SignedRequest) => Partial<SignedRequest>]>([
    ["the body", () => ({ body: body.replace("60", "61") })],
    ["the path", ({ url }) => ({ url: url.replace("outbound-calls", "outbound-callz") })],
    ["the query", ({ url }) => ({ url: `${url}?a=1` })],
    ["the date", ({ headers }) => ({ headers: replaceHeader(headers, "x-amz-date", "20261124T034501Z") })],
    [
      "the signature",
      ({ headers }) => ({
        headers: replaceHeader(headers, "authorization", (value) =>
          value.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
        ),
      }),
    ],
    ["a signed header", ({ headers }) => ({ headers: replaceHeader(headers, "x-custom", "other") })],
  ])("is refused if %s is changed after signing", async (_, change) => {
    const signed = await sign(toSign({ headers: { "x-custom": "one" } }));
    const text = await expectRefused({ ...signed, ...change(signed) }, "InvalidSignatureException");
    expect(text).toMatch(/^The request signature we calculated does not match the signature you provided\./);
    expect(text).toContain(
      "The Canonical String for this request should have been\n'POST\n/v1/service-accounts/",
    );
  });

  it("is refused if the secret key is wrong", async () => {
    const identity = { ...billing, secretAccessKey: "wrong" };
    await expectRefused(await sign(toSign({ identity })), "InvalidSignatureException");
  });
});

function replaceHeader(
  headers: Record<string, string>,
  name: string,
  value: string | ((old: string) => string),
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([key, old]) => {
      if (key.toLowerCase() !== name) return [key, old];
      return [key, typeof value === "string" ? value : value(old)];
    }),
  );
}

describe("the gateway answers with AWS's own text", () => {
  it.each<[string, () => Promise<SignedRequest> | SignedRequest, string, string | RegExp]>([
    [
      "no signature at all",
      () => ({ method: "POST", url: gateway.url + path, headers: {}, body }),
      "MissingAuthenticationTokenException",
      "Missing Authentication Token",
    ],
    [
      "a route that it does not have, signed or not",
      () => smithy(toSign({ url: `${gateway.url}/v2/anything` })),
      "MissingAuthenticationTokenException",
      "Missing Authentication Token",
    ],
    [
      "a method that the route does not have",
      () => smithy(toSign({ method: "DELETE" })),
      "MissingAuthenticationTokenException",
      "Missing Authentication Token",
    ],
    [
      "another scheme",
      () => ({ method: "POST", url: gateway.url + path, headers: { Authorization: "Bearer abc" }, body }),
      "IncompleteSignatureException",
      /^Invalid key=value pair \(missing equal-sign\) in Authorization header \(hashed with SHA-256 and encoded with Base64\): '[\w+/=]{44}'\.$/,
    ],
    [
      "a header without a signature and a date",
      () => ({
        method: "POST",
        url: gateway.url + path,
        headers: {
          Authorization: `AWS4-HMAC-SHA256 Credential=${billing.accessKeyId}/20261124/us-east-1/execute-api/aws4_request, SignedHeaders=host`,
        },
        body,
      }),
      "IncompleteSignatureException",
      /^Authorization header requires 'Signature' parameter\. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header\. /,
    ],
    [
      "an unknown access key",
      () => smithy(toSign({ identity: { ...billing, accessKeyId: "AKIANOBODYKNOWS0EXAMPLE" } })),
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    ],
    [
      "temporary credentials without their session token",
      () => {
        const { accessKeyId, secretAccessKey } = billing;
        return smithy(toSign({ identity: { ...alice, accessKeyId, secretAccessKey } }));
      },
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    ],
    [
      "somebody else's session token",
      () => smithy(toSign({ identity: { ...billing, sessionToken: stranger.sessionToken } })),
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    ],
    [
      "a signature of more than five minutes ago",
      () => smithy(toSign({ date: new Date(now.getTime() - 301_000) })),
      "InvalidSignatureException",
      "Signature expired: 20261124T033959Z is now earlier than 20261124T034000Z (20261124T034500Z - 5 min.)",
    ],
    [
      "a signature of more than five minutes ahead",
      () => smithy(toSign({ date: new Date(now.getTime() + 301_000) })),
      "InvalidSignatureException",
      "Signature not yet current: 20261124T035001Z is still later than 20261124T035000Z (20261124T034500Z + 5 min.)",
    ],
    [
      "a signature for another service",
      () => smithy(toSign({ service: "s3" })),
      "InvalidSignatureException",
      "Credential should be scoped to correct service: 'execute-api'.",
    ],
    [
      "a region that is none",
      () => smithy(toSign({ region: "nowhere" })),
      "InvalidSignatureException",
      "Credential should be scoped to a valid region, not 'nowhere'.",
    ],
    [
      "a scope of another day",
      async () => {
        const signed = await smithy(toSign());
        return { ...signed, headers: replaceHeader(signed.headers, "x-amz-date", "20261125T000000Z") };
      },
      "InvalidSignatureException",
      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261124' != '20261125', from '20261125T000000Z'.",
    ],
    [
      "a host that is not signed",
      async () => {
        const signed = await smithy(toSign());
        const withoutHost = (value: string) => value.replace("host;", "");
        return { ...signed, headers: replaceHeader(signed.headers, "authorization", withoutHost) };
      },
      "InvalidSignatureException",
      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    ],
  ])("to a request with %s", async (_, request, type, message) => {
    const text = await expectRefused(await request(), type);
    if (typeof message === "string") expect(text).toBe(message);
    else expect(text).toMatch(message);
  });

  it("to a request signed for a host without the port, which is another host", async () => {
    const signed = await smithy(toSign({ url: gateway.url.replace(/:\d+$/, "") + path }));
    await expectRefused({ ...signed, url: gateway.url + path }, "InvalidSignatureException");
  });
});

describe("a signature made step by step as in AWS's documentation", () => {
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

  it("is accepted with its time in a Date header", async () => {
    const host = new URL(gateway.url).host;
    const date = now.toUTCString();
    const canonical = ["POST", path, "", `date:${date}`, `host:${host}`, "", "date;host", sha256(body)].join(
      "\n",
    );
    const scope = "20261124/us-east-1/execute-api/aws4_request";
    const toSign = ["AWS4-HMAC-SHA256", "20261124T034500Z", scope, sha256(canonical)].join("\n");
    const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${alice.secretAccessKey}`);
    const Authorization = `AWS4-HMAC-SHA256 Credential=${alice.accessKeyId}/${scope},SignedHeaders=date;host,Signature=${hmac(key, toSign).toString("hex")}`;
    const headers = { Authorization, Date: date };
    await expectAccepted({ method: "POST", url: gateway.url + path, headers, body }, alice);
  });
});

describe("a presigned URL", () => {
  it("is accepted until it expires or is changed", async () => {
    await expectAccepted(await presign(toSign()));
    await expectAccepted(
      await presign(toSign({ identity: alice, url: `${gateway.url}${path}?b=1&a=2&b=0` })),
      alice,
    );
    const old = await presign(toSign({ date: new Date(now.getTime() - 61_000) }));
    expect(await expectRefused(old, "InvalidSignatureException")).toMatch(
      /^Signature expired: .* - 60 sec\.\)$/,
    );
    const changed = await presign(toSign());
    await expectRefused({ ...changed, body: "{}" }, "InvalidSignatureException");
  });
});

/** curl signs itself since 7.75. Where there is none, the other signers still stand. */
const curlVersion = /^curl (\d+)\.(\d+)/.exec(spawnSync("curl", ["--version"]).stdout.toString());
const curlSigns = curlVersion !== null && Number(curlVersion[1]) * 1000 + Number(curlVersion[2]) >= 7075;

describe.skipIf(!curlSigns)("a request of curl --aws-sigv4 (skipped without curl 7.75 or later)", () => {
  async function curl(change: string[], target = path): Promise<{ status: number; body: string }> {
    const { stdout } = await promisify(execFile)("curl", [
      ...["--silent", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "-X", "POST"],
      ...["--user", `${alice.accessKeyId}:${alice.secretAccessKey}`, "--write-out", "\n%{http_code}"],
      ...change,
      gateway.url + target,
    ]);
    const [status = "", ...lines] = stdout.split("\n").reverse();
    return { status: Number(status), body: lines.reverse().join("\n") };
  }

  // curl goes by the machine's clock.
  beforeEach(() => {
    clock = () => new Date();
  });
  afterEach(() => {
    clock = () => now;
  });

  it("is accepted, with and without a body and a query", async () => {
    expect(await curl([])).toMatchObject({ status: 200 });
    const json = ["-H", "Content-Type: application/json"];
    const posted = await curl(["-d", body, ...json], `${path}?b=1&a=2`);
    expect(posted).toMatchObject({ status: 200 });
    expect((JSON.parse(posted.body) as Echo).body).toBe(body);
  });

  it("is refused if the clocks differ by six minutes, or with a wrong secret key", async () => {
    expect(await curl(["--user", `${alice.accessKeyId}:wrong`])).toMatchObject({ status: 403 });
    clock = () => new Date(Date.now() + 6 * 60_000);
    expect(await curl([])).toMatchObject({ status: 403 });
  });
});
