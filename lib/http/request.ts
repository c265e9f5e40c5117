import * as z from "zod/mini";
import type { IamIdentity } from "../caller/caller.ts";

/** One HTTP request as API Gateway passed it on, in either of its event formats. */
export interface GatewayRequest {
  readonly method: string;
  /** Still percent-encoded, without the prefix of the stage and of the base path. */
  readonly path: string;
  /** As the caller sent it: decoded from base64 if API Gateway encoded it. */
  readonly body: string;
  /** The header `Content-Type`, as it was sent. */
  readonly contentType?: string | undefined;
  /** Whether the request's URL has a query. */
  readonly hasQuery: boolean;
  readonly identity: IamIdentity;
  /** The caller can choose it, with the header `x-amzn-RequestId`. */
  readonly requestId?: string | undefined;
  /** API Gateway's own id, which no caller can choose. An HTTP API's event has none. */
  readonly extendedRequestId?: string | undefined;
  readonly apiId?: string | undefined;
  readonly sourceIp?: string | undefined;
  readonly userAgent?: string | undefined;
}

/** The event is not from API Gateway: wrong integration, or an invocation by hand. */
export class MalformedEventError extends Error {
  override readonly name = "MalformedEventError";
}

const text = z.nullish(z.string());
/**
 * Null or an object. Not parsed further, because that would cost time for each header of a request.
 */
const record = z.optional(z.unknown());
const body = { body: text, isBase64Encoded: z.nullish(z.boolean()), headers: record };

/**
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
 */
const format1 = z.object({
  ...body,
  httpMethod: z.string(),
  path: z.string(),
  multiValueQueryStringParameters: record,
  queryStringParameters: record,
  requestContext: z.object({
    requestId: text,
    extendedRequestId: text,
    apiId: text,
    identity: z.nullish(
      z.object({
        userArn: text,
        user: text,
        accountId: text,
        principalOrgId: text,
        sourceIp: text,
        userAgent: text,
      }),
    ),
  }),
});

/**
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 */
const format2 = z.object({
  ...body,
  rawPath: z.string(),
  rawQueryString: text,
  requestContext: z.object({
    requestId: text,
    apiId: text,
    stage: text,
    http: z.object({ method: z.string(), sourceIp: text, userAgent: text }),
    authorizer: z.nullish(
      z.object({
        iam: z.nullish(z.object({ userArn: text, userId: text, accountId: text, principalOrgId: text })),
      }),
    ),
  }),
});

/**
 * Reads the event of a REST API (payload format 1.0) or of an HTTP API or function URL (2.0).
 *
 * @param basePath the base path of a custom domain, such as `tokens`, which API Gateway leaves in
 *   the path
 * @throws {MalformedEventError} the event is neither of them.
 */
export function readRequest(event: unknown, basePath?: string): GatewayRequest {
  const request = isFormat2(event) ? fromFormat2(parse(format2, event)) : fromFormat1(parse(format1, event));
  return { ...request, path: withoutPrefix(request.path, basePath) };
}

function isFormat2(event: unknown): boolean {
  return typeof event === "object" && event !== null && "version" in event && event.version === "2.0";
}

function parse<T>(format: z.ZodMiniType<T>, event: unknown): T {
  const parsed = format.safeParse(event);
  if (parsed.success) return parsed.data;
  const fault = ["event", ...(parsed.error.issues[0]?.path ?? [])].join(".");
  throw new MalformedEventError(`not an event of API Gateway: ${fault} is missing or of another type`);
}

function fromFormat1(event: z.infer<typeof format1>): GatewayRequest {
  const { identity, requestId, extendedRequestId, apiId } = event.requestContext;
  return {
    method: event.httpMethod,
    path: event.path,
    body: decodeBody(event),
    contentType: contentTypeOf(event.headers),
    hasQuery: [event.queryStringParameters, event.multiValueQueryStringParameters].some(
      (query) => Object.keys(Object(query) as object).length > 0,
    ),
    identity: {
      userArn: identity?.userArn,
      userId: identity?.user,
      accountId: identity?.accountId,
      principalOrgId: identity?.principalOrgId,
    },
    requestId: requestId ?? undefined,
    extendedRequestId: extendedRequestId ?? undefined,
    apiId: apiId ?? undefined,
    sourceIp: identity?.sourceIp ?? undefined,
    userAgent: identity?.userAgent ?? undefined,
  };
}

function fromFormat2(event: z.infer<typeof format2>): GatewayRequest {
  const { http, stage, authorizer, requestId, apiId } = event.requestContext;
  return {
    method: http.method,
    // An HTTP API's `rawPath` begins with the stage, except for `$default` and custom domains.
    path: withoutPrefix(event.rawPath, stage),
    body: decodeBody(event),
    contentType: contentTypeOf(event.headers),
    hasQuery: Boolean(event.rawQueryString),
    identity: authorizer?.iam ?? {},
    requestId: requestId ?? undefined,
    apiId: apiId ?? undefined,
    sourceIp: http.sourceIp ?? undefined,
    userAgent: http.userAgent ?? undefined,
  };
}

/** Header names are in the case in which they were sent. */
function contentTypeOf(headers: unknown): string | undefined {
  const all = Object(headers) as Record<string, unknown>;
  const name = Object.keys(all).find((candidate) => candidate.toLowerCase() === "content-type");
  const value = name === undefined ? undefined : all[name];
  return typeof value === "string" ? value : undefined;
}

function withoutPrefix(path: string, prefix: string | null | undefined): string {
  return prefix && path.startsWith(`/${prefix}/`) ? path.slice(prefix.length + 1) : path;
}

function decodeBody(event: {
  body?: string | null | undefined;
  isBase64Encoded?: boolean | null | undefined;
}): string {
  const sent = event.body ?? "";
  return event.isBase64Encoded ? Buffer.from(sent, "base64").toString() : sent;
}
