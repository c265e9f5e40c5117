import { errorCodeIn } from "../voximplant/errors.ts";
import { TokenError } from "./errors.ts";
import type { TokenProvider } from "./token-provider.ts";
import { withVendedToken } from "./token-refusal.ts";

/** The part of `@voximplant/apiclient-nodejs`, 4.11 and later, that is used here. */
export interface VoximplantNodeClient {
  generateAuthHeader(): string;
}

type MakeRequest = (...args: unknown[]) => Promise<unknown>;

/**
 * Makes an official client use vended tokens. Each request gets a token that is valid now. If the
 * platform refuses it, the request is sent once more with a new one.
 *
 * The client accepts no token, and needs a credentials file: give it one that contains `{}`. It
 * makes the header in `generateAuthHeader`, which is synchronous. Every method calls
 * `makeRequest`, so the token is fetched there.
 * https://github.com/voximplant/apiclient-nodejs
 *
 * The errors of its HTTP library contain the request. The token is removed from them.
 *
 * @returns the same client
 */
export function useVendedTokens<Client extends VoximplantNodeClient>(
  client: Client,
  getToken: TokenProvider,
): Client {
  const original: unknown = Reflect.get(client, "makeRequest");
  if (typeof original !== "function") {
    throw new TokenError(
      "invalid_options",
      "this is not a client of @voximplant/apiclient-nodejs 4.11 or later",
    );
  }
  let header = "";
  client.generateAuthHeader = () => header;

  const send = async (accessToken: string, args: unknown[]): Promise<unknown> => {
    header = `Bearer ${accessToken}`;
    try {
      // makeRequest calls generateAuthHeader before it returns its promise. So no other request can
      // change `header` between the line above and that call.
      const answer = (original as MakeRequest).apply(client, args);
      header = "";
      return await answer;
    } catch (error) {
      hideToken(error);
      throw error;
    }
  };

  const makeRequest: MakeRequest = (...args) =>
    withVendedToken(
      getToken,
      undefined,
      (accessToken) => send(accessToken, args),
      (outcome) => {
        if ("answer" in outcome) return errorCodeIn(outcome.answer);
        return errorCodeIn((outcome.error as { response?: { data?: unknown } } | undefined)?.response?.data);
      },
    );
  Reflect.set(client, "makeRequest", makeRequest);
  return client;
}

/**
 * axios 0.21 puts the request with its headers into `config`, `request` and `response` of an error.
 */
function hideToken(error: unknown): void {
  if (typeof error !== "object" || error === null) return;
  Reflect.deleteProperty(error, "config");
  Reflect.deleteProperty(error, "request");
  if ("response" in error) hideToken(error.response);
}
