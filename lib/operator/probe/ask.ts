import * as z from "zod/mini";

import type { Connection, Parameters } from "../../voximplant/call.ts";
import { errorCodes } from "../../voximplant/errors.ts";

/**
 * What the platform answered, with the HTTP status. The platform's own texts are left out: they may
 * name an account or a key, and the answers are printed and written to a file.
 */
export type Reply =
  | {
      readonly accepted: true;
      readonly status: number;
      readonly result: unknown;
      readonly body: Readonly<Record<string, unknown>>;
    }
  | { readonly accepted: false; readonly status: number; readonly code: number };

/**
 * Nothing can be said: no answer, or none that can be read. The message holds only what this
 * program wrote.
 */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

export interface AskOptions {
  /** How often in all. Default 4. A poll, which asks again by itself, says 1. */
  readonly attempts?: number;
  /** False for CreateKey: an attempt that was not answered may have made a key. */
  readonly repeatable?: boolean;
  /** Ends the attempt and the waits. */
  readonly signal?: AbortSignal;
}

const Code = z.looseObject({ code: z.coerce.number() });
const Answer = z.looseObject({ error: z.nullish(Code), errors: z.nullish(z.array(Code)) });

/** Refused for the moment only, with nothing done. */
const PASSING = new Set<number>([errorCodes.rateLimited, errorCodes.sameOperationRecently]);
const ATTEMPT_TIMEOUT_MS = 10_000;
const MAX_BYTES = 8 * 1024 * 1024;

type Attempt = Reply | { readonly why: string; readonly tookEffect: "no" | "unknown" };

/**
 * Calls one method and tells the HTTP status and the error code, which `callMethod` does not: it is
 * for programs that want the result. Here a refusal is an answer like any other.
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
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) form.set(name, String(value));
  }
  try {
    const response = await connection.fetch(`${connection.url.replace(/\/+$/, "")}/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: form,
      // A token goes to the configured host and nowhere else.
      redirect: "error",
      signal: stop === undefined ? timeout : AbortSignal.any([stop, timeout]),
    });
    return understand(response.status, await readBounded(response));
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

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  const body: AsyncIterable<Uint8Array> | null = response.body;
  let text = "";
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new NoAnswerError(`an answer over ${MAX_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** `ECONNREFUSED` or the like. Not the message, which names addresses. */
function networkFailure(error: unknown): string {
  if (error instanceof NoAnswerError) return error.message;
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return `the request failed${code}`;
}

/** `HTTP 401, error 456`; of a result, the HTTP status alone. */
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
