import { account, getAtt, ref, type Resources } from "./cloudformation.ts";
import { type GrantedSecret, lambdaOf, named, secretId } from "./names.ts";
import type { Options } from "./options.ts";

/**
 * The schedules: of reconciliation, and of rotation for the service accounts that `rotate` names
 * (or `all`).
 *
 * Import a secret before `rotate` names its service account: Secrets Manager tries a new schedule
 * at once. With RotateImmediatelyOnUpdate false it runs only testSecret, on a
 * temporary AWSPENDING version. Before the import there is no value for that version, and AWS does
 * not document what happens to the stack then.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 */
export function keyLifeResources(secrets: readonly GrantedSecret[], options: Options): Resources {
  if (options.secondary) return {};
  return {
    SecretsManagerMayRotate: {
      Type: "AWS::Lambda::Permission",
      Properties: {
        FunctionName: getAtt(lambdaOf("rotate-key"), "Arn"),
        Action: "lambda:InvokeFunction",
        Principal: "secretsmanager.amazonaws.com",
        SourceAccount: account,
      },
    },
    ...Object.fromEntries(
      named("rotate", secrets, options).map((secret) => [
        `${secret.logicalId}Rotation`,
        {
          Type: "AWS::SecretsManager::RotationSchedule",
          DependsOn: ["SecretsManagerMayRotate", `${secret.logicalId}Policy`],
          Properties: {
            SecretId: secretId(secret, options),
            RotationLambdaARN: getAtt(lambdaOf("rotate-key"), "Arn"),
            RotationRules: { ScheduleExpression: `rate(${plural(options.rotationDays, "day")})` },
            // A deployment must not rotate a key.
            RotateImmediatelyOnUpdate: false,
          },
        },
      ]),
    ),
    ...reconciliationResources(options),
  };
}

function reconciliationResources({ reconcileMinutes, prefix }: Options): Resources {
  return {
    ReconciliationSchedule: {
      Type: "AWS::Events::Rule",
      Properties: {
        // CloudFormation might shorten the prefix in a name that it makes: see roleName.
        Name: `${prefix}-reconcile`,
        Description: "Compares the keys at Voximplant with those that the secrets hold.",
        ScheduleExpression: `rate(${plural(reconcileMinutes, "minute")})`,
        State: "ENABLED",
        Targets: [{ Id: "reconcile-keys", Arn: getAtt(lambdaOf("reconcile-keys"), "Arn") }],
      },
    },
    ReconciliationRetries: {
      Type: "AWS::Lambda::EventInvokeConfig",
      Properties: {
        FunctionName: ref(lambdaOf("reconcile-keys")),
        Qualifier: "$LATEST",
        MaximumRetryAttempts: 0, // The next turn is the retry.
      },
    },
    ScheduleMayReconcile: {
      Type: "AWS::Lambda::Permission",
      Properties: {
        FunctionName: getAtt(lambdaOf("reconcile-keys"), "Arn"),
        Action: "lambda:InvokeFunction",
        Principal: "events.amazonaws.com",
        SourceArn: getAtt("ReconciliationSchedule", "Arn"),
      },
    },
  };
}

const plural = (count: number, unit: string) => `${count} ${unit}${count === 1 ? "" : "s"}`;
