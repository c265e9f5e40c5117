import {
  account,
  accountPrincipal,
  policyDocument,
  ref,
  type Resources,
  retained,
  type Statement,
  sub,
} from "./cloudformation.ts";
import type { Options } from "./options.ts";

const alarmTopic = "AlarmTopic";
/** The topic of the alarms: the deployment's own, or an existing one. */
export const topicArn = ({ alarmTopicArn }: Options) => alarmTopicArn ?? ref(alarmTopic);
/**
 * A second KMS key, because its policy must let AWS services use it: for the alarms' topic and,
 * with `encryptLogs`, for the logs.
 */
export const operationsKey = "OperationsKey";

/** An AWS service that publishes to the topic, and the resources for which it does so. */
interface Publisher {
  readonly sid: string;
  readonly service: string;
  readonly condition?: Statement["Condition"];
}

const ownAlarms: Publisher = {
  sid: "OwnAlarms",
  service: "cloudwatch.amazonaws.com",
  condition: {
    StringEquals: { "aws:SourceAccount": account },
    ArnLike: {
      "aws:SourceArn": sub("arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"),
    },
  },
};

/**
 * Without a condition. EventBridge's request to KMS is said to carry neither aws:SourceArn nor
 * aws:SourceAccount: with such a condition every message would be dropped silently. Not tried on
 * AWS; docs/first-deployment.md, check 9, shows whether a message arrives.
 * https://aws.github.io/modern-data-architecture-accelerator/typedocs/functions/_aws-mdaa_cloudwatch-constructs.grantCloudWatchAlarmsTopicAccess.html
 */
const tripwires: Publisher = { sid: "Tripwires", service: "events.amazonaws.com" };

const statementFor = (
  { sid, service, condition }: Publisher,
  what: Pick<Statement, "Action" | "Resource">,
): Statement => ({
  Sid: sid,
  Effect: "Allow",
  Principal: { Service: service },
  ...what,
  ...(condition !== undefined && { Condition: condition }),
});

/**
 * Creates one encrypted topic for the alarms, unless an existing one is configured.
 *
 * The key is our own because CloudWatch cannot publish to a topic under the AWS-managed
 * `alias/aws/sns`: no one can add a statement for CloudWatch to the policy of that key.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
 */
export function operationsResources(options: Options): Resources {
  const publishers = options.tripwires ? [ownAlarms, tripwires] : [ownAlarms];
  const ownTopic = options.alarmTopicArn === undefined;
  if (!ownTopic && !options.encryptLogs) return {};
  return {
    [operationsKey]: {
      Type: "AWS::KMS::Key",
      // Log groups may outlive the stack, and encrypted events may outlive the option encryptLogs.
      // Without the key, no one can read them.
      ...((options.encryptLogs || options.retainLogs) && retained),
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
          ...(ownTopic
            ? publishers.map((publisher) =>
                statementFor(publisher, { Action: ["kms:Decrypt", "kms:GenerateDataKey*"], Resource: "*" }),
              )
            : []),
          ...(options.encryptLogs ? [logsUseTheKey] : []),
        ]),
      },
    },
    ...(ownTopic && topicResources(options, publishers)),
  };
}

function topicResources(options: Options, publishers: readonly Publisher[]): Resources {
  return {
    [alarmTopic]: {
      Type: "AWS::SNS::Topic",
      Properties: { TopicName: `${options.prefix}-alarms`, KmsMasterKeyId: ref(operationsKey) },
    },
    AlarmTopicPolicy: {
      Type: "AWS::SNS::TopicPolicy",
      Properties: {
        Topics: [ref(alarmTopic)],
        PolicyDocument: policyDocument(
          publishers.map((publisher) =>
            statementFor(publisher, { Action: "sns:Publish", Resource: ref(alarmTopic) }),
          ),
        ),
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
