import { type EntitlementsResponse, routes, tokenPath, type TokenResponse } from "../http/wire.ts";
import { readEntitlements, readToken } from "./answer.ts";
import type { Send } from "./connection.ts";

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
  const wishes = JSON.stringify({ ttl_seconds: ttlSeconds, account_id: accountId });
  return send(
    {
      method: routes.vendToken.method,
      path: tokenPath(serviceAccount),
      body: wishes === "{}" ? "" : wishes,
    },
    readToken,
    atMostMs,
  );
}

export function requestEntitlements(send: Send, atMostMs?: number): Promise<EntitlementsResponse> {
  return send({ ...routes.listEntitlements, body: "" }, readEntitlements, atMostMs);
}
