import type { APIGatewayProxyEvent, APIGatewayProxyEventV2WithRequestContext } from "aws-lambda";

/**
 * What differs between the requests of these tests; the rest of an event is as AWS documents it.
 */
export interface FakeRequest {
  method?: string;
  path?: string;
  body?: string | null;
  isBase64Encoded?: boolean;
  contentType?: string;
  query?: Readonly<Record<string, string>>;
  /** Undefined: left out of the event altogether. */
  userArn?: string | null | undefined;
  userId?: string | null;
  principalOrgId?: string | null;
}

export const billingWorker = "arn:aws:sts::111122223333:assumed-role/billing-worker/i-0abc";
const defaults = {
  method: "POST",
  path: "/v1/service-accounts/outbound-calls/token",
  body: null,
  isBase64Encoded: false,
  userArn: billingWorker,
  userId: "AROAEXAMPLEBILLING000:i-0abc",
  principalOrgId: "o-a1b2c3d4e5",
} satisfies FakeRequest;

/** Payload format 1.0, as a REST API sends it. */
export function restEvent(request: FakeRequest = {}): APIGatewayProxyEvent {
  const { contentType, query } = request;
  const { method, path, body, isBase64Encoded, userArn, userId, principalOrgId } = {
    ...defaults,
    ...request,
  };
  return {
    resource: "/v1/service-accounts/{serviceAccount}/token",
    path,
    httpMethod: method,
    headers: {
      Host: "abc123.execute-api.eu-central-1.amazonaws.com",
      ...(contentType !== undefined && { "Content-Type": contentType }),
    },
    multiValueHeaders: { Host: ["abc123.execute-api.eu-central-1.amazonaws.com"] },
    queryStringParameters: query ?? null,
    multiValueQueryStringParameters:
      query === undefined
        ? null
        : Object.fromEntries(Object.entries(query).map(([name, value]) => [name, [value]])),
    pathParameters: { serviceAccount: path.split("/")[3] },
    stageVariables: null,
    body,
    isBase64Encoded,
    requestContext: {
      accountId: "111122223333",
      apiId: "abc123",
      authorizer: null,
      httpMethod: method,
      identity: {
        accessKey: "ASIAEXAMPLE",
        accountId: userArn?.split(":")[4] ?? null,
        apiKey: null,
        apiKeyId: null,
        caller: userId,
        clientCert: null,
        cognitoAuthenticationProvider: null,
        cognitoAuthenticationType: null,
        cognitoIdentityId: null,
        cognitoIdentityPoolId: null,
        principalOrgId,
        sourceIp: "203.0.113.7",
        user: userId,
        userAgent: "curl/8.5.0",
        userArn: userArn as string | null,
      },
      path: `/prod${path}`,
      protocol: "HTTP/1.1",
      requestId: "request-1",
      requestTimeEpoch: 1_795_521_600_000,
      resourceId: "r1",
      resourcePath: "/v1/service-accounts/{serviceAccount}/token",
      stage: "prod",
    },
  };
}

interface IamAuthorizer {
  iam: Record<
    "accessKey" | "accountId" | "callerId" | "userArn" | "userId" | "principalOrgId",
    string | null
  >;
}

/** Payload format 2.0, as an HTTP API and a function URL with an IAM authorizer send it. */
export function httpEvent(request: FakeRequest = {}): object {
  const { contentType, query } = request;
  const { method, path, body, isBase64Encoded, userArn, userId, principalOrgId } = {
    ...defaults,
    ...request,
  };
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: new URLSearchParams(query).toString(),
    headers: {
      host: "abc123.lambda-url.eu-central-1.on.aws",
      ...(contentType !== undefined && { "content-type": contentType }),
    },
    ...(body !== null && { body }),
    isBase64Encoded,
    requestContext: {
      accountId: "111122223333",
      apiId: "abc123",
      authorizer: {
        iam: {
          accessKey: "ASIAEXAMPLE",
          accountId: userArn?.split(":")[4] ?? null,
          callerId: userId,
          userArn: userArn as string | null,
          userId,
          principalOrgId,
        },
      },
      domainName: "abc123.lambda-url.eu-central-1.on.aws",
      domainPrefix: "abc123",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "203.0.113.7", userAgent: "curl/8.5.0" },
      requestId: "request-1",
      routeKey: "$default",
      stage: "$default",
      time: "24/Nov/2026:12:00:00 +0000",
      timeEpoch: 1_795_521_600_000,
    },
  } satisfies Omit<
    APIGatewayProxyEventV2WithRequestContext<{ authorizer: IamAuthorizer }>,
    "body" | "requestContext"
  > & {
    requestContext: object;
  };
}

/** Both, for tables: what holds for one format holds for the other. */
export const eventFormats = [
  ["REST API (1.0)", restEvent],
  ["HTTP API or function URL (2.0)", httpEvent],
] as const;
