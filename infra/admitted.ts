import type { Policy } from "../lib/grants/policy.ts";

/**
 * The accounts and organisations of the grants, from which the API's resource policy is built.
 */
export interface Admitted {
  /** Each account that a principal names. */
  readonly accountIds: readonly string[];
  /** The organisations of grants whose principal has a wildcard as its account. */
  readonly organizationIds: readonly string[];
}

const sorted = (values: Iterable<string>) => [...new Set(values)].sort();

/**
 * Derives the admitted accounts from the grants, so that the gateway and the function cannot
 * disagree.
 */
export function admittedBy(policy: Policy): Admitted {
  const accounts: string[] = [];
  const organizations: string[] = [];
  for (const grant of policy.grants) {
    for (const { arn } of grant.principals) {
      const accountId = arn.split(":")[4] ?? "";
      if (/^\d{12}$/.test(accountId)) {
        accounts.push(accountId);
      } else if (grant.principalOrgId !== undefined) {
        organizations.push(grant.principalOrgId);
      } else {
        throw new Error(`${grant.source}: ${arn} has a wildcard for an account and no principalOrgId`);
      }
    }
  }
  return { accountIds: sorted(accounts), organizationIds: sorted(organizations) };
}
