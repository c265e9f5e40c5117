import {
  accountPrincipal,
  getAtt,
  policyDocument,
  ref,
  type Resources,
  retained,
  type Statement,
  sub,
} from "./cloudformation.ts";
import { type GrantedSecret, secretArnPattern, signingKeysAlias, signingKeysKey } from "./names.ts";
import type { Options } from "./options.ts";

/**
 * For a key policy: allows the key's use only through Secrets Manager and only for these secrets.
 * Both conditions matter. kms:ViaService keeps everyone from calling KMS directly. The encryption
 * context, which Secrets Manager sets to the secret's ARN, keeps the key from encrypting anything
 * else. https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
 */
function throughSecretsManager(secretArns: readonly unknown[], regions: readonly string[]) {
  return {
    StringEquals: { "kms:ViaService": regions.map(secretsManagerIn) },
    StringLike: { "kms:EncryptionContext:SecretARN": secretArns },
  };
}

const secretsManagerIn = (region: string) => sub(`secretsmanager.${region}.amazonaws.com`);
const anyKeyIn = (region: string) => sub(`arn:\${AWS::Partition}:kms:${region}:\${AWS::AccountId}:key/*`);
const hasOurAlias = (options: Options) => ({
  "ForAnyValue:StringEquals": { "kms:ResourceAliases": [signingKeysAlias(options)] },
});

/** The KMS key of the secrets, or undefined if this stack does not know its ARN. */
export function signingKeysKeyArn({ kmsKeyArn, region, secrets }: Options) {
  if (kmsKeyArn !== undefined) return inRegion(kmsKeyArn, region);
  return secrets === "create" ? getAtt(signingKeysKey, "Arn") : undefined;
}

/**
 * For a role's statement: allows the key's use through Secrets Manager. The key's own policy
 * limits it to these secrets, so the role does not repeat their names: IAM accepts 10,240
 * characters. The ARN of a key that an earlier stack left is not known, so a condition names its
 * alias.
 * https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
 */
export function signingKeysKeyStatement(options: Options) {
  const through = { StringEquals: { "kms:ViaService": [secretsManagerIn("${AWS::Region}")] } };
  const arn = signingKeysKeyArn(options);
  if (arn !== undefined) return { Resource: arn, Condition: through };
  return { Resource: anyKeyIn("${AWS::Region}"), Condition: { ...through, ...hasOurAlias(options) } };
}

/**
 * For the role of a function that reads keys, if `kmsKeyArn` is set: allows decryption with the KMS
 * key that the stack had before. Those versions of a secret that have no label stay encrypted with
 * that key.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_update-encryption-key.html
 */
export function earlierKeyStatement(options: Options): Statement {
  return {
    Sid: "DecryptWithTheEarlierKey",
    Effect: "Allow",
    Action: ["kms:Decrypt"],
    ...signingKeysKeyStatement({ ...options, kmsKeyArn: undefined, secrets: "existing" }),
  };
}

/**
 * For the role of a function that stores keys: allows the use of the replicas' KMS keys.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicateSecretToRegions.html
 */
export function replicaKeysStatement(options: Options): Statement {
  const { kmsKeyArn, replicaRegions } = options;
  return {
    Sid: "ReplicasKeysThroughSecretsManager",
    Effect: "Allow",
    Action: ["kms:Encrypt", "kms:GenerateDataKey"],
    Resource: replicaRegions.map((region) =>
      kmsKeyArn === undefined ? anyKeyIn(region) : inRegion(kmsKeyArn, region),
    ),
    Condition: {
      StringEquals: { "kms:ViaService": ["${AWS::Region}", ...replicaRegions].map(secretsManagerIn) },
      ...(kmsKeyArn === undefined && hasOurAlias(options)),
    },
  };
}

/** A multi-Region key has the same id in each region. */
export const inRegion = (keyArn: string, region: string) =>
  keyArn.replace(/^(arn:[^:]+:kms:)[^:]+/, `$1${region}`);

export function signingKeysKeyResources(secrets: readonly GrantedSecret[], options: Options): Resources {
  if (options.secrets === "existing" || options.kmsKeyArn !== undefined) return {};
  return {
    [signingKeysKey]: {
      Type: "AWS::KMS::Key",
      ...retained,
      Properties: {
        Description: `Encrypts the Voximplant signing keys of ${options.prefix}.`,
        EnableKeyRotation: true,
        PendingWindowInDays: 30,
        KeyPolicy: policyDocument(keyPolicy(secrets, options)),
      },
    },
    SigningKeysKeyAlias: {
      Type: "AWS::KMS::Alias",
      ...retained,
      Properties: { AliasName: signingKeysAlias(options), TargetKeyId: ref(signingKeysKey) },
    },
  };
}

function keyPolicy(secrets: readonly GrantedSecret[], options: Options): readonly Statement[] {
  // Secrets Manager of the primary region writes the replicas.
  const regions = ["${AWS::Region}", ...(options.secondary ? [options.primaryRegion ?? ""] : [])];
  return [
    {
      // Administration through IAM. Without this statement no one could change this policy again.
      // It allows no use of the key for cryptography.
      Sid: "AdministerThroughIam",
      Effect: "Allow",
      Principal: accountPrincipal,
      Action: [
        "kms:Create*",
        "kms:Describe*",
        "kms:Enable*",
        "kms:List*",
        "kms:Put*",
        "kms:Update*",
        "kms:Revoke*",
        "kms:Disable*",
        "kms:Get*",
        "kms:Delete*",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:ScheduleKeyDeletion",
        "kms:CancelKeyDeletion",
        "kms:RotateKeyOnDemand",
      ],
      Resource: "*", // In a key policy: this key.
    },
    {
      // IAM decides who may write and replicate. The secret's policy decides who may read.
      Sid: "UseThroughSecretsManagerForTheseSecrets",
      Effect: "Allow",
      Principal: accountPrincipal,
      Action: ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
      Resource: "*",
      Condition: throughSecretsManager(
        [
          ...secrets.flatMap(({ name }) => regions.map((region) => secretArnPattern(name, region))),
          // Secrets Manager uses this value instead of an ARN when it checks its access to the key.
          // No secret is encrypted with this value.
          "RequestToValidateKeyAccess",
        ],
        regions,
      ),
    },
  ];
}
