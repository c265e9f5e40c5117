import {
  getAtt,
  policyDocument,
  type Resource,
  type Resources,
  retained,
  type Statement,
} from "./cloudformation.ts";
import {
  type FunctionName,
  type GrantedSecret,
  keyReadersOf,
  makesSecrets,
  mayRead,
  named,
  roleArnIn,
  roleOf,
  secretId,
  signingKeysAlias,
} from "./names.ts";
import type { Options } from "./options.ts";
import { inRegion, signingKeysKeyArn } from "./signing-keys-key.ts";

/**
 * The secrets without a value, and their policies. An operator imports the value. Secrets and
 * policies outlive the stack, because Voximplant keeps no copy of a private key. With
 * `secrets: existing` the stack makes only the policies, for secrets that an earlier stack has
 * left. A secondary region makes neither: it reads the primary's replicas. Import a secret before
 * `replicate` names it: AWS removes the replicas of a secret without a value.
 */
export function secretResources(
  secrets: readonly GrantedSecret[],
  options: Options,
  functions: readonly FunctionName[],
): Resources {
  if (options.secondary) return {};
  const replicated = options.replicaRegions.length > 0 ? named("replicate", secrets, options) : [];
  return Object.fromEntries(
    secrets.flatMap((secret): (readonly [string, Resource])[] => [
      ...(makesSecrets(options)
        ? [[secret.logicalId, secretResource(secret, options, replicated.includes(secret))] as const]
        : []),
      [
        `${secret.logicalId}Policy`,
        {
          Type: "AWS::SecretsManager::ResourcePolicy",
          ...retained,
          Properties: {
            SecretId: secretId(secret, options),
            BlockPublicPolicy: true,
            ResourcePolicy: secretResourcePolicy(secret, options, functions),
          },
        },
      ],
    ]),
  );
}

function secretResource(
  { name, serviceAccounts }: GrantedSecret,
  options: Options,
  isReplicated: boolean,
): Resource {
  return {
    Type: "AWS::SecretsManager::Secret",
    ...retained,
    Properties: {
      Name: name,
      Description: `The key of the Voximplant service account ${serviceAccounts.join(", ")}: the credentials file, unchanged.`,
      KmsKeyId: signingKeysKeyArn(options),
      ...(isReplicated && {
        ReplicaRegions: options.replicaRegions.map((region) => ({
          Region: region,
          // The key that the stack of that region makes: its alias is the same everywhere.
          KmsKeyId:
            options.kmsKeyArn === undefined ? signingKeysAlias(options) : inRegion(options.kmsKeyArn, region),
        })),
      }),
    },
  };
}

/**
 * The policy of a secret: only the functions may read the key, whatever IAM grants to others,
 * administrators included.
 *
 * - It denies only GetSecretValue, which BatchGetSecretValue needs too. Writing, rotating, deleting
 *   and changing this policy stay possible: an operator imports without reading, and the deploying
 *   role cannot lock itself out. To read a key in an emergency, change the policy first. CloudTrail
 *   records that.
 * - It names roles by aws:PrincipalArn, which for a role session is the role's ARN. NotPrincipal
 *   would need the ARN of every session, and AWS advises against it. In `Principal`, IAM replaces a
 *   role by its unique id, so a role that is made again would be denied for ever.
 * - An absent condition key counts as "not equal". So an AWS service without a principal's ARN is
 *   denied too.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
 */
export function secretResourcePolicy(
  secret: GrantedSecret,
  options: Options,
  functions: readonly FunctionName[],
) {
  const { cloudFormationReadsSecrets, deployerArn } = options;
  const deployer = cloudFormationReadsSecrets && deployerArn !== undefined ? [deployerArn] : [];
  const deny = (Sid: string, Condition: NonNullable<Statement["Condition"]>): Statement => ({
    Sid,
    Effect: "Deny",
    Principal: "*",
    Action: "secretsmanager:GetSecretValue",
    Resource: "*", // The secret that has this policy.
    Condition,
  });
  return policyDocument([
    deny("OnlyTheFunctionsReadTheKey", {
      ArnNotEquals: {
        "aws:PrincipalArn": [
          ...functions.filter((name) => mayRead(name, secret)).map((name) => getAtt(roleOf(name), "Arn")),
          // A replica carries this policy too, and is read by the functions over there.
          ...options.replicaRegions.flatMap((replica) =>
            keyReadersOf(options)
              .filter((name) => mayRead(name, secret))
              .map((name) => roleArnIn(name, replica, options)),
          ),
          ...deployer,
        ],
      },
    }),
    // The exception needs the deployer's ARN, not only aws:CalledVia. Otherwise anyone who may
    // deploy a stack could read the key with {{resolve:secretsmanager:…}} in a template.
    ...(deployer.length > 0
      ? [
          deny("TheDeployerReadsItOnlyThroughCloudFormation", {
            ArnEquals: { "aws:PrincipalArn": deployer },
            "ForAllValues:StringNotEquals": { "aws:CalledVia": ["cloudformation.amazonaws.com"] },
          }),
        ]
      : []),
  ]);
}
