import { networkReason, wasNotSent } from "../voximplant/errors.ts";
import { readBounded } from "../voximplant/read-bounded.ts";
import { TokenError } from "./errors.ts";
import { orAborted } from "../voximplant/or-aborted.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface ExchangeOptions {
  /** Whether the request may be sent again if its answer is lost. Default: true. */
  readonly repeatable?: boolean;
  /** The longest answer in bytes. Default: 64 KiB, ten times what the vendor itself answers. */
  readonly maxAnswerBytes?: number;
}

/**
 * Sends one HTTP request and reads the whole answer, whatever the status.
 *
 * @param signal aborted when time is up
 * @throws TokenError `network`, `timeout`, or `invalid_response` for a redirect or a body that is
 *   too long
 */
export async function exchange(
  fetchOnce: typeof fetch,
  url: URL,
  init: { method: string; headers: Record<string, string>; body?: string },
  signal: AbortSignal,
  { repeatable = true, maxAnswerBytes = 64 * 1024 }: ExchangeOptions = {},
): Promise<Answer> {
  const mayHaveTakenEffect = !repeatable;
  try {
    // Never follow a redirect: it would send the signature to another host.
    const response = await fetchOnce(url, { ...init, redirect: "manual", signal });
    if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
      await response.body?.cancel();
      throw new TokenError(
        "invalid_response",
        `${url.origin} answered with a redirect, which is not followed`,
        { status: response.status, mayHaveTakenEffect },
      );
    }
    const { status, headers } = response;
    const text = await orAborted(readBounded(response, maxAnswerBytes), signal);
    if (text !== undefined) return { status, headers, text };
    const problem = `${url.origin} answered with more than ${maxAnswerBytes} bytes`;
    throw new TokenError("invalid_response", problem, { status, mayHaveTakenEffect });
  } catch (error) {
    if (error instanceof TokenError) throw error;
    if (signal.aborted) {
      throw new TokenError("timeout", `${url.origin} did not answer in time`, { mayHaveTakenEffect });
    }
    throw new TokenError("network", `${url.origin} cannot be reached: ${networkReason(error)}`, {
      mayHaveTakenEffect: mayHaveTakenEffect && !wasNotSent(error),
      cause: error,
    });
  }
}
