import * as z from "zod/mini";

import { form, type Parameters } from "../../voximplant/call.ts";
import type { Connection } from "../../voximplant/connection.ts";
import { errorCodes } from "../../voximplant/errors.ts";
import { readBounded } from "../../voximplant/read-bounded.ts";

/**
 * The platform's answer, with the HTTP status. A refusal has no message of the platform: refusals
 * are printed and written to a file, and a message may name an account or a key.
 */
export type Reply =
  | {
      readonly accepted: true;
      readonly status: number;
      readonly result: unknown;
      readonly body: Readonly<Record<string, unknown>>;
    }
  | { readonly accepted: false; readonly status: number; readonly code: number };

/** There is no answer, or none that can be read. The message has no text of the platform. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

export interface AskOptions {
  /** The number of attempts. Default 4. A poll, which repeats its call, uses 1. */
  readonly attempts?: number | undefined;
  /** False for CreateKey: an attempt that was not answered may have created a key. */
  readonly repeatable?: boolean;
  /** Ends the attempt and the pauses. */
  readonly signal?: AbortSignal;
}

const Code = z.looseObject({ code: z.coerce.number() });
const Answer = z.looseObject({ error: z.nullish(Code), errors: z.nullish(z.array(Code)) });

/**
 * Temporary refusals. After error 515, the method may have run all the same. If a repeated
 * CreateKey then makes a second key, cleanUp finds that key by its name.
 */
const PASSING = new Set<number>([errorCodes.rateLimited, errorCodes.sameOperationRecently]);
const ATTEMPT_TIMEOUT_MS = 10_000;
const MAX_BYTES = 8 * 1024 * 1024;

type Attempt = Reply | { readonly why: string; readonly tookEffect: "no" | "unknown" };

/**
 * Calls one method. Unlike `callMethod`, it returns a refusal as an answer, with the HTTP status
 * and the error code.
 *
 * @throws {NoAnswerError}
 */
export async function ask(
  connection: Connection,
  token: string,
  method: string,
  parameters: Parameters,
  { attempts = 4, repeatable = true, signal }: AskOptions = {},
): Promise<Reply> {
  for (let attempt = 1; ; attempt += 1) {
    if (signal?.aborted) throw new NoAnswerError("interrupted");
    const outcome = await attemptOnce(connection, token, method, parameters, signal);
    if (signal?.aborted) throw new NoAnswerError("interrupted");
    if ("accepted" in outcome && (outcome.accepted || !PASSING.has(outcome.code))) return outcome;

    const mayRepeat = "accepted" in outcome || outcome.tookEffect === "no" || repeatable;
    if (attempt >= attempts || !mayRepeat) {
      throw new NoAnswerError(`${method}: ${"accepted" in outcome ? describe(outcome) : outcome.why}`);
    }
    await pause(connection, 1000 * 2 ** (attempt - 1) * (0.5 + connection.random() / 2), signal);
  }
}

async function attemptOnce(
  connection: Connection,
  token: string,
  method: string,
  parameters: Parameters,
  stop: AbortSignal | undefined,
): Promise<Attempt> {
  const timeout = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
  try {
    const response = await connection.fetch(`${connection.url.replace(/\/+$/, "")}/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: form({ token }, parameters),
      // Never follow a redirect: it would send the token to another host.
      redirect: "error",
      signal: stop === undefined ? timeout : AbortSignal.any([stop, timeout]),
    });
    const text = await readBounded(response, MAX_BYTES);
    if (text === undefined) return { why: `an answer over ${MAX_BYTES} bytes`, tookEffect: "unknown" };
    return understand(response.status, text);
  } catch (error) {
    const why = timeout.aborted ? `no answer in ${ATTEMPT_TIMEOUT_MS / 1000} s` : networkFailure(error);
    return { why, tookEffect: "unknown" };
  }
}

function understand(status: number, text: string): Attempt {
  const tookEffect = status === 429 ? "no" : "unknown";
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { why: `HTTP ${status} without JSON`, tookEffect };
  }
  const answer = Answer.safeParse(body);
  const refusal = answer.data?.error ?? answer.data?.errors?.[0];
  if (refusal) return { accepted: false, status, code: refusal.code };
  const result = answer.data?.["result"];
  if (answer.success && result !== undefined) return { accepted: true, status, result, body: answer.data };
  return { why: `HTTP ${status} with neither result nor error`, tookEffect };
}

/** Gives only the code, such as `ECONNREFUSED`: the error's message contains addresses. */
function networkFailure(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return `the request failed${code}`;
}

/** `HTTP 401, error 456`; for a result, only the HTTP status. */
export function describe(reply: Reply): string {
  return reply.accepted ? `HTTP ${reply.status}` : `HTTP ${reply.status}, error ${reply.code}`;
}

/** Waits, or returns at once when `signal` aborts. */
export async function pause(
  { sleep }: Pick<Connection, "sleep">,
  milliseconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal?.aborted) return;
  let stop: (() => void) | undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal?.addEventListener("abort", stop, { once: true });
  });
  await Promise.race([sleep(milliseconds), aborted]);
  if (stop !== undefined) signal?.removeEventListener("abort", stop);
}
