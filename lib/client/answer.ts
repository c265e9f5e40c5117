import * as z from "zod/mini";
import {
  type EntitlementsResponse,
  ERROR_CODES,
  type ErrorCode,
  MAX_TTL_SECONDS,
  type TokenResponse,
} from "../http/wire.ts";
import { quotable } from "../voximplant/quotable.ts";
import { TokenError, type TokenErrorCode, type TokenErrorDetails } from "./errors.ts";
import type { Answer } from "./exchange.ts";

/** RFC 6750 §2.1. Any other character could end the header, or control the terminal. */
const BEARER_TOKEN = /^[\w.~+/-]+=*$/;
/** Text that is printed: a control character could control the terminal. */
const printable = () => z.string().check(z.regex(/^\P{Cc}*$/u));

// Unknown fields are ignored, so that an older client works with a newer service.
const tokenResponse = z.object({
  access_token: z.string().check(z.regex(BEARER_TOKEN)),
  token_type: z.literal("Bearer"),
  expires_in: z.int().check(z.positive(), z.maximum(MAX_TTL_SECONDS)),
  expires_at: z.iso.datetime(),
  service_account: z.string(),
  account_id: z.int(),
}) satisfies z.ZodMiniType<TokenResponse>;

const entitlementsResponse = z.object({
  principal: printable(),
  service_accounts: z.array(
    z.object({
      name: printable(),
      // An older service, which has no methods, does not send this field.
      tokens: z._default(z.boolean(), true),
      max_ttl_seconds: z.optional(z.int()),
      child_account_ids: z.array(z.int()),
      methods: z.optional(z.array(printable())),
    }),
  ),
}) satisfies z.ZodMiniType<EntitlementsResponse>;

/** The vendor's own form, or API Gateway's and Lambda's (`message`, `Message`). */
const errorResponse = z.object({
  error: z.optional(z.string()),
  error_description: z.optional(z.string()),
  request_id: z.optional(z.string()),
  message: z.optional(z.nullable(z.string())),
  Message: z.optional(z.nullable(z.string())),
});

/**
 * @param wanted what was asked for. Any other token is refused, because the caller would use it on
 *   another account.
 */
export function readToken(
  answer: Answer,
  wanted: { readonly serviceAccount: string; readonly accountId?: number | undefined },
): TokenResponse {
  const response = read(answer, tokenResponse);
  const isWanted =
    response.service_account === wanted.serviceAccount &&
    (wanted.accountId === undefined || response.account_id === wanted.accountId);
  if (isWanted) return response;
  throw new TokenError(
    "invalid_response",
    "the answer is a token of a service account or an account that was not asked for",
    details(answer),
  );
}
export const readEntitlements = (answer: Answer): EntitlementsResponse => read(answer, entitlementsResponse);

/** What the platform answered to a method that the vendor has called. */
export interface PlatformAnswer {
  readonly status: number;
  readonly text: string;
  readonly body: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly msg: string };
}

/**
 * In an error of the platform, `error.code` or `errors[0].code` is a number. In an error of the
 * service, `error` is a text.
 *
 * @param repeatable whether the method may run twice
 * @throws TokenError the vendor refuses, or the answer is not from the vendor
 */
export function readPlatformAnswer(answer: Answer, repeatable: boolean): PlatformAnswer {
  const { status, text } = answer;
  const body = Object(parseJson(text)) as Record<string, unknown>;
  const { error, errors, result } = body;
  const { code, msg } = Object(error ?? (Array.isArray(errors) ? errors[0] : undefined)) as {
    code?: unknown;
    msg?: unknown;
  };
  if (typeof code === "number") {
    return { status, text, body, error: { code, msg: typeof msg === "string" ? msg : "no message" } };
  }
  if (result !== undefined && typeof error !== "string") return { status, text, body };
  if (status !== 200) throw refusal(answer, repeatable);
  throw new TokenError("invalid_response", "the answer is not from the vendor: it has no result", {
    ...details(answer),
    mayHaveTakenEffect: !repeatable,
  });
}

function read<T>(answer: Answer, schema: z.ZodMiniType<T>): T {
  if (answer.status !== 200) throw refusal(answer);
  const result = schema.safeParse(parseJson(answer.text));
  if (result.success) return result.data;
  // Names of fields only: the body may hold a token.
  const fields = [...new Set(result.error.issues.map(({ path }) => path.join(".") || "the body"))].join(", ");
  throw new TokenError(
    "invalid_response",
    `the answer is not from the vendor; missing or invalid: ${fields}`,
    details(answer),
  );
}

/**
 * Whether the method may have run. False only if the vendor refuses with this code before it calls
 * the method: otherwise programs would repeat a call that has taken effect.
 */
const MAY_HAVE_RUN: Readonly<Record<ErrorCode | "invalid_response", boolean>> = {
  invalid_request: false,
  ttl_too_long: false,
  unauthenticated: false,
  access_denied: false,
  not_authorized: false,
  not_found: false,
  method_not_allowed: false,
  throttled: false,
  signing_key_unavailable: false,
  internal_error: true,
  platform_unavailable: true,
  platform_timeout: true,
  response_too_large: true,
  invalid_response: true,
};

function refusal(answer: Answer, repeatable = true): TokenError {
  const parsed = errorResponse.safeParse(parseJson(answer.text));
  const body = parsed.success ? parsed.data : {};
  const code = isErrorCode(body.error) ? body.error : codeOfStatus(answer.status);
  const description =
    body.error_description ?? body.message ?? body.Message ?? `HTTP status ${answer.status}`;
  return new TokenError(refine(code, description), quotable(description), {
    ...details(answer),
    mayHaveTakenEffect: !repeatable && MAY_HAVE_RUN[code],
    ...(body.request_id === undefined ? {} : { requestId: quotable(body.request_id) }),
  });
}

/** Recognises API Gateway's texts for the two refusals that the client can correct. */
function refine(code: ErrorCode | "invalid_response", description: string): TokenErrorCode {
  if (code !== "not_authorized") return code;
  if (/security token included in the request is expired/i.test(description)) return "credentials_expired";
  if (/^signature (?:expired|not yet current)/i.test(description)) return "clock_skew";
  return code;
}

function details({ status, headers }: Answer): TokenErrorDetails {
  const requestId = headers.get("x-amzn-requestid");
  return {
    status,
    requestId: requestId === null ? undefined : quotable(requestId),
    retryAfterSeconds: parseRetryAfter(headers.get("retry-after"), serverTime(headers)),
  };
}

/** The server's clock; undefined if the answer has no readable `Date`. */
export function serverTime(headers: Headers): number | undefined {
  return parseHttpDate(headers.get("date"));
}

/** Whole seconds from either form of `Retry-After` (RFC 9110 §10.2.3); otherwise undefined. */
function parseRetryAfter(value: string | null, serverTimeMs: number | undefined): number | undefined {
  if (value !== null && /^\d{1,9}$/.test(value)) return Number(value);
  const date = parseHttpDate(value);
  if (date === undefined || serverTimeMs === undefined) return undefined;
  return Math.max(0, Math.ceil((date - serverTimeMs) / 1000));
}

/** Reads only dates that end with GMT, as in HTTP: `Date.parse` alone reads "-5" as a year. */
function parseHttpDate(value: string | null): number | undefined {
  const date = value?.endsWith("GMT") === true ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : date;
}

function codeOfStatus(status: number): ErrorCode | "invalid_response" {
  if (status >= 500) return "internal_error";
  return STATUS_CODES[status] ?? "invalid_response";
}

const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_request",
  401: "unauthenticated",
  403: "not_authorized",
  404: "not_found",
  405: "method_not_allowed",
  429: "throttled",
};

function isErrorCode(code: string | undefined): code is ErrorCode {
  return ERROR_CODES.some((known) => known === code);
}

/**
 * Undefined if the text is not JSON. Drops the SyntaxError: it quotes the text, which may hold a
 * token.
 */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
