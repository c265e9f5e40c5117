/**
 * What must be granted, written from docs/grants.md alone: by recursion and by reading the whole
 * file for each question, without any index and without code of lib/grants.
 */

export interface FileGrant {
  readonly principals: readonly (string | { readonly arn: string; readonly uniqueId?: string })[];
  readonly serviceAccounts: readonly string[];
  readonly maxTtlSeconds?: number;
  readonly childAccountIds?: readonly number[];
  readonly principalOrgId?: string;
  readonly methods?: readonly string[];
  /** As the file has it, or milliseconds since the epoch. */
  readonly until?: string | number;
}

export interface GrantsFile {
  readonly serviceAccounts: Readonly<Record<string, { readonly maxTtlSeconds?: number }>>;
  readonly grants: readonly FileGrant[];
}

export interface Asker {
  /** In the form that the grants see. */
  readonly principal: string;
  readonly uniqueId?: string;
  readonly organizationId?: string;
}

export interface Wish {
  readonly serviceAccount: string;
  readonly accountId?: number;
  readonly ttlSeconds?: number;
  readonly method?: string;
}

export type Verdict =
  | { readonly reason: "access_denied" }
  | { readonly reason: "ttl_too_long"; readonly maxTtlSeconds: number }
  | { readonly ttlSeconds: number };

/** "The grants see it in this form", or nobody. */
export function principalOf(userArn: string): string | undefined {
  const [arn, partition = "", service, region, account = "", ...rest] = userArn.split(":");
  const [kind, ...name] = rest.join(":").split("/");
  if (arn !== "arn" || region !== "") return undefined;
  if (service === "iam" && kind === "user" && name.length > 0) return userArn;
  if (service !== "sts" || kind !== "assumed-role" || name.length !== 2) return undefined;
  return `arn:${partition}:iam::${account}:role/${name[0] ?? ""}`;
}

/** `*` is any run of characters, the empty one included. `?` is exactly one. */
export function fits(pattern: string, text: string): boolean {
  const [first] = pattern;
  if (first === undefined) return text === "";
  if (first === "*") return fits(pattern.slice(1), text) || (text !== "" && fits(pattern, text.slice(1)));
  return text !== "" && (first === "?" || first === text[0]) && fits(pattern.slice(1), text.slice(1));
}

/** Methods that manage keys, roles, users, subaccounts or credentials need their full name. */
const SENSITIVE = new Set(["createkey", "deletekey", "setkeyroles", "adduser", "deluser", "addaccount"]);

export function givesMethod(patterns: readonly string[], method: string): boolean {
  const isSensitive = SENSITIVE.has(method.toLowerCase());
  return patterns.some((pattern) => (isSensitive ? pattern === method : fits(pattern, method)));
}

function names({ principals }: FileGrant, { principal, uniqueId }: Asker): boolean {
  return principals.some((entry) => {
    const pattern = typeof entry === "string" ? { arn: entry } : entry;
    // API Gateway does not report a role's path. So a path is ignored.
    const parts = pattern.arn.replace(/(?<=:role\/).*\//, "").split(":");
    const given = principal.split(":");
    const isPinnedToAnother = pattern.uniqueId !== undefined && pattern.uniqueId !== uniqueId;
    return !isPinnedToAnother && parts.every((part, at) => fits(part, given[at] ?? ""));
  });
}

/** A date is the grant's last day in UTC; a time has its offset. */
function endOf(until: string | number | undefined): number {
  if (typeof until === "number") return until;
  if (until === undefined) return Infinity;
  return until.includes("T") ? Date.parse(until) : Date.parse(`${until}T00:00:00Z`) + 24 * 3600 * 1000;
}

/**
 * The grants that give what is asked for, by their places in the file, with their longest
 * lifetimes.
 */
export function fittingGrants(file: GrantsFile, asker: Asker, wish: Wish, now: number): Map<number, number> {
  const { serviceAccount, accountId, method } = wish;
  const found = new Map<number, number>();
  if (!Object.hasOwn(file.serviceAccounts, serviceAccount)) return found;
  for (const [place, grant] of file.grants.entries()) {
    const { childAccountIds = [], principalOrgId, methods } = grant;
    if (!names(grant, asker)) continue;
    if (!grant.serviceAccounts.includes(serviceAccount)) continue;
    if (accountId !== undefined && !childAccountIds.includes(accountId)) continue;
    if (principalOrgId !== undefined && principalOrgId !== asker.organizationId) continue;
    // A grant with `methods` gives no token, and a grant without them no call.
    if ((method === undefined) !== (methods === undefined)) continue;
    if (method !== undefined && !givesMethod(methods ?? [], method)) continue;
    const longest = Math.min(
      grant.maxTtlSeconds ?? 3600,
      file.serviceAccounts[serviceAccount]?.maxTtlSeconds ?? 3600,
      3600,
      Math.floor((endOf(grant.until) - now) / 1000),
    );
    // The shortest token would outlive the grant.
    if (longest >= 30) found.set(place, longest);
  }
  return found;
}

/** The longest lifetime that any grant gives, or undefined. */
export function longestLifetime(file: GrantsFile, asker: Asker, wish: Wish, now: number): number | undefined {
  const lifetimes = [...fittingGrants(file, asker, wish, now).values()];
  return lifetimes.length > 0 ? Math.max(...lifetimes) : undefined;
}

/** A call has no lifetime of its own: only whether it is given is compared. */
export function verdict(file: GrantsFile, asker: Asker, wish: Wish, now: number): Verdict {
  const longest = longestLifetime(file, asker, wish, now);
  if (longest === undefined) return { reason: "access_denied" };
  const { ttlSeconds = Math.min(300, longest) } = wish;
  if (ttlSeconds > longest) return { reason: "ttl_too_long", maxTtlSeconds: longest };
  return { ttlSeconds };
}
