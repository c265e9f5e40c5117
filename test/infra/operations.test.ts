import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { METRIC_NAMESPACE, metricUnits } from "../../lib/audit/metrics.ts";
import { grantsOfTokens, sampleGrants, stackOf } from "./describe.ts";
import { property, resourcesOf } from "./promises.ts";

const stack = stackOf({ quietAlarmMinutes: "60" });
const alarms = resourcesOf(stack, "AWS::CloudWatch::Alarm").map(([, { Properties = {} }]) => Properties);
const alarm = (name: string) =>
  alarms.find((entry) => entry["AlarmName"] === `voximplant-token-vendor-dev-${name}`);

describe("the alarms", () => {
  it.each([
    ["errors", "function-errors", { MetricName: "Errors", Statistic: "Sum", Threshold: 1 }],
    ["throttles of Lambda", "function-throttles", { MetricName: "Throttles", Threshold: 1 }],
    ["throttles of the stage", "gateway-throttles", { MetricName: "GatewayThrottled", Threshold: 1 }],
    ["5xx", "server-errors", { MetricName: "5XXError", Statistic: "Average", Threshold: 0.05 }],
    ["latency", "latency", { MetricName: "Latency", ExtendedStatistic: "p99", Threshold: 2000 }],
    ["a burst of refusals", "refusals", { MetricName: "Refusals", Statistic: "Sum", Threshold: 20 }],
    [
      "a burst of API Gateway's refusals",
      "gateway-refusals",
      { MetricName: "GatewayRefusals", Threshold: 20 },
    ],
    ["keys served stale", "key-served-stale", { MetricName: "KeyServedStale", Threshold: 1 }],
    ["no key", "key-unavailable", { MetricName: "KeyUnavailable", Threshold: 1 }],
    ["a key of another account", "wrong-account", { MetricName: "WrongAccountKey", Threshold: 1 }],
    ["a failed rotation", "rotation-failed", { MetricName: "RotationFailed", Threshold: 1 }],
    ["a rotation function that crashes", "rotation-errors", { MetricName: "Errors", Threshold: 1 }],
    ["an unknown key", "unknown-keys", { MetricName: "UnknownKeys", Statistic: "Maximum", Threshold: 1 }],
    ["changed roles", "roles-changed", { MetricName: "RolesChanged", Statistic: "Maximum", Threshold: 1 }],
    ["an orphan or a stray", "orphan-keys", { MetricName: "OrphanKeys", Statistic: "Maximum", Threshold: 1 }],
    ["a late rotation or replica", "key-life-overdue", { MetricName: "KeyLifeOverdue", Threshold: 1 }],
    [
      "a current key that is refused or gone",
      "current-key-missing",
      { MetricName: "CurrentKeyMissing", Threshold: 1 },
    ],
    ["a reconciliation that fails", "reconciliation-errors", { MetricName: "Errors" }],
    ["a reconciliation that does not run", "reconciliation-silent", { TreatMissingData: "breaching" }],
    ["a function for calls that crashes", "call-errors", { MetricName: "Errors", Statistic: "Sum" }],
    ["throttles of the function for calls", "call-throttles", { MetricName: "Throttles", Threshold: 1 }],
    [
      "a platform that is not there, but not on one lost answer",
      "platform-unavailable",
      { MetricName: "PlatformUnavailable", Threshold: 1, DatapointsToAlarm: 2, EvaluationPeriods: 3 },
    ],
    [
      "a slow platform",
      "platform-latency",
      { MetricName: "PlatformLatencyMs", ExtendedStatistic: "p99", Threshold: 10_000 },
    ],
    [
      "no call where calls are expected",
      "quiet",
      { MetricName: "Count", Period: 3600, TreatMissingData: "breaching" },
    ],
  ])("notify on %s", (_, name, properties) => {
    expect(alarm(name)).toMatchObject(properties);
  });

  it("all notify the one topic, also when they end", () => {
    const topic = [{ Ref: "AlarmTopic" }];
    for (const entry of alarms) expect(entry).toMatchObject({ AlarmActions: topic, OKActions: topic });
  });

  it("name a heading of the runbook that exists", () => {
    const runbook = readFileSync(resolve(import.meta.dirname, "../../docs/runbook.md"), "utf8");
    const headings = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) =>
      text
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const entry of alarms) {
      const [, anchor] = /docs\/runbook\.md#([a-z-]+)$/.exec(String(entry["AlarmDescription"])) ?? [];
      expect(headings).toContain(anchor);
    }
  });

  // Each writer must give a value for each metric of its own: test/audit/metrics.test.ts.
  it("watch metrics that some function writes", () => {
    const written = Object.values(metricUnits).flatMap((units) => Object.keys(units));
    for (const entry of alarms) {
      if (entry["Namespace"] === METRIC_NAMESPACE) expect(written).toContain(entry["MetricName"]);
    }
  });

  it("watch how long a token takes, apart from what the platform takes where methods are called", () => {
    const dimensions = (one: typeof stack) =>
      Object.fromEntries(
        (property(one.Resources["AlarmLatency"], "Dimensions") as { Name: string; Value: string }[]).map(
          ({ Name, Value }) => [Name, Value],
        ),
      );
    const api = { ApiName: "voximplant-token-vendor-dev", Stage: "dev" };
    expect(dimensions(stackOf({}, { grants: grantsOfTokens }))).toEqual(api);
    expect(dimensions(stack)).toEqual({
      ...api,
      Method: "POST",
      Resource: "/v1/service-accounts/{serviceAccount}/token",
    });
  });

  it("take the limit of the platform's latency from its parameter, up to what a call may take", () => {
    const { Resources } = stackOf({ platformLatencyAlarmMilliseconds: "1500" });
    expect(property(Resources["AlarmPlatformLatency"], "Threshold")).toBe(1500);
    expect(() => stackOf({ platformLatencyAlarmMilliseconds: "25001" })).toThrow("platformLatency");
  });

  it("watch for silence only where calls are expected", () => {
    expect(stackOf().Resources).not.toHaveProperty("AlarmQuiet");
  });

  it("use an encrypted topic to which only this account's alarms may publish", () => {
    expect(property(stack.Resources["AlarmTopic"], "KmsMasterKeyId")).toEqual({ Ref: "OperationsKey" });
    const statements = property(stack.Resources["AlarmTopicPolicy"], "PolicyDocument", "Statement");
    expect(statements).toMatchObject([
      {
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: "sns:Publish",
        Condition: { StringEquals: { "aws:SourceAccount": { Ref: "AWS::AccountId" } } },
      },
    ]);
  });

  it("notify an e-mail address if one is set", () => {
    expect(stackOf({ alarmEmail: "oncall@example.com" }).Resources["AlarmEmail"]?.Properties).toMatchObject({
      Protocol: "email",
      Endpoint: "oncall@example.com",
    });
  });
});

/** In a template that JSON has: the functions by their role, the alarms by what they watch. */
function watched(template: ReturnType<typeof stackOf>) {
  const functions = Object.keys(metricUnits).filter((name) => {
    const role = `${name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())}Role`;
    return name === "access-log" || role in template.Resources;
  });
  const emitted = new Set(
    Object.entries(metricUnits).flatMap(([name, units]) =>
      functions.includes(name) ? Object.keys(units) : [],
    ),
  );
  return resourcesOf(template, "AWS::CloudWatch::Alarm").map(([id, { Properties = {} }]) => {
    const dimensions = Properties["Dimensions"] as readonly { Name: string; Value: string }[];
    const lambda = dimensions.find(({ Name }) => Name === "FunctionName")?.Value;
    return {
      id,
      isWritten:
        Properties["Namespace"] === METRIC_NAMESPACE
          ? emitted.has(String(Properties["MetricName"]))
          : lambda === undefined || functions.some((name) => lambda.endsWith(`-${name}`)),
    };
  });
}

it.each([
  ["with grants of methods", stackOf({ quietAlarmMinutes: "60" })],
  ["with grants of tokens alone", stackOf({}, { grants: grantsOfTokens })],
  ["in a secondary region", stackOf({ primaryRegion: "us-east-1" }, { region: "eu-west-1" })],
])("no alarm %s watches a metric that nothing writes", (_, template) => {
  const alarmsHere = watched(template);
  expect(alarmsHere.length).toBeGreaterThan(5);
  expect(alarmsHere.filter(({ isWritten }) => !isWritten)).toEqual([]);
});

describe("the logs", () => {
  const groups = (values: Readonly<Record<string, string>>) =>
    resourcesOf(stackOf(values), "AWS::Logs::LogGroup").map(([, { Properties }]) => Properties);

  it("are kept for 90 days, or as long as is configured", () => {
    for (const group of groups({})) expect(group).toMatchObject({ RetentionInDays: 90 });
    for (const group of groups({ logRetentionDays: "365" }))
      expect(group).toMatchObject({ RetentionInDays: 365 });
  });

  it("are encrypted by our own key if that is configured, and CloudWatch Logs may use the key for these logs only", () => {
    for (const group of groups({ encryptLogs: "true" })) {
      expect(group).toMatchObject({ KmsKeyId: { "Fn::GetAtt": ["OperationsKey", "Arn"] } });
    }
    for (const group of groups({})) expect(group).not.toHaveProperty("KmsKeyId");
    expect(JSON.stringify(stackOf({ encryptLogs: "true" }).Resources["OperationsKey"])).toContain(
      "kms:EncryptionContext:aws:logs:arn",
    );
  });

  it.each([
    { encryptLogs: "true", retainLogs: "true" },
    { encryptLogs: "true", retainLogs: "false" },
  ])("can be read after the stack is gone, because their key stays: %o", (values) => {
    const { Resources } = stackOf(values);
    const keys = resourcesOf(stackOf(values), "AWS::Logs::LogGroup").map(
      ([, { Properties = {} }]) => (Properties["KmsKeyId"] as { "Fn::GetAtt": [string] })["Fn::GetAtt"][0],
    );
    expect(new Set(keys).size).toBe(1);
    for (const key of keys) expect(Resources[key]).toMatchObject({ DeletionPolicy: "RetainExceptOnCreate" });
  });

  it("keep that key too if encryption is switched off again and the logs are kept", () => {
    const { Resources } = stackOf({ encryptLogs: "false", retainLogs: "true" });
    expect(Resources["OperationsKey"]).toMatchObject({ DeletionPolicy: "RetainExceptOnCreate" });
  });

  it("send their audit records, and nothing else, to a destination in another account", () => {
    const auditDestinationArn = "arn:aws:logs:us-east-1:999988887777:destination:audit";
    const filters = resourcesOf(stackOf({ auditDestinationArn }), "AWS::Logs::SubscriptionFilter");
    expect(filters).toHaveLength(4);
    for (const [, filter] of filters) {
      expect(filter.Properties).toMatchObject({
        DestinationArn: auditDestinationArn,
        FilterPattern: '{ $.type = "audit" }',
      });
    }
  });
});

describe("two stages in one account and region", () => {
  it("share no secret if the grants contain the stage's name", () => {
    const grants = sampleGrants.replaceAll("secret: voximplant/", "secret: voximplant/${stage}/");
    const names = (stage: string) =>
      resourcesOf(stackOf({}, { stage, grants }), "AWS::SecretsManager::Secret").map(
        ([, { Properties }]) => Properties?.["Name"],
      );
    expect(names("dev")).toEqual(["voximplant/dev/call-history", "voximplant/dev/outbound-calls"]);
    expect(names("prod")).toEqual(["voximplant/prod/call-history", "voximplant/prod/outbound-calls"]);
  });

  it("share no resource name", () => {
    const grants = sampleGrants.replaceAll("secret: voximplant/", "secret: voximplant/${stage}/");
    const namesIn = (stage: string) =>
      Object.values(stackOf({}, { stage, grants }).Resources).flatMap(({ Type, Properties = {} }) =>
        Object.entries(Properties)
          // These two are named within their API.
          .filter(() => !/^AWS::ApiGateway::(?:Model|RequestValidator)$/.test(Type))
          .filter(
            ([property]) => /^(?:\w*Name|Name)$/.test(property) && !/^(?:Metric|Policy)Name$/.test(property),
          )
          .flatMap(([, value]) => (typeof value === "string" ? [value] : [])),
      );
    const dev = namesIn("dev");
    expect(dev.length).toBeGreaterThan(20);
    expect(dev.filter((name) => namesIn("prod").includes(name))).toEqual([]);
  });

  const metricsOf = (stage: string) => {
    const { Resources } = stackOf({}, { stage });
    const alarms = Object.values(Resources).filter(({ Type }) => Type === "AWS::CloudWatch::Alarm");
    return alarms.map(({ Properties }) =>
      JSON.stringify([Properties?.["Namespace"], Properties?.["MetricName"], Properties?.["Dimensions"]]),
    );
  };

  it("share no metric that an alarm watches", () => {
    const dev = metricsOf("dev");
    expect(dev.length).toBeGreaterThan(15);
    expect(dev.filter((metric) => metricsOf("prod").includes(metric))).toEqual([]);
  });

  it("count API Gateway's refusals separately, because the access log names the deployment", () => {
    const { Resources } = stackOf({}, { stage: "prod" });
    const filters = Object.values(Resources).filter(({ Type }) => Type === "AWS::Logs::MetricFilter");
    expect(filters).toHaveLength(2);
    for (const filter of filters) {
      expect(property(filter, "MetricTransformations")).toMatchObject([
        { Dimensions: [{ Key: "Deployment", Value: "$.deployment" }] },
      ]);
    }
    const format = String(property(Resources["Stage"], "AccessLogSetting", "Format"));
    expect(JSON.parse(format)).toMatchObject({ deployment: "voximplant-token-vendor-prod" });
  });
});

describe("the dashboard", () => {
  interface Widget {
    readonly properties: {
      readonly title: string;
      readonly query?: string;
      readonly metrics?: readonly unknown[][];
    };
  }
  const body = String(property(stack.Resources["Dashboard"], "DashboardBody", "Fn::Sub"));
  const { widgets } = JSON.parse(body) as { widgets: readonly Widget[] };
  const widget = (title: string) => widgets.find(({ properties }) => properties.title === title)?.properties;

  it("shows tokens by caller and service account, and refusals by reason", () => {
    expect(widget("Who gets how many tokens for what")?.query).toMatch(/by principal, service_account/);
    expect(widget("Refusals by reason and principal")?.query).toMatch(/by reason, principal/);
  });

  it.each([
    ["Tokens by service account", "TokensVended"],
    ["Age of the signing key in seconds, since it was put into its secret", "KeyAgeSeconds"],
  ])("has a line per service account in %s", (title, name) => {
    expect(widget(title)?.metrics?.map(([, metric, , , , account]) => [metric, account])).toEqual([
      [name, "outbound-calls"],
      [name, "call-history"],
    ]);
  });

  it("shows calls by service account, of those alone that have a grant of methods", () => {
    const [first, ...others] = widget("Calls of methods by service account")?.metrics ?? [];
    expect([first?.[1], first?.[5], others]).toEqual(["MethodsCalled", "outbound-calls", []]);
    expect(widget("Calls of methods by principal")?.query).toMatch(
      /^SOURCE '\/aws\/lambda\/voximplant-token-vendor-dev-call-method' \| .*platform_method/,
    );
  });

  it("asks both functions for refusals", () => {
    const sources = widget("Refusals by reason and principal")?.query?.match(/SOURCE '[^']+'/g);
    expect(sources).toEqual([
      "SOURCE '/aws/lambda/voximplant-token-vendor-dev-vend-token'",
      "SOURCE '/aws/lambda/voximplant-token-vendor-dev-call-method'",
    ]);
    expect(property(stack.Resources["QueryRefusalsByReason"], "LogGroupNames")).toHaveLength(2);
  });

  it("shows latency and every alarm", () => {
    expect(widget("Latency in milliseconds")).toBeDefined();
    expect(body.match(/:alarm:/g)).toHaveLength(alarms.length);
  });
});
