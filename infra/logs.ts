import { METRIC_NAMESPACE } from "../lib/audit/metrics.ts";
import { getAtt, ref, type Resource, type Resources } from "./cloudformation.ts";
import { type FunctionName, functionsOf, logGroupName, logGroupOf } from "./names.ts";
import { operationsKey } from "./operations.ts";
import type { Options } from "./options.ts";
import { accessLogGroup } from "./stage.ts";

/** The log groups, how long they keep, and what is read out of them. */
export function logResources(options: Options): Resources {
  const functions = functionsOf(options);
  return {
    ...Object.fromEntries(
      functions.map((name) => [logGroupOf(name), logGroup(logGroupName(name, options), options)]),
    ),
    [accessLogGroup]: logGroup(`/aws/apigateway/${options.prefix}/access`, options),
    // What API Gateway refuses never reaches the function, so no audit record counts it; its access log does.
    GatewayRefusals: accessMetric("GatewayRefusals", '{ ($.status = "403") && ($.gatewayError != "-") }'),
    GatewayThrottled: accessMetric("GatewayThrottled", '{ $.status = "429" }'),
    ...auditSubscriptions(functions, options),
  };
}

const logGroup = (name: string, options: Options): Resource => ({
  Type: "AWS::Logs::LogGroup",
  Properties: {
    LogGroupName: name,
    RetentionInDays: options.logRetentionDays,
    ...(options.encryptLogs && { KmsKeyId: getAtt(operationsKey, "Arn") }),
  },
});

const accessMetric = (name: string, pattern: string): Resource => ({
  Type: "AWS::Logs::MetricFilter",
  Properties: {
    LogGroupName: ref(accessLogGroup),
    FilterPattern: pattern,
    MetricTransformations: [
      { MetricNamespace: METRIC_NAMESPACE, MetricName: name, MetricValue: "1", Unit: "Count" },
    ],
  },
});

/**
 * Sends the audit records, and nothing else of the functions' logs, to a destination that a security account owns.
 * Nobody in this account can take a record back once it is there.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CrossAccountSubscriptions.html
 */
function auditSubscriptions(functions: readonly FunctionName[], options: Options): Resources {
  if (options.auditDestinationArn === undefined) return {};
  return Object.fromEntries(
    functions.map((name) => [
      `${logGroupOf(name)}Audit`,
      {
        Type: "AWS::Logs::SubscriptionFilter",
        Properties: {
          LogGroupName: ref(logGroupOf(name)),
          DestinationArn: options.auditDestinationArn,
          FilterPattern: '{ $.type = "audit" }',
        },
      },
    ]),
  );
}
