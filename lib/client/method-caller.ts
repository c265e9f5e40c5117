import { CALL_DEADLINE_MS } from "../http/wire.ts";
import { VoximplantError } from "../voximplant/errors.ts";
import { connect } from "./connection.ts";
import {
  checkMethodName,
  checkWishes,
  parseServiceAccount,
  parseVendorOptions,
  type VendorOptions,
} from "./options.ts";
import { type MethodParameters, requestMethod } from "./requests.ts";

export interface MethodCallerOptions extends VendorOptions {
  readonly serviceAccount: string;
  /** How long one call may take altogether, pauses included. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long one HTTP request may take. Default 30,000: the vendor waits for Voximplant for 25 s.
   */
  readonly attemptTimeoutMs?: number | undefined;
}

export interface MethodCallOptions {
  /** A child account that the grant lists. Default: the key's own account. */
  readonly accountId?: number | undefined;
  /** Ends the wait, and sends nothing more. A method that was sent may still run. */
  readonly signal?: AbortSignal | undefined;
}

/** Resolves to the platform's whole answer: `result` and the fields beside it. */
export type MethodCaller = (
  method: string,
  parameters?: MethodParameters,
  options?: MethodCallOptions,
) => Promise<Record<string, unknown>>;

/**
 * Creates a function that asks the vendor to call methods of the Management API. The caller's
 * grant must list them. The function gets no token. Methods named Get… are called again after a
 * failure; others only if it is certain that they did not run. If it is not certain, the error has
 * `mayHaveTakenEffect`.
 *
 * @throws TokenError `invalid_options`. The returned function rejects with VoximplantError
 *   for the platform's errors, and with TokenError for the vendor's.
 */
export function createMethodCaller(options: MethodCallerOptions): MethodCaller {
  const serviceAccount = parseServiceAccount(options.serviceAccount);
  const send = connect(
    parseVendorOptions({
      ...options,
      timeoutMs: options.timeoutMs ?? 60_000,
      attemptTimeoutMs: options.attemptTimeoutMs ?? CALL_DEADLINE_MS + 5_000,
    }),
  );
  return async (method, parameters = {}, { accountId, signal } = {}) => {
    signal?.throwIfAborted();
    checkMethodName(method);
    checkWishes({ accountId });
    const request = { serviceAccount, method, parameters, accountId, signal };
    const { body, error } = await requestMethod(send, request);
    if (error) throw new VoximplantError(method, error.code, error.msg);
    return body;
  };
}
