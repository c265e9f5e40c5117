import { getAtt, policyDocument, type Resource, type Resources, type Statement } from "./cloudformation.ts";
import {
  functionArnIn,
  type FunctionName,
  type GrantedSecret,
  isKeyReader,
  keyReadersOf,
  logGroupOf,
  mayRead,
  roleName,
  roleOf,
  secretArn,
} from "./names.ts";
import type { Options } from "./options.ts";
import { earlierKeyStatement, replicaKeysStatement, signingKeysKeyStatement } from "./signing-keys-key.ts";

/** The Secrets Manager actions of each function. */
const secretActions = {
  "vend-token": ["GetSecretValue"],
  "call-method": ["GetSecretValue"],
  "rotate-key": [
    "DescribeSecret",
    "GetSecretValue",
    "ListSecretVersionIds",
    "PutSecretValue",
    "UpdateSecretVersionStage",
  ],
  // It writes values and labels only to revoke and to roll back; the scheduled run writes tags.
  "reconcile-keys": [
    "DescribeSecret",
    "GetSecretValue",
    "ListSecretVersionIds",
    "PutSecretValue",
    "TagResource",
    "UpdateSecretVersionStage",
  ],
} as const satisfies Record<FunctionName, readonly string[]>;

const keyActions = {
  "vend-token": ["kms:Decrypt"],
  "call-method": ["kms:Decrypt"],
  "rotate-key": ["kms:Decrypt", "kms:GenerateDataKey"],
  "reconcile-keys": ["kms:Decrypt", "kms:GenerateDataKey"],
} as const satisfies Record<FunctionName, readonly string[]>;

/** One role per function. */
export function roleResources(
  functions: readonly FunctionName[],
  secrets: readonly GrantedSecret[],
  options: Options,
): Resources {
  return Object.fromEntries(functions.map((name) => [roleOf(name), role(name, secrets, options)]));
}

/** Path and permissions boundary, for every role of the stack. */
export const roleSettings = ({ rolePath, permissionsBoundaryArn }: Options) => ({
  ...(rolePath !== "/" && { Path: rolePath }),
  ...(permissionsBoundaryArn !== undefined && { PermissionsBoundary: permissionsBoundaryArn }),
});

function role(name: FunctionName, secrets: readonly GrantedSecret[], options: Options): Resource {
  const policy = policyDocument(statements(name, secrets, options));
  return {
    Type: "AWS::IAM::Role",
    Properties: {
      RoleName: roleName(name, options.region, options),
      ...roleSettings(options),
      AssumeRolePolicyDocument: policyDocument([
        {
          Sid: "Lambda",
          Effect: "Allow",
          Principal: { Service: "lambda.amazonaws.com" },
          Action: "sts:AssumeRole",
        },
      ]),
      Policies: [{ PolicyName: name, PolicyDocument: policy }],
    },
  };
}

function statements(
  name: FunctionName,
  secrets: readonly GrantedSecret[],
  options: Options,
): readonly Statement[] {
  const readable = secrets.filter((secret) => mayRead(name, secret));
  return [
    // Without a grant of tokens, vend-token needs no key: it only answers `whoami` and refuses.
    ...(readable.length > 0 ? keyStatements(name, readable, options) : []),
    {
      Sid: "OwnLog",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: getAtt(logGroupOf(name), "Arn"),
    },
    {
      Sid: "Traces",
      Effect: "Allow",
      Action: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
      // X-Ray has no resource to name for these two actions:
      // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
      Resource: "*",
    },
  ];
}

function keyStatements(
  name: FunctionName,
  secrets: readonly GrantedSecret[],
  options: Options,
): readonly Statement[] {
  return [
    {
      Sid: "SigningKeys",
      Effect: "Allow",
      Action: secretActions[name].map((action) => `secretsmanager:${action}`),
      Resource: secrets.map((secret) => secretArn(secret, options)),
      // Allows this project's tags and no other. An action that sets no tag has no aws:TagKeys, and
      // ForAllValues allows it. A second statement would repeat the list of secrets, and half as
      // many secrets would fit into the policy.
      ...(name === "reconcile-keys" && {
        Condition: { "ForAllValues:StringLike": { "aws:TagKeys": "voximplant-token-vendor:*" } },
      }),
    },
    ...(name === "reconcile-keys"
      ? [
          {
            // To drop a revoked key from warm containers: lib/reconciliation/forget-keys.ts. IAM
            // has no condition for single settings, so this also allows every other change of the
            // configuration.
            Sid: "MakeVendTokenForgetARevokedKey", // And call-method, where it is deployed.
            Effect: "Allow" as const,
            Action: ["lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration"],
            Resource: keyReadersOf(options).flatMap((reader) =>
              ["${AWS::Region}", ...options.replicaRegions].map((region) =>
                functionArnIn(region, reader, options),
              ),
            ),
          },
        ]
      : []),
    {
      Sid: "TheirKeyThroughSecretsManager",
      Effect: "Allow",
      Action: keyActions[name],
      ...signingKeysKeyStatement(options),
    },
    ...(options.kmsKeyArn === undefined ? [] : [earlierKeyStatement(options)]),
    // Storing a value writes the replicas too.
    ...(!isKeyReader(name) && options.replicaRegions.length > 0 ? [replicaKeysStatement(options)] : []),
  ];
}
