import { errorCodeIn } from "../voximplant/errors.ts";
import { type ApiOptions, apiUrlOf } from "./call-api.ts";
import { TokenError } from "./errors.ts";
import { systemRuntime } from "./runtime.ts";
import type { TokenProvider } from "./token-provider.ts";
import { withVendedToken } from "./token-refusal.ts";

/** Without `signal`: each request has its own. */
export type VoximplantFetchOptions = Omit<ApiOptions, "signal">;

/**
 * Creates a `fetch` for the Management API that adds a vended token to each request. If the
 * platform refuses the token, the request is sent once more with a new one. The
 * body of the response can still be read.
 *
 * The token is sent only to voximplant.com, its subdomains and the origin of `apiUrl`. A request to
 * another origin is an error.
 *
 * @throws TokenError no token, a foreign address, or an `apiUrl` that is neither https nor this
 *   machine
 */
export function createVoximplantFetch(
  getToken: TokenProvider,
  options: VoximplantFetchOptions = {},
): typeof fetch {
  const ownOrigin = new URL(apiUrlOf(options)).origin;
  const runtime = { ...systemRuntime, ...options.runtime };

  return async (input, init) => {
    const request = new Request(input, { ...init, redirect: "error" });
    const url = new URL(request.url);
    if (url.origin !== ownOrigin && !isVoximplant(url)) {
      throw new TokenError("invalid_options", `${url.origin} is not Voximplant: no token is sent there`);
    }
    const send = (token: string) => {
      // A copy, because a body can be sent only once.
      const authorized = request.clone();
      authorized.headers.set("authorization", `Bearer ${token}`);
      return runtime.fetch(authorized);
    };
    return withVendedToken(getToken, request.signal, send, (outcome) =>
      "answer" in outcome ? errorCode(outcome.answer) : undefined,
    );
  };
}

function isVoximplant({ protocol, hostname }: URL): boolean {
  return protocol === "https:" && (hostname === "voximplant.com" || hostname.endsWith(".voximplant.com"));
}

/**
 * An error of the platform can have any HTTP status, even 200. An answer that is not JSON (a
 * recording, a report) is not an error, and is not copied: the copy would keep all of it in memory.
 */
async function errorCode(response: Response): Promise<unknown> {
  if (response.headers.get("content-type")?.includes("json") !== true) return undefined;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  return errorCodeIn(body);
}
