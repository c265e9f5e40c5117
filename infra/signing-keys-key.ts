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
 * Used through Secrets Manager alone, for these secrets alone. Both halves of the condition matter:
 * kms:ViaService keeps everybody from calling KMS directly, the encryption context (which Secrets
 * Manager sets to the secret's ARN) keeps the key from encrypting anything else.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
 */
export function throughSecretsManager(secretArns: readonly unknown[], regions: readonly string[]) {
  return {
    StringEquals: {
      "kms:ViaService": regions.map((name) => sub(`secretsmanager.${name}.amazonaws.com`)),
    },
    StringLike: { "kms:EncryptionContext:SecretARN": secretArns },
  };
}

/**
 * For a role's statement: the key as its resource. The ARN of a key that an earlier stack left is
 * not known here, so a condition names its alias.
 * https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
 */
export function signingKeysKeyStatement(secretArns: readonly unknown[], options: Options) {
  const through = throughSecretsManager(secretArns, ["${AWS::Region}"]);
  if (options.secrets === "create") return { Resource: getAtt(signingKeysKey, "Arn"), Condition: through };
  return {
    Resource: sub("arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"),
    Condition: {
      ...through,
      "ForAnyValue:StringEquals": { "kms:ResourceAliases": [signingKeysAlias(options)] },
    },
  };
}

export function signingKeysKeyResources(secrets: readonly GrantedSecret[], options: Options): Resources {
  if (options.secrets === "existing") return {};
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
  // Replicas are written from the primary region, by Secrets Manager over there.
  const regions = ["${AWS::Region}", ...(options.secondary ? [options.primaryRegion ?? ""] : [])];
  return [
    {
      // Administration through IAM. Without this statement no one could change this policy again.
      // No cryptography.
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
          // Secrets Manager tries the key with this value before it uses it; nothing is encrypted
          // under it.
          "RequestToValidateKeyAccess",
        ],
        regions,
      ),
    },
  ];
}
