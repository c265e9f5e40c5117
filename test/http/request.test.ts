import { describe, expect, it } from "vitest";

import { readRequest } from "../../lib/http/request.ts";
import { billingWorker, eventFormats, httpEvent, restEvent } from "../fakes/events.ts";

describe.each(eventFormats)("an event of a %s", (_, makeEvent) => {
  it("is read into the same request as any other format", () => {
    expect(readRequest(makeEvent({ body: '{"ttl_seconds":60}' }))).toEqual({
      method: "POST",
      path: "/v1/service-accounts/outbound-calls/token",
      contentType: undefined,
      hasQuery: false,
      body: '{"ttl_seconds":60}',
      identity: expect.objectContaining({
        userArn: billingWorker,
        userId: "AROAEXAMPLEBILLING000:i-0abc",
        accountId: "111122223333",
        principalOrgId: "o-a1b2c3d4e5",
      }) as object,
      requestId: "request-1",
      apiId: "abc123",
      sourceIp: "203.0.113.7",
      userAgent: "curl/8.5.0",
    });
  });

  it("has its body decoded if API Gateway encoded it", () => {
    const body = Buffer.from('{"ttl_seconds":60}').toString("base64");
    expect(readRequest(makeEvent({ body, isBase64Encoded: true })).body).toBe('{"ttl_seconds":60}');
  });

  it("may have no body", () => {
    expect(readRequest(makeEvent({ body: null })).body).toBe("");
  });

  it("keeps the percent-encoding of its path", () => {
    const path = "/v1/service-accounts/outbound%2Dcalls/token";
    expect(readRequest(makeEvent({ path })).path).toBe(path);
  });
});

describe("an HTTP API's path", () => {
  const withStage = (rawPath: string, stage: string) => {
    const event = httpEvent() as { requestContext: object };
    return { ...event, rawPath, requestContext: { ...event.requestContext, stage } };
  };

  it.each([
    ["/prod/v1/service-accounts", "prod", "/v1/service-accounts"],
    ["/v1/service-accounts", "$default", "/v1/service-accounts"],
    ["/v1/service-accounts", "prod", "/v1/service-accounts"],
    ["/production/v1", "prod", "/production/v1"],
  ])("%s in stage %s is %s", (rawPath, stage, expected) => {
    expect(readRequest(withStage(rawPath, stage)).path).toBe(expected);
  });
});

describe("the base path of a custom domain's mapping", () => {
  const rest = (path: string) => ({ ...restEvent(), path });
  const http = (rawPath: string) => ({ ...httpEvent(), rawPath });

  it.each([
    ["is stripped from the path", "/tokens/v1/service-accounts", "/v1/service-accounts"],
    ["may be absent from the path", "/v1/service-accounts", "/v1/service-accounts"],
    ["is stripped only once", "/tokens/tokens/v1/service-accounts", "/tokens/v1/service-accounts"],
    [
      "does not match the beginning of a longer name",
      "/tokens2/v1/service-accounts",
      "/tokens2/v1/service-accounts",
    ],
    ["does not match in another letter case", "/Tokens/v1/service-accounts", "/Tokens/v1/service-accounts"],
    ["does not match percent-encoded", "/%74okens/v1/service-accounts", "/%74okens/v1/service-accounts"],
    ["leaves the rest of the path encoded", "/tokens/v1/a%2Fb", "/v1/a%2Fb"],
  ])("%s: %s", (_, path, expected) => {
    for (const event of [rest(path), http(path)]) expect(readRequest(event, "tokens").path).toBe(expected);
  });

  it("may have several parts", () => {
    expect(readRequest(rest("/a/b/v1/service-accounts"), "a/b").path).toBe("/v1/service-accounts");
  });

  it("is an ordinary path without a mapping", () => {
    expect(readRequest(rest("/tokens/v1/service-accounts")).path).toBe("/tokens/v1/service-accounts");
  });
});

describe("an event without an identity", () => {
  it.each([
    ["REST API, no authorizer", { ...restEvent(), requestContext: { requestId: "r" } }],
    ["HTTP API, no authorizer", { ...httpEvent(), requestContext: { http: { method: "GET" } } }],
    [
      "HTTP API, JWT authorizer",
      { ...httpEvent(), requestContext: { http: { method: "GET" }, authorizer: { jwt: {} } } },
    ],
  ])("is read without an identity: %s", (_, event) => {
    expect(readRequest(event).identity.userArn).toBeUndefined();
  });
});

describe("an event that is not API Gateway's", () => {
  it.each([
    [undefined, "event"],
    [null, "event"],
    ["text", "event"],
    [{}, "event.httpMethod"],
    [{ Records: [] }, "event.httpMethod"],
    [{ ...restEvent(), path: 7 }, "event.path"],
    [{ ...restEvent(), body: {} }, "event.body"],
  ])("is refused with the name of the missing field: %j", (event, field) => {
    expect(() => readRequest(event)).toThrow(
      `not an event of API Gateway: ${field} is missing or of another type`,
    );
  });
});
