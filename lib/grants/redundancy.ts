import { matchesPrincipal, splitPrincipalArn } from "./arn-like.ts";
import { candidatesFor, type GrantIndex } from "./grant-index.ts";
import type { Grant, PrincipalPattern } from "./policy.ts";

/** For each grant that could be removed without taking anything from anybody: one that gives all it gives. */
export function findRedundantGrants(grants: readonly Grant[], index: GrantIndex): Map<Grant, Grant> {
  const order = new Map(grants.map((grant, i) => [grant, i]));
  const redundant = new Map<Grant, Grant>();
  for (const grant of grants) {
    const [principal] = grant.principals;
    const cover =
      principal &&
      grantsNaming(principal, index).find(
        (other) =>
          covers(other, grant) &&
          // Of two that give the same, the one further down is one too many; and none is further down than itself.
          (!covers(grant, other) || (order.get(other) ?? 0) < (order.get(grant) ?? 0)),
      );
    if (cover) redundant.set(grant, cover);
  }
  return redundant;
}

/** Grants whose patterns match the pattern itself, read as if it were an ARN. */
function grantsNaming({ arn }: PrincipalPattern, index: GrantIndex): Grant[] {
  const parts = splitPrincipalArn(arn);
  return parts ? candidatesFor(index, { principal: arn, ...parts }).map(({ grant }) => grant) : [];
}

function covers(wide: Grant, narrow: Grant): boolean {
  return (
    wide.maxTtlSeconds >= narrow.maxTtlSeconds &&
    (wide.principalOrgId === undefined || wide.principalOrgId === narrow.principalOrgId) &&
    narrow.serviceAccounts.every((name) => wide.serviceAccounts.includes(name)) &&
    narrow.childAccountIds.every((id) => wide.childAccountIds.includes(id)) &&
    narrow.principals.every((pattern) => wide.principals.some((other) => coversPrincipal(other, pattern)))
  );
}

function coversPrincipal(wide: PrincipalPattern, narrow: PrincipalPattern): boolean {
  if (wide.uniqueId !== undefined && wide.uniqueId !== narrow.uniqueId) return false;
  if (wide.arn === narrow.arn) return true;
  // A `?` would take the narrow pattern's `*` for one character; rather miss a redundancy than report one that is none.
  if (wide.arn.includes("?")) return false;
  const [a, b] = [splitPrincipalArn(wide.arn), splitPrincipalArn(narrow.arn)];
  return a && b ? matchesPrincipal(a, b) : false;
}
