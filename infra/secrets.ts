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
 * The secrets, without a value: an operator imports it. They and their policies stay when the stack
 * goes, because Voximplant keeps no copy of a private key. With `--param secrets=existing` the
 * stack takes those that an earlier stack has left, and makes their policies only. None in a
 * secondary region, which reads the primary's replicas.
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
 * Only the functions may read a key, whatever IAM grants to others, administrators included.
 *
 * - It denies GetSecretValue alone (BatchGetSecretValue asks for it as well). So a principal that
 *   may write, rotate, delete or change this very policy still can: an operator imports without
 *   reading, and the deploying role cannot lock itself out. To read a key in an emergency one has
 *   to change the policy first, which CloudTrail shows.
 * - It names roles by aws:PrincipalArn, which for a role session is the role's ARN. NotPrincipal
 *   would need every session's ARN as well, and AWS advises against it; also IAM turns a role in a
 *   principal into its unique id, so that a role made anew would be denied for good.
 * - An absent key counts as "not equal": an AWS service that comes without a principal's ARN is
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
      Resource: "*", // The secret that carries the policy; no other is meant by it.
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
