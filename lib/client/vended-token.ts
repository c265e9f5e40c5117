import { inspect } from "node:util";
import type { TokenResponse } from "../http/wire.ts";

export interface VendedToken {
  /**
   * The value after `Authorization: Bearer`. Not enumerable: `{...token}` and JSON leave it out.
   */
  readonly accessToken: string;
  /** The token's `exp`, by the server's clock. */
  readonly expiresAt: Date;
  readonly serviceAccount: string;
  /** The Voximplant account that it is for. */
  readonly accountId: number;
}

/**
 * Creates a token object that does not show the token in `console.log`, JSON or copies, because
 * loggers such as pino and winston serialise objects.
 */
export function vendedToken(response: TokenResponse): VendedToken {
  const { service_account: serviceAccount, account_id: accountId } = response;
  const expiresAt = new Date(response.expires_at);
  const shown = { accessToken: "[hidden]", expiresAt, serviceAccount, accountId };
  return Object.defineProperties({ expiresAt, serviceAccount, accountId } as VendedToken, {
    accessToken: { value: response.access_token },
    [inspect.custom]: { value: () => shown },
  });
}
