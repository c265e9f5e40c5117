import { networkReason } from "../voximplant/errors.ts";
import { readBounded } from "../voximplant/read-bounded.ts";
import { TokenError } from "./errors.ts";
import { orAborted } from "./runtime.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Ten times what the service itself ever answers; a proxy's error page fits too. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends one HTTP request and reads the whole answer, whatever the status.
 *
 * @param signal aborted when time is up
 * @throws TokenError `network`, `timeout`, or `invalid_response` for a redirect or a body that is too
 *   long
 */
export async function exchange(
  fetchOnce: typeof fetch,
  url: URL,
  init: { method: string; headers: Record<string, string>; body?: string },
  signal: AbortSignal,
  maxAnswerBytes = MAX_ANSWER_BYTES,
): Promise<Answer> {
  try {
    // Never follow a redirect: it would send the signature to another host.
    const response = await fetchOnce(url, { ...init, redirect: "manual", signal });
    if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
      await response.body?.cancel();
      throw new TokenError(
        "invalid_response",
        `${url.origin} answered with a redirect, which is not followed`,
        {
          status: response.status,
        },
      );
    }
    const { status, headers } = response;
    const text = await orAborted(readBounded(response, maxAnswerBytes), signal);
    if (text !== undefined) return { status, headers, text };
    const problem = `${url.origin} answered with more than ${maxAnswerBytes} bytes`;
    throw new TokenError("invalid_response", problem, { status });
  } catch (error) {
    if (error instanceof TokenError) throw error;
    if (signal.aborted) throw new TokenError("timeout", `${url.origin} did not answer in time`);
    throw new TokenError("network", `${url.origin} cannot be reached: ${networkReason(error)}`, {
      cause: error,
    });
  }
}
