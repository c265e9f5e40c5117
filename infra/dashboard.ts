import type { MetricByServiceAccount } from "../lib/audit/metrics.ts";
import { serviceAccountsFor, type Policy } from "../lib/grants/policy.ts";
import { alarms } from "./alarms.ts";
import { type Resources, sub } from "./cloudformation.ts";
import { type MetricSource, metric, tokenLatency } from "./metrics.ts";
import { functionsOf, type KeyReader, keyReadersOf, logGroupName } from "./names.ts";
import type { Options } from "./options.ts";
import { callQueries, queries } from "./queries.ts";

/** A grid of 24 columns: rows of three widgets, and the alarms above them. */
const third = 8;
const height = 7;
const alarmHeight = 4;

type Series = readonly [source: MetricSource, statistic: string, label: string];

/**
 * The dashboard: tokens by principal and service account, refusals by reason, latency, key age. It
 * has one line per service account of the grants. A new service account appears after the next
 * deployment.
 */
export function dashboardResources(policy: Policy, options: Options): Resources {
  const perAccount = (
    name: MetricByServiceAccount,
    statistic: string,
    accounts = policy.serviceAccounts,
  ): Series[] =>
    accounts.map(({ name: account }) => [
      metric.ofServiceAccount(name, options, account),
      statistic,
      account,
    ]);
  const metricsWidget = (title: string, series: readonly Series[]): Widget => ({
    type: "metric",
    properties: {
      title,
      region: options.region,
      view: "timeSeries",
      period: 300,
      metrics: series.map(([source, stat, label]) => [
        source.namespace,
        source.name,
        ...Object.entries(source.dimensions).flat(),
        { stat, label },
      ]),
    },
  });
  const logWidget = (title: string, query: string, functions: readonly KeyReader[]): Widget => ({
    type: "log",
    properties: {
      title,
      region: options.region,
      view: "table",
      query: `${functions.map((name) => `SOURCE '${logGroupName(name, options)}'`).join(" | ")} | ${query}`,
    },
  });
  // Both functions write LatencyMs, with the same dimension.
  const functionsShown = options.callsMethods ? "functions, with calls" : "function";
  const places = place([
    metricsWidget("Tokens by service account", perAccount("TokensVended", "Sum")),
    logWidget("Who gets how many tokens for what", queries["tokens by principal"], ["vend-token"]),
    logWidget("Refusals by reason and principal", queries["refusals by reason"], keyReadersOf(options)),
    metricsWidget("Refusals", [
      [metric.own("Refusals", options), "Sum", "by the function"],
      [metric.own("GatewayRefusals", options), "Sum", "by API Gateway"],
      [metric.own("GatewayThrottled", options), "Sum", "throttled"],
    ]),
    metricsWidget("Latency in milliseconds", [
      [tokenLatency(options), "p50", "API, median"],
      [tokenLatency(options), "p99", "API, p99"],
      [metric.own("LatencyMs", options), "p50", `${functionsShown}, median`],
      [metric.own("LatencyMs", options), "p99", `${functionsShown}, p99`],
    ]),
    metricsWidget(
      "Age of the signing key in seconds, since it was put into its secret",
      perAccount("KeyAgeSeconds", "Maximum"),
    ),
    metricsWidget("Keys and faults", [
      [metric.own("KeyServedStale", options), "Sum", "served stale"],
      [metric.own("KeyUnavailable", options), "Sum", "unavailable"],
      [metric.own("WrongAccountKey", options), "Sum", "of another account"],
      [metric.own("Errors", options), "Sum", "errors"],
      [metric.lambda("Errors", "vend-token", options), "Sum", "crashes"],
      [metric.lambda("Throttles", "vend-token", options), "Sum", "Lambda throttles"],
    ]),
    ...(options.callsMethods
      ? [
          metricsWidget(
            "Calls of methods by service account",
            perAccount("MethodsCalled", "Sum", serviceAccountsFor("calls", policy)),
          ),
          logWidget("Calls of methods by principal", callQueries["calls by principal"], ["call-method"]),
          logWidget("Errors of calls", callQueries["errors of calls"], ["call-method"]),
          metricsWidget("Voximplant's answers in milliseconds", [
            [metric.own("PlatformLatencyMs", options), "p50", "median"],
            [metric.own("PlatformLatencyMs", options), "p99", "p99"],
          ]),
          metricsWidget("Faults of calls", [
            [metric.own("PlatformUnavailable", options), "Sum", "Voximplant unavailable"],
            [metric.lambda("Errors", "call-method", options), "Sum", "crashes"],
            [metric.lambda("Throttles", "call-method", options), "Sum", "Lambda throttles"],
          ]),
        ]
      : []),
    ...(functionsOf(options).includes("reconcile-keys")
      ? [
          metricsWidget("Keys at Voximplant", [
            [metric.own("UnknownKeys", options), "Maximum", "unknown"],
            [metric.own("OrphanKeys", options), "Maximum", "orphans and strays"],
            [metric.own("CurrentKeyMissing", options), "Maximum", "current, not accepted"],
            [metric.own("KeyLifeOverdue", options), "Maximum", "overdue"],
            [metric.own("KeysRetired", options), "Sum", "retired"],
            [metric.own("RotationFailed", options), "Sum", "failed rotations"],
          ]),
        ]
      : []),
  ]);
  return {
    Dashboard: {
      Type: "AWS::CloudWatch::Dashboard",
      Properties: {
        DashboardName: `${options.prefix}-${options.region}`,
        // Fn::Sub for the account in the alarms' ARNs.
        DashboardBody: sub(JSON.stringify({ widgets: [alarmWidget(options), ...places] })),
      },
    },
  };
}

interface Widget {
  readonly type: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

const place = (widgets: readonly Widget[]) =>
  widgets.map((widget, index) => ({
    ...widget,
    x: (index % 3) * third,
    y: alarmHeight + Math.floor(index / 3) * height,
    width: third,
    height,
  }));

const alarmWidget = (options: Options) => ({
  type: "alarm",
  x: 0,
  y: 0,
  width: 3 * third,
  height: alarmHeight,
  properties: {
    title: "Alarms",
    alarms: Object.keys(alarms(options)).map(
      (name) =>
        `arn:\${AWS::Partition}:cloudwatch:\${AWS::Region}:\${AWS::AccountId}:alarm:${options.prefix}-${name}`,
    ),
  },
});
