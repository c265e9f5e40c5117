import type { Connection } from "./connection.ts";
import { networkReason, wasNotSent } from "./errors.ts";
import { readBounded } from "./read-bounded.ts";

/** One answer of the platform, or why there is none. */
export type Sent =
  | { readonly status: number; readonly contentType: string; readonly text: string }
  | {
      /**
       * `unreachable`: nothing was sent. `redirected`: the redirect was not followed. `timeout`,
       * `lost` and `too_large`: the method may have taken effect.
       */
      readonly failure: "unreachable" | "redirected" | "timeout" | "lost" | "too_large";
      readonly detail: string;
      readonly cause?: unknown;
    };

const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;

/**
 * Sends one request to the Management API, once. Never follows a redirect: it would send the token
 * to another host.
 *
 * @param timeoutMs for the whole exchange, the answer's body included
 */
export async function sendOnce(
  { url, fetch, signal, maxResponseBytes = MAX_RESPONSE_BYTES }: Connection,
  method: string,
  headers: Readonly<Record<string, string>>,
  form: URLSearchParams,
  timeoutMs: number,
): Promise<Sent> {
  const timeout = AbortSignal.timeout(Math.max(1, timeoutMs));
  try {
    const response = await fetch(`${url.replace(/\/$/, "")}/${method}`, {
      method: "POST",
      headers,
      body: form,
      redirect: "manual",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      return { failure: "redirected", detail: `HTTP ${response.status}: redirects are not followed` };
    }
    const text = await readBounded(response, maxResponseBytes);
    if (text === undefined) {
      return { failure: "too_large", detail: `the answer is larger than ${maxResponseBytes} bytes` };
    }
    const contentType = response.headers.get("content-type")?.split(";", 1)[0] ?? "";
    return { status: response.status, contentType, text };
  } catch (cause) {
    if (timeout.aborted) return { failure: "timeout", detail: "no answer in time", cause };
    return {
      failure: wasNotSent(cause) ? "unreachable" : "lost",
      detail: networkReason(cause),
      cause,
    };
  }
}
