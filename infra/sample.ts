import type { Policy } from "../lib/grants/policy.ts";

/**
 * The account of AWS's documentation, which the sample grants.yml uses.
 */
const SAMPLE_ACCOUNT = "111122223333";

/**
 * Finds the sample's principals in a policy. They must be replaced before a deployment. Otherwise
 * every real caller is refused, and the API's resource policy admits an account that is not yours.
 *
 * @returns the message; undefined if the policy has none of them
 */
export function findSamplePrincipals({ grants }: Policy): string | undefined {
  const found = grants
    .flatMap(({ principals }) => principals)
    .filter(({ arn }) => arn.split(":")[4] === SAMPLE_ACCOUNT)
    .map(({ source, arn }) => `  ${source}: ${arn}`);
  if (found.length === 0) return undefined;
  return (
    `The grants name principals of the sample's AWS account ${SAMPLE_ACCOUNT}:\n${found.join("\n")}\n` +
    "Put the principals of your own account there."
  );
}
