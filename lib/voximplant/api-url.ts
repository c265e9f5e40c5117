/** The Management API's default URL. `GetAccountInfo` returns the host that an account prefers. */
export const MANAGEMENT_API_URL = "https://api.voximplant.com/platform_api";

/** A URL that must not get a token or a key. The message names the setting and the rule. */
export class ApiUrlError extends Error {
  override readonly name = "ApiUrlError";
}

/**
 * Reads the URL of a Management API. It must be https, or http to this machine: tokens and API keys
 * are sent there, and everyone on the network can read plain http.
 *
 * @param setting the variable or option that holds the URL, for the message
 * @returns the URL without a slash at its end
 * @throws ApiUrlError
 */
export function parseApiUrl(text: string, setting: string): string {
  const problem = apiUrlProblem(text);
  if (problem !== undefined) throw new ApiUrlError(`${setting} ${problem}`);
  return new URL(text).href.replace(/\/+$/, "");
}

/**
 * What is wrong with the URL of a Management API, as text to follow the name of the setting.
 * Undefined if nothing is. Quotes only scheme and host, because the rest may hold a secret.
 */
export function apiUrlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return `must be a URL, for example ${MANAGEMENT_API_URL}`;
  const url = new URL(text);
  // The host of `http://localhost:80@example.com` is example.com.
  if (url.username !== "" || url.password !== "") return "must hold no user name or password";
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    return (
      "must be https, or http to this machine (localhost, 127.0.0.1 or [::1]), " +
      `because tokens and keys are sent there; it names ${url.protocol}//${url.host}`
    );
  }
  // An empty query is refused too: in `https://example.com/?`, a method's name would follow "?".
  if (/[?#]/.test(url.href)) return "must have no query and no fragment";
  return undefined;
}

/**
 * Whether requests to this host stay on this machine: `localhost`, 127.0.0.0/8 and ::1. Not
 * `x.localhost`: some resolvers ask the network for it, although RFC 6761 §6.3 forbids that.
 */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
}
