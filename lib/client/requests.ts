import type { EntitlementsResponse, TokenResponse } from "../http/wire.ts";
import { readEntitlements, readToken } from "./answer.ts";
import type { Send } from "./connection.ts";

export interface TokenRequest {
  readonly serviceAccount: string;
  readonly ttlSeconds?: number | undefined;
  readonly accountId?: number | undefined;
}

export function requestToken(
  send: Send,
  { serviceAccount, ttlSeconds, accountId }: TokenRequest,
  atMostMs?: number,
): Promise<TokenResponse> {
  // JSON leaves out what is undefined; without any wish there is no body at all.
  const wishes = JSON.stringify({ ttl_seconds: ttlSeconds, account_id: accountId });
  return send(
    {
      method: "POST",
      path: `/v1/service-accounts/${serviceAccount}/token`,
      body: wishes === "{}" ? "" : wishes,
    },
    readToken,
    atMostMs,
  );
}

export function requestEntitlements(send: Send, atMostMs?: number): Promise<EntitlementsResponse> {
  return send({ method: "GET", path: "/v1/service-accounts", body: "" }, readEntitlements, atMostMs);
}
