import type { EntitlementsListed, Outcome, TokenVended } from "../outcome.ts";
import {
  type EntitlementsResponse,
  type ErrorCode,
  type ErrorResponse,
  routes,
  type TokenResponse,
} from "./wire.ts";

/** What Lambda returns to API Gateway, the same in both payload formats. */
export interface HttpResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The HTTP response for an outcome. Only this file knows status codes and what a caller may learn.
 * A refusal is the same for an unknown service account, a missing grant and an unlisted child
 * account, so that a caller cannot find out which of them exist.
 */
export function toResponse(outcome: Outcome, requestId: string): HttpResponse {
  const fail = (status: number, error: ErrorCode, error_description: string, headers = {}) =>
    respond(status, { error, error_description, request_id: requestId } satisfies ErrorResponse, headers);

  switch (outcome.reason) {
    case "token_vended":
      return respond(200, tokenResponse(outcome));
    case "method_called": {
      const { status, body } = outcome.answer;
      return { statusCode: status, headers: { ...JSON_HEADERS, "X-Request-Id": requestId }, body };
    }
    case "entitlements_listed":
      return respond(200, entitlementsResponse(outcome));
    case "not_found":
      return fail(404, outcome.reason, NO_SUCH_PATH);
    case "method_not_allowed":
      return fail(405, outcome.reason, `This path takes ${outcome.allow} only.`, { Allow: outcome.allow });
    case "unauthenticated":
      return fail(401, outcome.reason, NO_IDENTITY);
    case "invalid_request":
      return fail(400, outcome.reason, outcome.detail);
    case "access_denied":
      return fail(403, outcome.reason, ACCESS_DENIED);
    case "ttl_too_long": {
      const description = `ttl_seconds: the caller may have at most ${outcome.maxTtlSeconds} seconds.`;
      return fail(400, outcome.reason, description);
    }
    case "signing_key_unavailable": {
      const headers = { "Retry-After": String(outcome.retryAfterSeconds) };
      return fail(503, outcome.reason, NO_KEY, headers);
    }
    case "platform_unavailable":
      return fail(502, outcome.reason, PLATFORM_UNAVAILABLE);
    case "response_too_large":
      return fail(502, outcome.reason, RESPONSE_TOO_LARGE);
    case "platform_timeout":
      return fail(504, outcome.reason, PLATFORM_TIMEOUT);
    case "internal_error":
      return fail(500, outcome.reason, INTERNAL_ERROR);
  }
}

const NO_SUCH_PATH = `No such path. There are ${Object.values(routes)
  .map(({ method, path }) => `${method} ${path}`)
  .join(", ")}.`;
const NO_IDENTITY =
  "The request carries no identity of an IAM role or user. Sign it with AWS Signature Version 4.";
const ACCESS_DENIED =
  "Access denied. `voxtoken whoami` shows what you may request. " +
  "Give this request_id to the owner of grants.yml for the reason.";
const NO_KEY = "The signing key cannot be fetched at the moment. Try again after the time in Retry-After.";
const PLATFORM_UNAVAILABLE =
  "Voximplant cannot be reached, or its answer is unusable. Whether the method took effect is not known.";
const PLATFORM_TIMEOUT =
  "Voximplant's answer did not arrive, or not in time. Whether the method took effect is not known: check before you call again.";
const RESPONSE_TOO_LARGE =
  "Voximplant's answer is larger than 5 MiB. Ask for less at a time (count, offset), " +
  "or ask for a grant that gives tokens.";
const INTERNAL_ERROR =
  "Internal error. Give this request_id to the service's operator, who finds the reason in the log.";

function tokenResponse({ token, claims, expiresIn, serviceAccount }: TokenVended): TokenResponse {
  return {
    access_token: token,
    token_type: "Bearer",
    expires_in: expiresIn,
    expires_at: new Date(claims.exp * 1000).toISOString().replace(".000Z", "Z"),
    service_account: serviceAccount.name,
    account_id: claims.iss,
  };
}

function entitlementsResponse({ principal, entitlements }: EntitlementsListed): EntitlementsResponse {
  return {
    principal,
    service_accounts: entitlements.map(({ name, maxTtlSeconds, childAccountIds, methods }) => ({
      name,
      tokens: maxTtlSeconds !== undefined,
      ...(maxTtlSeconds !== undefined && { max_ttl_seconds: maxTtlSeconds }),
      child_account_ids: childAccountIds,
      ...(methods.length > 0 && { methods }),
    })),
  };
}

const JSON_HEADERS = { "Content-Type": "application/json", "Cache-Control": "no-store" };

function respond(statusCode: number, body: object, headers: Record<string, string> = {}): HttpResponse {
  return { statusCode, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) };
}

/**
 * The largest response of a Lambda function, counted as JSON:
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const MAX_LAMBDA_RESPONSE_BYTES = 6 * 1024 * 1024;

/**
 * Whether Lambda can return a body. It counts the body as a JSON string, with its quotes escaped.
 */
export function fitsResponse(body: string): boolean {
  const roomForTheRest = 4096;
  return Buffer.byteLength(JSON.stringify(body)) + roomForTheRest <= MAX_LAMBDA_RESPONSE_BYTES;
}
