import { splitPrincipalArn } from "./arn-like.ts";
import { coversGrant } from "./conditions.ts";
import { candidatesFor, type GrantIndex } from "./grant-index.ts";
import type { Grant, PrincipalPattern } from "./policy.ts";

/**
 * For each grant that could be removed without taking anything from anybody: one that gives all it
 * gives.
 */
export function findRedundantGrants(grants: readonly Grant[], index: GrantIndex): Map<Grant, Grant> {
  const order = new Map(grants.map((grant, i) => [grant, i]));
  const redundant = new Map<Grant, Grant>();
  for (const grant of grants) {
    const [principal] = grant.principals;
    const cover =
      principal &&
      grantsNaming(principal, index).find(
        (other) =>
          coversGrant(other, grant) &&
          // Of two that give the same, the one further down is one too many; and none is further
          // down than itself.
          (!coversGrant(grant, other) || (order.get(other) ?? 0) < (order.get(grant) ?? 0)),
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
