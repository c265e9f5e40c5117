import type { GrantedSecret } from "./names.ts";
import type { Options } from "./options.ts";

/**
 * Characters of all inline policies of a role together, without white space.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export const MAX_POLICY_SIZE = 10_240;

/** For the random end of a log group's or a KMS key's ARN, and a longer partition than `aws`. */
const ARN_LENGTH = 110;

/**
 * How long a policy is once CloudFormation has filled in its intrinsic functions; never less than
 * that.
 */
export function policySize(policy: object, secrets: readonly GrantedSecret[], { region }: Options): number {
  const arnOf = (name: string) =>
    `arn:aws-us-gov:secretsmanager:${region}:123456789012:secret:${name}-abcdef`;
  return JSON.stringify(policy, (_, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if ("Ref" in value) {
      const secret = secrets.find(({ logicalId }) => logicalId === value.Ref);
      return secret === undefined ? "x".repeat(ARN_LENGTH) : arnOf(secret.name);
    }
    if ("Fn::GetAtt" in value) return "x".repeat(ARN_LENGTH);
    if ("Fn::Sub" in value) {
      return String(value["Fn::Sub"])
        .replaceAll("${AWS::Partition}", "aws-us-gov")
        .replaceAll("${AWS::Region}", region)
        .replaceAll("${AWS::AccountId}", "123456789012");
    }
    return value;
  }).length;
}
