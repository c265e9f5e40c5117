import type { Resource, Resources } from "./cloudformation.ts";
import { functionsOf, type GrantedSecret } from "./names.ts";
import { DeploymentError, type Options } from "./options.ts";

interface Limit {
  readonly type: string;
  readonly what: string;
  /** The documents that AWS adds up. */
  readonly documents: (properties: Readonly<Record<string, unknown>>) => unknown;
  /** Characters, without white space. */
  readonly maximum: number;
  readonly advice: string;
}

const divide = "Divide the service accounts between two deployments, or shorten the secrets' names.";

/** The limits of AWS. A longer document fails in the middle of a deployment. */
const limits: readonly Limit[] = [
  {
    // All inline policies of a role together.
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    type: "AWS::IAM::Role",
    what: "IAM policy",
    documents: ({ Policies = [] }) =>
      (Policies as readonly { PolicyDocument: unknown }[]).map((policy) => policy.PolicyDocument),
    maximum: 10_240,
    advice: divide,
  },
  {
    // https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
    type: "AWS::ApiGateway::RestApi",
    what: "resource policy",
    documents: ({ Policy }) => Policy,
    maximum: 8_192,
    advice:
      "Admit the accounts by their organisation (principalOrgId with a wildcard for the account), or ask AWS to raise " +
      'the quota "Length of resource policy".',
  },
  {
    // https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
    type: "AWS::SecretsManager::ResourcePolicy",
    what: "resource policy",
    documents: ({ ResourcePolicy }) => ResourcePolicy,
    maximum: 20_480,
    advice: "Name fewer replicaRegions.",
  },
  {
    // https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
    type: "AWS::KMS::Key",
    what: "key policy",
    documents: ({ KeyPolicy }) => KeyPolicy,
    maximum: 32_768,
    advice: divide,
  },
  {
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
    type: "AWS::Events::Rule",
    what: "event pattern",
    documents: ({ EventPattern = {} }) => EventPattern,
    maximum: 2_048,
    advice: "Shorten the secrets' names.",
  },
];

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html */
const MAX_RESOURCES = 500;
/** osls's bucket and its policy. */
const OTHER_RESOURCES = 2;

/** Stands for the whole length of an unknown ARN, with room for a longer partition than `aws`. */
const ARN_LENGTH = 110;

/**
 * Measures each policy as AWS counts it. A policy that does not fit is refused before the
 * deployment.
 *
 * @throws DeploymentError naming each policy that is too long, its length, and what to do
 */
export function checkLimits(resources: Resources, secrets: readonly GrantedSecret[], options: Options): void {
  const problems = Object.entries(resources).flatMap(([id, resource]) => {
    const limit = limits.find(({ type }) => type === resource.Type);
    if (limit === undefined) return [];
    const length = lengthOf(limit, resource, secrets, options);
    if (length <= limit.maximum) return [];
    return [
      `The ${limit.what} of ${id} needs ${length} characters, and AWS accepts ${limit.maximum}. ${limit.advice}`,
    ];
  });
  const count = Object.keys(resources).length + functionsOf(options).length + OTHER_RESOURCES;
  if (count > MAX_RESOURCES) {
    problems.push(`The stack has ${count} resources, and CloudFormation accepts ${MAX_RESOURCES}. ${divide}`);
  }
  if (problems.length > 0) throw new DeploymentError(problems.join("\n"));
}

/** The length after CloudFormation has resolved the functions; an estimate, usually too long. */
function lengthOf(
  limit: Limit,
  { Properties = {} }: Resource,
  secrets: readonly GrantedSecret[],
  { region }: Options,
): number {
  const arnOf = (name: string) =>
    `arn:aws-us-gov:secretsmanager:${region}:123456789012:secret:${name}-abcdef`;
  return JSON.stringify(limit.documents(Properties), (_, value: unknown) => {
    // API Gateway completes the ARN when it stores the policy.
    if (value === "execute-api:/*") return "x".repeat(ARN_LENGTH);
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
