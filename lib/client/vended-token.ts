import { inspect } from "node:util";
import type { TokenResponse } from "../http/wire.ts";

export interface VendedToken {
  /** The value after `Authorization: Bearer`. */
  readonly accessToken: string;
  /** The token's `exp`, by the server's clock. */
  readonly expiresAt: Date;
  readonly serviceAccount: string;
  /** The Voximplant account that it is for. */
  readonly accountId: number;
}

/** A token that does not show itself in `console.log`, nor in an assertion's diff. `accessToken` is as it always was. */
export function vendedToken(response: TokenResponse): VendedToken {
  const { service_account: serviceAccount, account_id: accountId } = response;
  const expiresAt = new Date(response.expires_at);
  const shown = { accessToken: "[hidden]", expiresAt, serviceAccount, accountId };
  const token: VendedToken = { accessToken: response.access_token, expiresAt, serviceAccount, accountId };
  return Object.defineProperty(token, inspect.custom, { value: () => shown });
}
