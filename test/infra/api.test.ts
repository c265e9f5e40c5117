import { describe, expect, it } from "vitest";
import { gatewayResponses } from "../../infra/gateway-responses.ts";
import { describeWith, stackOf } from "./describe.ts";
import { property, resourcesOf } from "./promises.ts";

const stack = stackOf();

describe("the REST API", () => {
  it("is regional", () => {
    expect(property(stack.Resources["RestApi"], "EndpointConfiguration")).toEqual({ Types: ["REGIONAL"] });
  });

  it("validates body and parameters of each route, and refuses unknown fields of a token request", () => {
    expect(stack.Resources["RequestValidator"]?.Properties).toMatchObject({
      ValidateRequestBody: true,
      ValidateRequestParameters: true,
    });
    for (const [, method] of resourcesOf(stack, "AWS::ApiGateway::Method")) {
      expect(property(method, "RequestValidatorId")).toEqual({ Ref: "RequestValidator" });
    }
    const post = stack.Resources["ApiMethodV1ServiceAccountsServiceAccountTokenPost"];
    expect(property(post, "RequestModels")).toEqual({ "application/json": { Ref: "TokenRequestModel" } });
    expect(property(post, "RequestParameters")).toEqual({ "method.request.path.serviceAccount": true });
    expect(property(stack.Resources["TokenRequestModel"], "Schema")).toMatchObject({
      properties: {
        ttl_seconds: { type: "integer", minimum: 30, maximum: 3600 },
        account_id: { type: "integer" },
      },
      additionalProperties: false,
    });
  });

  it("may invoke the function only for its own two routes of its own stage", () => {
    const sources = resourcesOf(stack, "AWS::Lambda::Permission")
      .filter(([, permission]) => property(permission, "Principal") === "apigateway.amazonaws.com")
      .map(([, permission]) => property(permission, "SourceArn", "Fn::Sub"));
    const api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${RestApi}";
    expect(sources).toEqual([
      `${api}/dev/GET/v1/service-accounts`,
      `${api}/dev/POST/v1/service-accounts/*/token`,
    ]);
  });

  it("is deployed after every resource that the deployment copies", () => {
    const [[, deployment] = []] = resourcesOf(stack, "AWS::ApiGateway::Deployment");
    const parts = ["Resource", "Method", "Model", "RequestValidator", "GatewayResponse"].flatMap((type) =>
      resourcesOf(stack, `AWS::ApiGateway::${type}`).map(([id]) => id),
    );
    expect([...(deployment?.DependsOn ?? [])].sort()).toEqual(parts.sort());
  });

  it("logs each request as JSON with the caller's ARN, without the body or anything else that a caller writes", () => {
    const format = String(property(stack.Resources["Stage"], "AccessLogSetting", "Format"));
    expect(JSON.parse(format)).toMatchObject({
      caller: "$context.identity.userArn",
      requestId: "$context.requestId",
    });
    expect(format).not.toMatch(/userAgent|\$context\.path\b|\$context\.error\.message\b/);
  });

  it("has tracing and a rate limit, and never logs bodies, which contain tokens", () => {
    expect(stack.Resources["Stage"]?.Properties).toMatchObject({
      TracingEnabled: true,
      MethodSettings: [
        {
          HttpMethod: "*",
          ResourcePath: "/*",
          ThrottlingRateLimit: 50,
          ThrottlingBurstLimit: 100,
          LoggingLevel: "OFF",
          DataTraceEnabled: false,
        },
      ],
    });
  });

  it("creates the account's role for writing logs, or leaves it unchanged", () => {
    expect(stack.Resources["Stage"]?.DependsOn).toEqual(["ApiGatewayAccount"]);
    const existing = stackOf({ apiGatewayLogRole: "existing" });
    expect(existing.Resources).not.toHaveProperty("ApiGatewayAccount");
    expect(existing.Resources).not.toHaveProperty("ApiGatewayLogRole");
    expect(existing.Resources["Stage"]).not.toHaveProperty("DependsOn");
  });

  it("leaves the function's concurrency to the account, or reserves some", () => {
    const reserved = (reservedConcurrency: string) =>
      describeWith({ reservedConcurrency }).resources.extensions["VendTokenLambdaFunction"]?.Properties;
    expect(reserved("")).toEqual({ ReservedConcurrentExecutions: undefined });
    expect(reserved("25")).toEqual({ ReservedConcurrentExecutions: 25 });
  });
});

/**
 * Fills a gateway response's template in as API Gateway does: text for a variable, and JSON for
 * messageString.
 */
function answer(type: string, message: string): unknown {
  const [, response] =
    resourcesOf(stack, "AWS::ApiGateway::GatewayResponse").find(
      ([, { Properties }]) => Properties?.["ResponseType"] === type,
    ) ?? [];
  const template = String(property(response, "ResponseTemplates", "application/json"));
  const body = template
    .replace("$context.error.messageString", () => JSON.stringify(message))
    .replace("$context.requestId", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef");
  return { status: property(response, "StatusCode"), ...(JSON.parse(body) as object) };
}

describe("an answer of API Gateway itself", () => {
  const awsText = 'User: arn:aws:iam::111122223333:user/"eve"\nis not authorized';

  it.each([
    ["MISSING_AUTHENTICATION_TOKEN", "403", "not_authorized"],
    ["ACCESS_DENIED", "403", "not_authorized"],
    ["INVALID_SIGNATURE", "403", "not_authorized"],
    ["EXPIRED_TOKEN", "403", "not_authorized"],
    ["THROTTLED", "429", "throttled"],
    ["REQUEST_TOO_LARGE", "400", "invalid_request"],
  ])("of type %s is %s %s with AWS's text, whatever characters the text contains", (type, status, error) => {
    expect(answer(type, awsText)).toEqual({
      status,
      error,
      error_description: awsText,
      request_id: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    });
  });

  it("names the fields of a valid body if the body is invalid", () => {
    expect(answer("BAD_REQUEST_BODY", "Invalid request body")).toMatchObject({
      status: "400",
      error: "invalid_request",
      error_description: expect.stringMatching(/ttl_seconds.*30 to 3600.*account_id/) as string,
    });
  });

  it.each(["INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "API_CONFIGURATION_ERROR"])(
    "of type %s is a 500 without internal details",
    (type) => {
      const inside = "Lambda arn:aws:lambda:… timed out";
      expect(answer(type, inside)).toMatchObject({ status: "500", error: "internal_error" });
      expect(JSON.stringify(answer(type, inside))).not.toContain("lambda");
    },
  );

  it("of another type keeps the status that AWS gives it", () => {
    for (const type of ["DEFAULT_4XX", "DEFAULT_5XX"])
      expect(answer(type, awsText)).toMatchObject({ status: undefined });
  });

  it("has one shape and Cache-Control: no-store", () => {
    const responses = resourcesOf(stack, "AWS::ApiGateway::GatewayResponse");
    expect(responses).toHaveLength(Object.keys(gatewayResponses).length);
    for (const [, response] of responses) {
      expect(answer(String(property(response, "ResponseType")), awsText)).toHaveProperty("error_description");
      expect(property(response, "ResponseParameters")).toEqual({
        "gatewayresponse.header.Cache-Control": "'no-store'",
      });
    }
  });
});
