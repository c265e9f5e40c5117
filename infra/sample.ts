import type { Policy } from "../lib/grants/policy.ts";

/**
 * The account of AWS's documentation, which the sample grants.yml uses. Nobody signs in from it.
 */
const SAMPLE_ACCOUNT = "111122223333";

/**
 * What to change before a policy is deployed: the principals of the sample. Deployed as they are,
 * they lock every real caller out, and the API's resource policy admits a stranger's account.
 *
 * @returns undefined if the policy has none
 */
export function findSamplePrincipals({ grants }: Policy): string | undefined {
  const found = grants
    .flatMap(({ principals }) => principals)
    .filter(({ arn }) => arn.split(":")[4] === SAMPLE_ACCOUNT)
    .map(({ source, arn }) => `  ${source}: ${arn}`);
  if (found.length === 0) return undefined;
  return (
    `The grants name principals of the AWS account ${SAMPLE_ACCOUNT}, which is the sample's:\n${found.join("\n")}\n` +
    "Put the principals of your own account there."
  );
}
