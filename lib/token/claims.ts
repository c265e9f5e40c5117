import type { EpochMs } from "../epoch.ts";
import { BACKDATE_SECONDS, MAX_TTL_SECONDS } from "../http/wire.ts";

/** The claims of a token, in the order of the JSON. Times are whole seconds (RFC 7519 §2). */
export interface TokenClaims {
  /** The Voximplant account id: a number in Voximplant's documents, a string in RFC 7519. */
  readonly iss: number;
  readonly iat: number;
  readonly exp: number;
  /** The caller's canonical ARN. */
  readonly sub?: string;
  /** UUID, the id of the audit record. */
  readonly jti?: string;
}

/**
 * The claims of a token. `iat` is 5 s before `now`, and `exp` is at most 3600 s after `iat`. So a
 * lifetime of 300 s gives `exp` = now + 300, and 3600 s gives now + 3595.
 *
 * @param ttlSeconds lifetime in seconds from `now`
 * @param until the end of the grant; `exp` is never later
 */
export function tokenClaims(
  accountId: number,
  ttlSeconds: number,
  now: EpochMs,
  identity?: { readonly sub: string; readonly jti: string },
  until = Infinity,
): TokenClaims {
  const nowSeconds = Math.floor(now / 1000);
  const iat = nowSeconds - BACKDATE_SECONDS;
  const exp = Math.min(nowSeconds + ttlSeconds, iat + MAX_TTL_SECONDS, Math.floor(until / 1000));
  return { iss: accountId, iat, exp, ...identity };
}
