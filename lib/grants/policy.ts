import type { EpochMs } from "../epoch.ts";

/** A validated grants.yml as plain JSON. The build embeds it in the functions. */
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
  /** The Voximplant account that its key must belong to. Default: any account. */
  readonly accountId?: number;
  /** Ids of keys that other systems use. Reconciliation leaves them alone. */
  readonly unmanagedKeys: readonly string[];
  /** What reconciliation does with an unknown key. */
  readonly unknownKeys: "report" | "delete";
}

export interface Grant {
  /** Its place in the file, for audit records and explanations: `grants.yml:14`. */
  readonly source: string;
  readonly principals: readonly PrincipalPattern[];
  /** Names in {@link Policy.serviceAccounts}. */
  readonly serviceAccounts: readonly string[];
  readonly maxTtlSeconds: number;
  readonly childAccountIds: readonly number[];
  readonly principalOrgId?: string;
  /**
   * Methods that the vendor calls for the caller. Names may contain `*` and `?`. Such a grant
   * gives calls and no token. A grant without `methods` gives tokens and no calls.
   */
  readonly methods?: readonly string[];
  /** From then on the grant is over. No token outlives it. */
  readonly until?: EpochMs;
}

export interface PrincipalPattern {
  readonly source: string;
  /** A canonical ARN, with `*` and `?` as in IAM's ArnLike. */
  readonly arn: string;
  /** Only this role or user, by its unique id: `AROA…` or `AIDA…`. */
  readonly uniqueId?: string;
}

/** A request for a token. */
export interface TokenRequest {
  readonly serviceAccount: string;
  readonly ttlSeconds?: number;
  /** A child account; without it, the key's own account. */
  readonly accountId?: number;
}

/** A request for a call of one method of the Management API. */
export interface MethodRequest {
  readonly serviceAccount: string;
  readonly method: string;
  /** A child account; without it, the key's own account. */
  readonly accountId?: number;
}

/** What a caller can ask for. */
export type AccessRequest = TokenRequest | MethodRequest;

/** The method that is to be called; undefined if a token is asked for. */
export function methodOf(request: AccessRequest): string | undefined {
  return "method" in request ? request.method : undefined;
}

/**
 * The service accounts in grants that give tokens, or in grants that give calls. vend-token reads
 * only the keys for `tokens`, and call-method only the keys for `calls`. If no grant gives calls,
 * call-method is not deployed.
 */
export function serviceAccountsFor(
  use: "tokens" | "calls",
  { serviceAccounts, grants }: Policy,
): readonly ServiceAccount[] {
  const giving = grants.filter(({ methods }) => (methods === undefined) === (use === "tokens"));
  const named = new Set(giving.flatMap((grant) => grant.serviceAccounts));
  return serviceAccounts.filter(({ name }) => named.has(name));
}

/** What may be minted, and which grant allows it. */
export interface Allowance {
  readonly serviceAccount: ServiceAccount;
  readonly ttlSeconds: number;
  readonly accountId?: number;
  /** {@link Grant.source} of the grant that decided. */
  readonly grant: string;
  /** {@link PrincipalPattern.arn} that matched the caller. */
  readonly pattern: string;
  /** {@link Grant.until} of that grant. The token ends by then, even if it is minted late. */
  readonly until?: EpochMs;
}

/**
 * Why there is no token. `detail` names grants and patterns, so it is for the audit record and the
 * policy's owner, never for the caller.
 */
export type Denial =
  | { readonly reason: "access_denied"; readonly detail: string }
  | { readonly reason: "ttl_too_long"; readonly maxTtlSeconds: number; readonly detail: string };

/**
 * What a caller may get of one service account: tokens, calls of methods, or both. Each field joins
 * all grants of the caller, so a single grant may give less: tokens for one child account only.
 */
export interface Entitlement {
  readonly name: string;
  /** The longest lifetime of a token. Absent if the caller may get calls only. */
  readonly maxTtlSeconds?: number;
  readonly childAccountIds: readonly number[];
  /** Patterns, sorted. Empty if the caller may have tokens only. */
  readonly methods: readonly string[];
}

/**
 * Returns the problem if a key belongs to another Voximplant account than the policy names. Such a
 * key must not be used. Without this check, anyone who can write the secret could store a key of
 * their own account, and callers would send their data to that account. Undefined if the account is
 * right, or if the policy names none.
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

/** Limits of a token's lifetime in seconds. */
export { MAX_TTL_SECONDS, MIN_TTL_SECONDS } from "../http/wire.ts";
/** Lifetime of a token whose request names none, in seconds: see docs/grants.md. */
export const DEFAULT_TTL_SECONDS = 300;
/** Lifetime of a token with which the vendor calls a method. The caller never gets this token. */
export const METHOD_TTL_SECONDS = 60;
