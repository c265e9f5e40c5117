import * as z from "zod/mini";
import { orAborted } from "./or-aborted.ts";
import { parseApiUrl } from "./api-url.ts";
import type { Connection } from "./connection.ts";
import {
  errorCodes,
  isRefusal,
  VoximplantError,
  VoximplantFileError,
  VoximplantUnavailableError,
} from "./errors.ts";
import { sendOnce } from "./send.ts";

/** A token, or the account's API key, which is deprecated and has every right. */
export type Authorization =
  { readonly token: string } | { readonly accountId: number; readonly apiKey: string };

export type Parameters = Readonly<Record<string, string | number | boolean | undefined>>;

/** The result of one attempt. A failure says whether the method may have taken effect. */
type Attempt =
  | { readonly answered: true; readonly body: Record<string, unknown> }
  | { readonly answered: false; readonly error: Error; readonly tookEffect: "no" | "unknown" };

const ApiError = z.looseObject({ code: z.number(), msg: z._default(z.string(), "no message") });

/** Most official clients read `error`; the Node client reads `errors`. */
const Answer = z.looseObject({
  result: z.optional(z.unknown()),
  error: z.nullish(ApiError),
  errors: z.nullish(z.array(ApiError)),
});

/**
 * Calls one method of the HTTP Management API and resolves to its whole answer (`result` and what
 * stands beside it).
 *
 * Reads the body for every HTTP status, because the platform does not document the status of
 * errors. Retries with full jitter after error 340, and after HTTP 429 without a readable error:
 * then the method did not run. After error 515, a lost connection, a time-out or a 5xx, the method
 * may have taken effect. Then the call is retried only if `repeatable`.
 *
 * @param options.repeatable whether running the method twice has the same effect as once.
 *   `CreateKey` is not repeatable.
 * @param options.attempts the maximum number of calls. Default 5.
 * @throws VoximplantError the platform refuses
 * @throws VoximplantUnavailableError no answer, or one that is not understood
 * @throws VoximplantFileError the method answered with a file; it is not called again
 * @throws ApiUrlError the URL is neither https nor this machine; nothing is sent
 * @see https://voximplant.com/docs/references/httpapi
 */
export async function callMethod(
  connection: Connection,
  authorization: Authorization,
  method: string,
  parameters: Parameters,
  { repeatable, attempts: maxAttempts = 5 }: { readonly repeatable: boolean; readonly attempts?: number },
): Promise<Record<string, unknown>> {
  // Most callers have checked the URL already, and their error names the setting. This check is for
  // the other callers.
  parseApiUrl(connection.url, "the URL of the Management API");
  const { now, sleep, random, deadlineMs = 30_000 } = connection;
  const deadline = now() + deadlineMs;
  for (let attempts = 1; ; attempts += 1) {
    const attempt = await attemptOnce(connection, authorization, method, parameters, deadline - now());
    if (attempt.answered) return attempt.body;

    const mayRepeat =
      attempt.tookEffect === "no" ||
      (repeatable &&
        (attempt.error instanceof VoximplantUnavailableError ||
          isRefusal(attempt.error, "sameOperationRecently")));
    const pauseMs = Math.ceil(random() * Math.min(8_000, 500 * 2 ** (attempts - 1)));
    const ended = attempts === maxAttempts || now() + pauseMs >= deadline || connection.signal?.aborted;
    if (!mayRepeat || ended) throw attempt.error;
    await orAborted(sleep(pauseMs), connection.signal).catch(() => {
      throw attempt.error;
    });
  }
}

async function attemptOnce(
  connection: Connection,
  authorization: Authorization,
  method: string,
  parameters: Parameters,
  remainingMs: number,
): Promise<Attempt> {
  const { attemptTimeoutMs = 10_000 } = connection;
  const headers: Record<string, string> =
    "token" in authorization ? { authorization: `Bearer ${authorization.token}` } : {};
  const timeoutMs = Math.min(attemptTimeoutMs, remainingMs);
  const sent = await sendOnce(connection, method, headers, form(authorization, parameters), timeoutMs);
  if ("failure" in sent) return unavailable(method, sent.detail, "unknown", sent.cause);
  return understand(method, sent.status, sent.contentType, sent.text);
}

/** Parses a body. Error messages quote only the field `msg`: the rest may hold a private key. */
function understand(method: string, status: number, contentType: string, text: string): Attempt {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // HTML is the page of a proxy: the platform's answer was lost.
    if (status === 200 && contentType !== "" && !/json|html/i.test(contentType)) {
      const error = new VoximplantFileError(method, contentType, text);
      return { answered: false, error, tookEffect: "unknown" };
    }
    return unavailable(method, `HTTP ${status} without JSON`, status === 429 ? "no" : "unknown");
  }
  const answer = Answer.safeParse(body);
  const refusal = answer.data?.error ?? answer.data?.errors?.[0];
  if (refusal) {
    const error = new VoximplantError(method, refusal.code, refusal.msg);
    return { answered: false, error, tookEffect: error.code === errorCodes.rateLimited ? "no" : "unknown" };
  }
  if (answer.success && answer.data.result !== undefined) return { answered: true, body: answer.data };
  return unavailable(
    method,
    `HTTP ${status} with neither result nor error`,
    status === 429 ? "no" : "unknown",
  );
}

function unavailable(method: string, detail: string, tookEffect: "no" | "unknown", cause?: unknown): Attempt {
  return { answered: false, error: new VoximplantUnavailableError(method, detail, { cause }), tookEffect };
}

/** The body of a call: its parameters, and the API key if there is no token. */
export function form(authorization: Authorization, parameters: Parameters): URLSearchParams {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) fields.set(name, String(value));
  }
  if ("apiKey" in authorization) {
    fields.set("account_id", String(authorization.accountId));
    fields.set("api_key", authorization.apiKey);
  }
  return fields;
}
