import { routes } from "../lib/http/wire.ts";
import { getAtt, ref, type Resources, retained, sub } from "./cloudformation.ts";
import { restApi } from "./api.ts";
import type { Options } from "./options.ts";
import { roleSettings } from "./roles.ts";

export const accessLogGroup = "AccessLogGroup";

/**
 * One line of JSON per request. Of its variables, only `userArn` can contain a quotation mark, and
 * only for an IAM user whose path has one. The user agent is in the audit record instead, which is
 * built by JSON.stringify. A variable without a value is logged as `-`.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
 */
const accessLogFormat = ({ prefix }: Options) =>
  JSON.stringify({
    // A dimension of the metrics that logs.ts counts.
    deployment: prefix,
    requestId: "$context.requestId",
    extendedRequestId: "$context.extendedRequestId",
    traceId: "$context.xrayTraceId",
    time: "$context.requestTimeEpoch",
    caller: "$context.identity.userArn",
    callerId: "$context.identity.user",
    accountId: "$context.identity.accountId",
    organizationId: "$context.identity.principalOrgId",
    sourceIp: "$context.identity.sourceIp",
    vpcEndpointId: "$context.identity.vpceId",
    method: "$context.httpMethod",
    route: "$context.resourcePath",
    status: "$context.status",
    gatewayError: "$context.error.responseType",
    responseLength: "$context.responseLength",
    latencyMs: "$context.responseLatency",
    functionLatencyMs: "$context.integration.latency",
    functionStatus: "$context.integration.status",
  });

/** The stage, its access log, and the role with which API Gateway writes it. */
export function stageResources(options: Options, deployment: string): Resources {
  const createsLogRole = options.apiGatewayLogRole === "create";
  return {
    Stage: {
      Type: "AWS::ApiGateway::Stage",
      Properties: {
        RestApiId: ref(restApi),
        DeploymentId: ref(deployment),
        StageName: options.stage,
        TracingEnabled: true,
        AccessLogSetting: { DestinationArn: getAtt(accessLogGroup, "Arn"), Format: accessLogFormat(options) },
        MethodSettings: methodSettings(options),
      },
      ...(createsLogRole && { DependsOn: ["ApiGatewayAccount"] }),
    },
    ...(createsLogRole && accountLogRole(options)),
  };
}

/** Each setting says everything, so that nothing depends on how API Gateway combines them. */
function methodSettings(options: Options) {
  const common = {
    HttpMethod: "*",
    ResourcePath: "/*",
    // Metrics per method are billed. Most alarms use the metrics of the stage, which are free.
    MetricsEnabled: false,
    ThrottlingRateLimit: options.throttlingRateLimit,
    ThrottlingBurstLimit: options.throttlingBurstLimit,
    // Execution logs with data tracing write whole response bodies: the tokens.
    LoggingLevel: "OFF",
    DataTraceEnabled: false,
  };
  if (!options.callsMethods) return [common];
  const { vendToken, callMethod } = routes;
  return [
    common,
    // The stage's latency then includes the platform's time. So the latency alarm uses the metric
    // of this route instead.
    {
      ...common,
      HttpMethod: vendToken.method,
      ResourcePath: escaped(vendToken.path),
      MetricsEnabled: true,
    },
    {
      ...common,
      HttpMethod: callMethod.method,
      ResourcePath: escaped(callMethod.path),
      ThrottlingRateLimit: options.callThrottlingRateLimit,
      ThrottlingBurstLimit: options.callThrottlingBurstLimit,
    },
  ];
}

/**
 * The form that CloudFormation requires for a path with more than one segment.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html
 */
const escaped = (path: string) => `/${path.replaceAll("/", "~1")}`;

/**
 * API Gateway writes the logs of all APIs of an account and region with one role. Without it, a
 * stage with an access log is refused. The role outlives the stack, because other APIs may use it.
 * If the account already has such a role, set `apiGatewayLogRole: existing`.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
 */
const accountLogRole = (options: Options): Resources => ({
  // A short logical id, so that the role's name begins with the whole prefix: see roleName. The
  // name cannot be fixed, because the role outlives the stack.
  LogRole: {
    Type: "AWS::IAM::Role",
    ...retained,
    Properties: {
      ...roleSettings(options),
      AssumeRolePolicyDocument: {
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Principal: { Service: "apigateway.amazonaws.com" }, Action: "sts:AssumeRole" },
        ],
      },
      // AWS's own policy for this role: it covers the log groups of every API of the account.
      ManagedPolicyArns: [
        sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"),
      ],
    },
  },
  ApiGatewayAccount: {
    Type: "AWS::ApiGateway::Account",
    ...retained,
    Properties: { CloudWatchRoleArn: getAtt("LogRole", "Arn") },
  },
});
