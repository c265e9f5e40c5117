import {
  type EntitlementsResponse,
  methodPath,
  routes,
  tokenPath,
  type TokenRequestBody,
  type TokenResponse,
} from "../http/wire.ts";
import { type PlatformAnswer, readEntitlements, readPlatformAnswer, readToken } from "./answer.ts";
import type { Send } from "./connection.ts";
import { orAborted } from "../voximplant/or-aborted.ts";

interface TokenRequest {
  readonly serviceAccount: string;
  readonly ttlSeconds?: number | undefined;
  readonly accountId?: number | undefined;
}

export function requestToken(
  send: Send,
  { serviceAccount, ttlSeconds, accountId }: TokenRequest,
  atMostMs?: number,
): Promise<TokenResponse> {
  // JSON omits undefined fields. Without any field, the body stays empty.
  const fields: Required<TokenRequestBody> = { ttl_seconds: ttlSeconds, account_id: accountId };
  const wishes = JSON.stringify(fields);
  return send(
    {
      method: routes.vendToken.method,
      path: tokenPath(serviceAccount),
      body: wishes === "{}" ? "" : wishes,
    },
    (answer) => readToken(answer, { serviceAccount, accountId }),
    atMostMs,
  );
}

/** A grant may list any number of child accounts: this is enough for 100,000. */
const MAX_ENTITLEMENTS_BYTES = 2 * 1024 * 1024;

export function requestEntitlements(send: Send, atMostMs?: number): Promise<EntitlementsResponse> {
  const request = { ...routes.listEntitlements, body: "", maxAnswerBytes: MAX_ENTITLEMENTS_BYTES };
  return send(request, readEntitlements, atMostMs);
}

export interface MethodRequest {
  readonly serviceAccount: string;
  readonly method: string;
  readonly parameters: MethodParameters;
  readonly accountId?: number | undefined;
  /** Ends the wait, and sends nothing more. */
  readonly signal?: AbortSignal | undefined;
}

type Value = string | number | boolean;

/** The vendor writes a list as `a;b;c` for the platform. Undefined values are left out. */
export type MethodParameters = Readonly<Record<string, Value | readonly Value[] | undefined>>;

/** The vendor passes on at most 5 MiB. The limit here has a margin. */
const MAX_METHOD_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * Asks the vendor to call a method. If the method may have run, the request is sent again only if
 * the name begins with Get.
 */
export function requestMethod(
  send: Send,
  { serviceAccount, method, parameters, accountId, signal }: MethodRequest,
): Promise<PlatformAnswer> {
  const repeatable = method.startsWith("Get");
  return orAborted(
    send(
      {
        method: routes.callMethod.method,
        path: methodPath(serviceAccount, method),
        body: JSON.stringify({ ...parameters, account_id: accountId ?? parameters["account_id"] }),
        repeatable,
        maxAnswerBytes: MAX_METHOD_ANSWER_BYTES,
        signal,
      },
      (answer) => readPlatformAnswer(answer, repeatable),
    ),
    signal,
  );
}
