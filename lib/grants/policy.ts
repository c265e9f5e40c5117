/**
 * A validated grants.yml, as it is embedded in the functions' bundles. Plain JSON.
 */
export interface Policy {
  readonly serviceAccounts: readonly ServiceAccount[];
  readonly grants: readonly Grant[];
}

/** A Voximplant service account: one key, in one secret, with one set of roles. */
export interface ServiceAccount {
  readonly name: string;
  /** Secrets Manager name. */
  readonly secret: string;
  readonly maxTtlSeconds: number;
  /** `minimal` leaves `sub` and `jti` out of the token. */
  readonly claims: "standard" | "minimal";
  /**
   * The Voximplant account that its key must belong to; without it, a key of any account is used.
   */
  readonly accountId?: number;
  /** Ids of keys that others use on purpose: reconciliation leaves them alone. */
  readonly unmanagedKeys: readonly string[];
  /** What reconciliation does to a key that nobody knows. */
  readonly unknownKeys: "report" | "delete";
}

export interface Grant {
  /** Where it stands, for audit records and explanations: `grants.yml:14`. */
  readonly source: string;
  readonly principals: readonly PrincipalPattern[];
  /** Names in {@link Policy.serviceAccounts}. */
  readonly serviceAccounts: readonly string[];
  readonly maxTtlSeconds: number;
  readonly childAccountIds: readonly number[];
  readonly principalOrgId?: string;
}

export interface PrincipalPattern {
  readonly source: string;
  /** A canonical ARN, with `*` and `?` as in IAM's ArnLike. */
  readonly arn: string;
  /** Pinned to this very role or user: `AROA…` or `AIDA…`. */
  readonly uniqueId?: string;
}

/** What a caller asks for. */
export interface TokenRequest {
  readonly serviceAccount: string;
  readonly ttlSeconds?: number;
  /** A child account; without it, the key's own account. */
  readonly accountId?: number;
}

/** Granted: what may be minted, and by which line of the file. */
export interface Allowance {
  readonly serviceAccount: ServiceAccount;
  readonly ttlSeconds: number;
  readonly accountId?: number;
  /** {@link Grant.source} of the grant that decided. */
  readonly grant: string;
  /** {@link PrincipalPattern.arn} that matched the caller. */
  readonly pattern: string;
}

/**
 * Refused. `detail` names grants and patterns: for the audit record and the policy's owner, never
 * for the caller.
 */
export type Denial =
  | { readonly reason: "access_denied"; readonly detail: string }
  | { readonly reason: "ttl_too_long"; readonly maxTtlSeconds: number; readonly detail: string };

/** One line of `GET /v1/service-accounts`: what a caller may have. */
export interface Entitlement {
  readonly name: string;
  readonly maxTtlSeconds: number;
  readonly childAccountIds: readonly number[];
}

/**
 * Says that a key belongs to another Voximplant account than the policy names, and must not be
 * used. Without this check, anyone who can write the secret could store a key of their own account,
 * and callers would send their data to that account. Undefined where the account is the right one,
 * or the policy names none.
 */
export function wrongAccount(
  { name, secret, accountId }: ServiceAccount,
  key: { readonly keyId: string; readonly accountId: number },
): string | undefined {
  if (accountId === undefined || accountId === key.accountId) return undefined;
  return (
    `secret ${secret}: key ${key.keyId} belongs to Voximplant account ${key.accountId}, ` +
    `but grants.yml says accountId ${accountId} for ${name}; the key is not used`
  );
}

/**
 * Lifetimes, in seconds, of contract and platform: `exp` is at most `iat` + 3600 (Voximplant error
 * 454).
 */
export const MIN_TTL_SECONDS = 30;
export const DEFAULT_TTL_SECONDS = 300;
export const MAX_TTL_SECONDS = 3600;
