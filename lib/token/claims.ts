/** The claims of a vended token, in the order they are written. NumericDates are whole seconds (RFC 7519 §2). */
export interface TokenClaims {
  /** The Voximplant account id: a number, as in Voximplant's documentation, although RFC 7519 §4.1.1 wants a string. */
  readonly iss: number;
  readonly iat: number;
  readonly exp: number;
  /** The caller's canonical ARN. */
  readonly sub?: string;
  /** UUID, the key of the audit record. */
  readonly jti?: string;
}

/** Verifiers whose clock is behind ours would refuse a token "issued in the future" (Voximplant error 455). */
const BACKDATE_SECONDS = 5;
/** `exp - iat` of a longer-lived token is refused (Voximplant error 454). */
const MAX_VALIDITY_SECONDS = 3600;

/**
 * The claims for a grant: `iat` is back-dated by 5 s, and `exp` gives way where the two would be more than 3600 s apart.
 * So 300 s asked gives `exp` = now + 300, and 3600 s asked gives now + 3595.
 *
 * @param ttlSeconds lifetime wanted, seconds from `now`
 * @param now milliseconds since the epoch
 */
export function tokenClaims(
  accountId: number,
  ttlSeconds: number,
  now: number,
  identity?: { readonly sub: string; readonly jti: string },
): TokenClaims {
  const nowSeconds = Math.floor(now / 1000);
  const iat = nowSeconds - BACKDATE_SECONDS;
  const exp = Math.min(nowSeconds + ttlSeconds, iat + MAX_VALIDITY_SECONDS);
  return { iss: accountId, iat, exp, ...identity };
}
