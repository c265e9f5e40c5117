import { getAtt, policyDocument, type Resource, type Resources, retained } from "./cloudformation.ts";
import {
  type FunctionName,
  type GrantedSecret,
  makesSecrets,
  roleOf,
  secretId,
  signingKeysAlias,
  signingKeysKey,
  vendRoleArnIn,
} from "./names.ts";
import type { Options } from "./options.ts";

/**
 * The secrets, without a value, which an operator imports. Secrets and policies outlive the stack,
 * because Voximplant keeps no copy of a private key. With `--param secrets=existing` the stack makes
 * only the policies, for secrets that an earlier stack has left. A secondary region has none of
 * them: it reads the primary's replicas.
 */
export function secretResources(
  secrets: readonly GrantedSecret[],
  options: Options,
  functions: readonly FunctionName[],
): Resources {
  if (options.secondary) return {};
  return Object.fromEntries(
    secrets.flatMap((secret): (readonly [string, Resource])[] => [
      ...(makesSecrets(options) ? [[secret.logicalId, secretResource(secret, options)] as const] : []),
      [
        `${secret.logicalId}Policy`,
        {
          Type: "AWS::SecretsManager::ResourcePolicy",
          ...retained,
          Properties: {
            SecretId: secretId(secret, options),
            BlockPublicPolicy: true,
            ResourcePolicy: secretResourcePolicy(options, functions),
          },
        },
      ],
    ]),
  );
}

function secretResource({ name, serviceAccounts }: GrantedSecret, options: Options): Resource {
  return {
    Type: "AWS::SecretsManager::Secret",
    ...retained,
    Properties: {
      Name: name,
      Description: `The key of the Voximplant service account ${serviceAccounts.join(", ")}: the credentials file, unchanged.`,
      KmsKeyId: getAtt(signingKeysKey, "Arn"),
      ...(options.replicaRegions.length > 0 && {
        // The key that the stack of that region makes; its alias is the same everywhere.
        ReplicaRegions: options.replicaRegions.map((replica) => ({
          Region: replica,
          KmsKeyId: signingKeysAlias(options),
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
export function secretResourcePolicy(options: Options, functions: readonly FunctionName[]) {
  return policyDocument([
    {
      Sid: "OnlyTheFunctionsReadTheKey",
      Effect: "Deny",
      Principal: "*",
      Action: "secretsmanager:GetSecretValue",
      Resource: "*", // The secret that has this policy.
      Condition: {
        ArnNotEquals: {
          "aws:PrincipalArn": [
            ...functions.map((name) => getAtt(roleOf(name), "Arn")),
            // A replica carries this policy too, and is read by the vending function over there.
            ...options.replicaRegions.map((replica) => vendRoleArnIn(replica, options)),
          ],
        },
      },
    },
  ]);
}
