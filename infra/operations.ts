import { account, accountPrincipal, policyDocument, ref, type Resources, sub } from "./cloudformation.ts";
import type { Options } from "./options.ts";

export const alarmTopic = "AlarmTopic";
/**
 * A second KMS key, because AWS services use it: the alarms' topic, and the logs with
 * `encryptLogs`.
 */
export const operationsKey = "OperationsKey";

/**
 * Where alarms go: one encrypted topic.
 *
 * The key is our own because CloudWatch cannot publish to a topic under the AWS-managed
 * `alias/aws/sns`: that key's policy cannot be given a statement for it.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
 */
export function operationsResources(options: Options): Resources {
  const ownAlarms = {
    StringEquals: { "aws:SourceAccount": account },
    ArnLike: {
      "aws:SourceArn": sub("arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"),
    },
  };
  return {
    [operationsKey]: {
      Type: "AWS::KMS::Key",
      Properties: {
        Description: `Encrypts the alarms of ${options.prefix}${options.encryptLogs ? " and its logs" : ""}.`,
        EnableKeyRotation: true,
        KeyPolicy: policyDocument([
          {
            // The account's administrators may read everything that this key encrypts.
            Sid: "AdministerAndUseThroughIam",
            Effect: "Allow",
            Principal: accountPrincipal,
            Action: "kms:*",
            Resource: "*",
          },
          {
            Sid: "AlarmsToTheTopic",
            Effect: "Allow",
            Principal: { Service: "cloudwatch.amazonaws.com" },
            Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
            Resource: "*",
            Condition: ownAlarms,
          },
          ...(options.encryptLogs ? [logsUseTheKey] : []),
        ]),
      },
    },
    [alarmTopic]: {
      Type: "AWS::SNS::Topic",
      Properties: { TopicName: `${options.prefix}-alarms`, KmsMasterKeyId: ref(operationsKey) },
    },
    AlarmTopicPolicy: {
      Type: "AWS::SNS::TopicPolicy",
      Properties: {
        Topics: [ref(alarmTopic)],
        PolicyDocument: policyDocument([
          {
            Sid: "OwnAlarms",
            Effect: "Allow",
            Principal: { Service: "cloudwatch.amazonaws.com" },
            Action: "sns:Publish",
            Resource: ref(alarmTopic),
            Condition: ownAlarms,
          },
        ]),
      },
    },
    ...(options.alarmEmail !== undefined && {
      AlarmEmail: {
        Type: "AWS::SNS::Subscription",
        Properties: { TopicArn: ref(alarmTopic), Protocol: "email", Endpoint: options.alarmEmail },
      },
    }),
  };
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html */
const logsUseTheKey = {
  Sid: "LogsOfThisRegion",
  Effect: "Allow",
  Principal: { Service: sub("logs.${AWS::Region}.amazonaws.com") },
  Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
  Resource: "*",
  Condition: {
    ArnLike: {
      "kms:EncryptionContext:aws:logs:arn": sub(
        "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*",
      ),
    },
  },
} as const;
