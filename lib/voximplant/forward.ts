import type { Connection } from "./connection.ts";
import { errorCodeIn } from "./errors.ts";
import { sendOnce } from "./send.ts";

/** The platform's answer as it came: JSON, with a result or with an error. */
export interface PlatformAnswer {
  readonly status: number;
  readonly body: string;
  /** The code of the error in `body`, if there is one. */
  readonly errorCode?: number;
}

/** Why there is no answer to pass on. `detail` is for the audit record. */
export type CallFailure =
  /** The platform was not reached. Or its answer redirects, is not JSON, or repeats the token. */
  | { readonly reason: "platform_unavailable"; readonly detail: string }
  /** Whether the method took effect is not known. */
  | { readonly reason: "platform_timeout"; readonly detail: string }
  | { readonly reason: "response_too_large"; readonly detail: string };

/**
 * Calls a method once and returns the platform's answer unchanged. An answer that repeats a part of
 * the token is not returned, so that the caller gets no token.
 *
 * @param timeoutMs for the whole exchange
 */
export async function forwardMethod(
  connection: Connection,
  token: string,
  method: string,
  parameters: ReadonlyMap<string, string>,
  timeoutMs: number,
): Promise<PlatformAnswer | CallFailure> {
  const headers = {
    authorization: `Bearer ${token}`,
    // Lambda freezes between invocations, and the platform may close a kept connection meanwhile.
    // A call over a closed connection would be lost, and must not be repeated.
    connection: "close",
  };
  const sent = await sendOnce(connection, method, headers, new URLSearchParams([...parameters]), timeoutMs);
  if ("failure" in sent) {
    const { failure, detail } = sent;
    switch (failure) {
      case "unreachable":
      case "redirected":
        return { reason: "platform_unavailable", detail };
      case "timeout":
      case "lost":
        return { reason: "platform_timeout", detail };
      case "too_large":
        return { reason: "response_too_large", detail };
    }
  }
  const { status, text } = sent;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { reason: "platform_unavailable", detail: `HTTP ${status} without JSON` };
  }
  if (repeats(token, text) || repeats(token, JSON.stringify(json))) {
    return { reason: "platform_unavailable", detail: `HTTP ${status}, and the answer repeats the token` };
  }
  const errorCode = errorCodeIn(json);
  return { status, body: text, ...(typeof errorCode === "number" && { errorCode }) };
}

/** Whether a text has the token's payload or signature. All tokens of a key share one header. */
function repeats(token: string, text: string): boolean {
  const [, payload = "", signature = ""] = token.split(".");
  return text.includes(payload) || text.includes(signature);
}
