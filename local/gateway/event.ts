import type {
  APIGatewayEventRequestContextIAMAuthorizer,
  APIGatewayEventRequestContextV2WithAuthorizer,
  APIGatewayProxyEvent,
  APIGatewayProxyEventV2WithRequestContext,
} from "aws-lambda";
import type { RawRequest } from "../exchange.ts";
import type { Identity } from "./identity.ts";
import type { RouteMatch } from "./route.ts";

/** What API Gateway knows about a request when it calls the function. */
export interface Invocation {
  readonly request: RawRequest;
  readonly match: RouteMatch;
  readonly identity: Identity;
  readonly requestId: string;
  readonly extendedRequestId: string;
  readonly time: Date;
  readonly api: Api;
}

export interface Api {
  readonly apiId: string;
  /** The account that the API is in; callers may be in others. */
  readonly accountId: string;
  readonly stage: string;
}

/**
 * The event of a REST API's Lambda proxy integration (payload format 1.0).
 *
 * As with a custom domain name, the path has no stage in it. The body is text, because the API
 * declares no binary media types.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
 */
export function restEvent({
  request,
  match,
  identity,
  requestId,
  extendedRequestId,
  time,
  api,
}: Invocation): APIGatewayProxyEvent {
  const { path, query } = splitTarget(request.target);
  const headers = forwardedHeaders(request, requestId);
  const host = lastHeader(headers, "host") ?? "";
  return {
    resource: match.route.resource,
    path,
    httpMethod: request.method,
    headers: lastValues(headers),
    multiValueHeaders: allValues(headers),
    queryStringParameters: query.length > 0 ? lastValues(query) : null,
    multiValueQueryStringParameters: query.length > 0 ? allValues(query) : null,
    pathParameters: match.pathParameters,
    stageVariables: null,
    requestContext: {
      resourceId: "local0",
      resourcePath: match.route.resource,
      httpMethod: request.method,
      extendedRequestId,
      requestTime: commonLogTime(time),
      path,
      accountId: api.accountId,
      protocol: "HTTP/1.1",
      stage: api.stage,
      domainPrefix: host.split(".")[0] ?? host,
      requestTimeEpoch: time.getTime(),
      requestId,
      identity: {
        cognitoIdentityPoolId: null,
        accountId: identity.accountId,
        cognitoIdentityId: null,
        caller: identity.userId,
        sourceIp: request.sourceIp,
        principalOrgId: identity.principalOrgId ?? null,
        accessKey: identity.accessKeyId,
        cognitoAuthenticationType: null,
        cognitoAuthenticationProvider: null,
        userArn: identity.userArn,
        userAgent: lastHeader(headers, "user-agent") ?? null,
        user: identity.userId,
        apiKey: null,
        apiKeyId: null,
        clientCert: null,
      },
      domainName: host,
      apiId: api.apiId,
      authorizer: undefined,
    },
    body: request.body.length > 0 ? request.body.toString("utf8") : null,
    isBase64Encoded: false,
  };
}

type Iam = APIGatewayEventRequestContextIAMAuthorizer["iam"];

/** The event as @types/aws-lambda declares it, but an account may have no organisation. */
type HttpApiEvent = APIGatewayProxyEventV2WithRequestContext<
  APIGatewayEventRequestContextV2WithAuthorizer<{
    iam: Omit<Iam, "principalOrgId"> & { principalOrgId: string | null };
  }>
>;

/** Bodies of these types reach an HTTP API's function as text, all others in base64. */
const TEXT = /^(text\/|application\/(json|javascript|xml)\b)/i;

/**
 * The event of an HTTP API with an IAM authorizer, or of a Lambda function URL (payload format
 * 2.0).
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 */
export function httpApiEvent({ request, match, identity, requestId, time, api }: Invocation): HttpApiEvent {
  const { path, query, rawQuery } = splitTarget(request.target);
  const headers = forwardedHeaders(request, requestId).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  const host = lastHeader(headers, "host") ?? "";
  const isText = TEXT.test(lastHeader(headers, "content-type") ?? "");
  return {
    version: "2.0",
    routeKey: `${request.method} ${match.route.resource}`,
    rawPath: path,
    rawQueryString: rawQuery,
    headers: joinedValues(headers),
    ...(query.length > 0 && { queryStringParameters: joinedValues(query) }),
    ...(match.pathParameters !== null && { pathParameters: match.pathParameters }),
    requestContext: {
      accountId: api.accountId,
      apiId: api.apiId,
      authorizer: {
        iam: {
          accessKey: identity.accessKeyId,
          accountId: identity.accountId,
          callerId: identity.userId,
          cognitoIdentity: null,
          principalOrgId: identity.principalOrgId ?? null,
          userArn: identity.userArn,
          userId: identity.userId,
        },
      },
      domainName: host,
      domainPrefix: host.split(".")[0] ?? host,
      http: {
        method: request.method,
        path,
        protocol: "HTTP/1.1",
        sourceIp: request.sourceIp,
        userAgent: lastHeader(headers, "user-agent") ?? "",
      },
      requestId,
      routeKey: `${request.method} ${match.route.resource}`,
      stage: "$default",
      time: commonLogTime(time),
      timeEpoch: time.getTime(),
    },
    ...(request.body.length > 0 && { body: request.body.toString(isText ? "utf8" : "base64") }),
    isBase64Encoded: request.body.length > 0 && !isText,
  };
}

type Pairs = readonly (readonly [name: string, value: string])[];

export function splitTarget(target: string): { path: string; query: Pairs; rawQuery: string } {
  const [path = "/", rawQuery = ""] = target.split(/\?(.*)/s);
  return { path, query: [...new URLSearchParams(rawQuery)], rawQuery };
}

/** The headers of the request, with those that API Gateway adds. */
function forwardedHeaders({ headers, sourceIp }: RawRequest, requestId: string): Pairs {
  const port = lastHeader(headers, "host")?.split(":")[1] ?? "80";
  const earlier = lastHeader(headers, "x-forwarded-for");
  const id = requestId.replaceAll("-", "");
  return [
    ...headers.filter(([name]) => !/^x-forwarded-(for|port|proto)$/i.test(name)),
    ["X-Amzn-Trace-Id", `Root=1-${id.slice(0, 8)}-${id.slice(8)}`],
    ["X-Forwarded-For", earlier === undefined ? sourceIp : `${earlier}, ${sourceIp}`],
    ["X-Forwarded-Port", port],
    ["X-Forwarded-Proto", "http"],
  ];
}

function lastHeader(headers: Pairs, name: string): string | undefined {
  return headers.findLast(([candidate]) => candidate.toLowerCase() === name)?.[1];
}

function lastValues(pairs: Pairs): Record<string, string> {
  return Object.fromEntries(pairs);
}

function allValues(pairs: Pairs): Record<string, string[]> {
  const result = new Map<string, string[]>();
  for (const [name, value] of pairs) result.set(name, [...(result.get(name) ?? []), value]);
  return Object.fromEntries(result);
}

function joinedValues(pairs: Pairs): Record<string, string> {
  const all = Object.entries(allValues(pairs));
  return Object.fromEntries(all.map(([name, values]) => [name, values.join(",")]));
}

/** `24/Nov/2026:03:34:02 +0000` */
function commonLogTime(time: Date): string {
  const [, day, month, year, clock] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(time.toUTCString()) ?? [];
  return `${day}/${month}/${year}:${clock} +0000`;
}
