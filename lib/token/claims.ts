import type { EpochMs } from "../epoch.ts";

/** The claims of a token, in the order of the JSON. Times are whole seconds (RFC 7519 §2). */
export interface TokenClaims {
  /** The Voximplant account id: a number in Voximplant's documents, a string in RFC 7519. */
  readonly iss: number;
  readonly iat: number;
  readonly exp: number;
  /** The caller's canonical ARN. */
  readonly sub?: string;
  /** UUID, the key of the audit record. */
  readonly jti?: string;
}

/** A verifier whose clock is behind refuses a token from the future (Voximplant error 455). */
const BACKDATE_SECONDS = 5;
/** Voximplant refuses a larger `exp - iat` (error 454). */
const MAX_VALIDITY_SECONDS = 3600;

/**
 * The claims of a token. `iat` is back-dated by 5 s; `exp` is lowered if the two were more than
 * 3600 s apart. So a lifetime of 300 s gives `exp` = now + 300, and 3600 s gives now + 3595.
 *
 * @param ttlSeconds lifetime in seconds from `now`
 * @param until the end of the grant, which no token outlives
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
  const exp = Math.min(nowSeconds + ttlSeconds, iat + MAX_VALIDITY_SECONDS, Math.floor(until / 1000));
  return { iss: accountId, iat, exp, ...identity };
}
