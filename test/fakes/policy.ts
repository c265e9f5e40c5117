import { type Caller, identifyCaller } from "../../lib/caller/caller.ts";
import type { Grant, Policy, PrincipalPattern, ServiceAccount } from "../../lib/grants/policy.ts";
import { isFailure } from "../../lib/outcome.ts";

/** Plain data for tests: each function takes what matters to the test and fills in the rest. */

export const ACCOUNT = "111122223333";
/** The moment at which these tests decide. */
export const NOW = Date.UTC(2026, 10, 24, 12);
export const roleArn = (name: string, account = ACCOUNT) => `arn:aws:iam::${account}:role/${name}`;
export const userArn = (name: string, account = ACCOUNT) => `arn:aws:iam::${account}:user/${name}`;

export function serviceAccount(name: string, fields: Partial<ServiceAccount> = {}): ServiceAccount {
  return {
    name,
    secret: `voximplant/${name}`,
    maxTtlSeconds: 3600,
    claims: "standard",
    unmanagedKeys: [],
    unknownKeys: "report",
    ...fields,
  };
}

let line = 0;

export function grant(
  principals: readonly (string | Omit<PrincipalPattern, "source">)[],
  serviceAccounts: readonly string[],
  fields: Partial<Grant> = {},
): Grant {
  const source = `grants.yml:${++line}`;
  return {
    source,
    principals: principals.map((p) => (typeof p === "string" ? { arn: p, source } : { ...p, source })),
    serviceAccounts,
    maxTtlSeconds: 3600,
    childAccountIds: [],
    ...fields,
  };
}

/** A policy that knows every service account its grants name. */
export function policy(...grants: Grant[]): Policy {
  const names = new Set(grants.flatMap((g) => g.serviceAccounts));
  return { serviceAccounts: [...names].map((name) => serviceAccount(name)), grants };
}

/** The caller behind a role or user ARN, as API Gateway would report it. */
export function callerOf(
  principal: string,
  { session = "session", uniqueId, org }: { session?: string; uniqueId?: string; org?: string } = {},
): Caller {
  const arn = principal.replace(/^arn:([^:]+):iam::(\d+):role\//, "arn:$1:sts::$2:assumed-role/");
  const result = identifyCaller({
    userArn: arn === principal ? arn : `${arn}/${session}`,
    userId: uniqueId,
    principalOrgId: org,
  });
  if (isFailure(result)) throw new Error(result.detail);
  return result;
}
