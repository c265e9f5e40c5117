import { METRIC_NAMESPACE, type MetricName, metricUnits } from "../lib/audit/metrics.ts";
import { getAtt, ref, type Resource, type Resources, retained } from "./cloudformation.ts";
import { type FunctionName, functionsOf, logGroupName, logGroupOf } from "./names.ts";
import { operationsKey } from "./operations.ts";
import type { Options } from "./options.ts";
import { accessLogGroup } from "./stage.ts";

/** The log groups, their retention, and the metrics and records that are read from them. */
export function logResources(options: Options): Resources {
  const functions = functionsOf(options);
  return {
    ...Object.fromEntries(
      functions.map((name) => [logGroupOf(name), logGroup(logGroupName(name, options), options)]),
    ),
    [accessLogGroup]: logGroup(`/aws/apigateway/${options.prefix}/access`, options),
    ...accessMetrics({
      GatewayRefusals: '{ ($.status = "403") && ($.gatewayError != "-") }',
      GatewayThrottled: '{ ($.status = "429") && ($.gatewayError != "-") }',
    }),
    ...auditSubscriptions(functions, options),
  };
}

const logGroup = (name: string, options: Options): Resource => ({
  Type: "AWS::Logs::LogGroup",
  ...(options.retainLogs && retained),
  Properties: {
    LogGroupName: name,
    RetentionInDays: options.logRetentionDays,
    ...(options.encryptLogs && { KmsKeyId: getAtt(operationsKey, "Arn") }),
  },
});

type AccessMetric = MetricName<"access-log">;

/**
 * Counts requests that API Gateway itself refuses. They never reach the function, so they are only
 * in the access log and have no audit record.
 */
function accessMetrics(patterns: Readonly<Record<AccessMetric, string>>): Resources {
  const names = Object.keys(patterns) as AccessMetric[];
  const transformation = { MetricNamespace: METRIC_NAMESPACE, MetricValue: "1" };
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        Type: "AWS::Logs::MetricFilter",
        Properties: {
          LogGroupName: ref(accessLogGroup),
          FilterPattern: patterns[name],
          MetricTransformations: [
            {
              ...transformation,
              MetricName: name,
              Unit: metricUnits["access-log"][name],
              Dimensions: [{ Key: "Deployment", Value: "$.deployment" }],
            },
          ],
        },
      },
    ]),
  );
}

/**
 * Sends the audit records, and nothing else of the functions' logs, to a destination that a
 * security account owns. No one in the vendor's account can delete a record there.
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
