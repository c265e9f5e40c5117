import { present } from "../environment.ts";
import { apiUrlProblem, MANAGEMENT_API_URL, parseApiUrl } from "../voximplant/api-url.ts";
import { callMethod, type Parameters } from "../voximplant/call.ts";
import { VoximplantError } from "../voximplant/errors.ts";
import { TokenError } from "./errors.ts";
import { checkMethodName } from "./options.ts";
import { type Runtime, systemRuntime } from "./runtime.ts";
import type { TokenProvider } from "./token-provider.ts";
import { withVendedToken } from "./token-refusal.ts";

export interface ApiOptions {
  /**
   * https, or http to this machine. Default: https://api.voximplant.com/platform_api. `GetAccountInfo`
   * returns the host that the account prefers. An empty text counts as absent.
   */
  readonly apiUrl?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly runtime?: Partial<Runtime> | undefined;
}

export interface CallOptions extends ApiOptions {
  /**
   * True if running the method twice has the same effect as once. The method is then called again
   * if its answer is lost. Default: true for methods named Get…, otherwise false.
   */
  readonly repeatable?: boolean | undefined;
}

/**
 * Calls one method of the Management API with a vended token. Resolves to the whole answer:
 * `result` and the fields beside it. If the platform refuses the token, `callApi` calls once more
 * with a new one.
 *
 * @throws VoximplantError the platform's error codes; VoximplantUnavailableError no answer;
 *   TokenError no token; VoximplantFileError the method answers with a file: use
 *   createVoximplantFetch
 * @see https://voximplant.com/docs/references/httpapi
 */
export async function callApi(
  getToken: TokenProvider,
  method: string,
  parameters: Parameters = {},
  options: CallOptions = {},
): Promise<Record<string, unknown>> {
  checkMethodName(method);
  const { signal } = options;
  const connection = {
    url: apiUrlOf(options),
    ...systemRuntime,
    ...options.runtime,
    ...(signal === undefined ? {} : { signal }),
  };
  const repeatable = options.repeatable ?? method.startsWith("Get");
  return withVendedToken(
    getToken,
    signal,
    (token) => callMethod(connection, { token }, method, parameters, { repeatable }),
    (outcome) =>
      "error" in outcome && outcome.error instanceof VoximplantError ? outcome.error.code : undefined,
  );
}

/** @throws TokenError `invalid_options`: `apiUrl` is not a URL to which a token may be sent */
export function apiUrlOf(options: ApiOptions): string {
  const apiUrl = present(options.apiUrl) ?? MANAGEMENT_API_URL;
  const problem = apiUrlProblem(apiUrl);
  if (problem !== undefined) throw new TokenError("invalid_options", `apiUrl ${problem}`);
  return parseApiUrl(apiUrl, "apiUrl");
}
