import { isTokenRefusal } from "../voximplant/errors.ts";
import type { TokenProvider } from "./token-provider.ts";

/** The outcome of a request with a token: an answer, or the error that was thrown. */
type Outcome<Answer> = { readonly answer: Answer } | { readonly error: unknown };

/**
 * Sends a request with a vended token. If the platform refuses the token, sends the request once
 * more with a new token. The method did not run, so any method can be sent again.
 *
 * @param codeOf the platform's error code in an outcome; undefined if there is none
 * @throws what `getToken` and `send` throw
 */
export async function withVendedToken<Answer>(
  getToken: TokenProvider,
  signal: AbortSignal | undefined,
  send: (accessToken: string) => Promise<Answer>,
  codeOf: (outcome: Outcome<Answer>) => unknown,
): Promise<Answer> {
  const { accessToken } = await getToken({ signal });
  const outcome: Outcome<Answer> = await send(accessToken).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if (isTokenRefusal(await codeOf(outcome))) {
    const renewed = await getToken({ signal, rejected: accessToken });
    return send(renewed.accessToken);
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.answer;
}
