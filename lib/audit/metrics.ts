import type { EpochMs } from "../epoch.ts";

/** All metrics are in this CloudWatch namespace. */
export const METRIC_NAMESPACE = "VoximplantTokenVendor";

/**
 * Every metric with its unit, grouped by writer. The types require each writer to list all of its
 * metrics, so an alarm cannot watch a metric that nothing writes.
 */
export const metricUnits = {
  "vend-token": {
    LatencyMs: "Milliseconds",
    TokensVended: "Count",
    Refusals: "Count",
    KeyUnavailable: "Count",
    Errors: "Count",
    WrongAccountKey: "Count",
    KeyServedStale: "Count",
    KeyAgeSeconds: "Seconds",
  },
  "call-method": {
    LatencyMs: "Milliseconds",
    MethodsCalled: "Count",
    Refusals: "Count",
    KeyUnavailable: "Count",
    Errors: "Count",
    WrongAccountKey: "Count",
    KeyServedStale: "Count",
    KeyAgeSeconds: "Seconds",
    PlatformUnavailable: "Count",
    PlatformLatencyMs: "Milliseconds",
  },
  "rotate-key": { RotationFailed: "Count" },
  "reconcile-keys": {
    UnknownKeys: "Count",
    OrphanKeys: "Count",
    KeysRetired: "Count",
    RolesChanged: "Count",
    CurrentKeyMissing: "Count",
    KeyLifeOverdue: "Count",
    WrongAccountKey: "Count",
    ReconciliationFailed: "Count",
  },
  /** Counted by CloudWatch Logs in API Gateway's access log: see infra/logs.ts. */
  "access-log": { GatewayRefusals: "Count", GatewayThrottled: "Count" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, "Count" | "Seconds" | "Milliseconds">>>>;

/**
 * The metrics that are also counted for each service account: the log line has the property
 * `service_account`. AWS charges for each value of a dimension as if it were one more metric. So
 * only metrics that the dashboard shows are listed here.
 */
export const metricsByServiceAccount = {
  "vend-token": ["TokensVended", "KeyAgeSeconds"],
  "call-method": ["MethodsCalled", "KeyAgeSeconds"],
} as const satisfies { readonly [Writer in MetricWriter]?: readonly MetricName<Writer>[] };

export type MetricByServiceAccount =
  (typeof metricsByServiceAccount)[keyof typeof metricsByServiceAccount][number];

export type MetricWriter = keyof typeof metricUnits;

/** The name of a metric, of all writers or of one. */
export type MetricName<Writer extends MetricWriter = MetricWriter> = Writer extends MetricWriter
  ? keyof (typeof metricUnits)[Writer]
  : never;

/** A value for each metric of a writer; undefined where there is nothing to count this time. */
export type MetricValues<Writer extends MetricWriter> = Readonly<
  Record<MetricName<Writer>, number | undefined>
>;

/**
 * The properties that make a JSON log line a CloudWatch metric as well. Every metric has the
 * dimension `Deployment`: two stages may share an account and a region.
 *
 * @param byServiceAccount see {@link metricsByServiceAccount}
 * @param deployment `<service>-<stage>`, or `local`
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export function embeddedMetrics<Writer extends MetricWriter>(
  writer: Writer,
  values: MetricValues<Writer>,
  byServiceAccount: readonly MetricName<Writer>[],
  deployment: string,
  now: EpochMs,
): Partial<Record<MetricName<Writer>, number>> & { readonly Deployment: string; readonly _aws: object } {
  const units: Readonly<Record<string, string>> = metricUnits[writer];
  const definitions = (Object.keys(values) as MetricName<Writer>[])
    .filter((name) => values[name] !== undefined)
    .map((name) => ({ Name: name, Unit: units[name] }));
  const detailed = definitions.filter(({ Name }) => byServiceAccount.includes(Name));
  const directive = (Dimensions: readonly string[], Metrics: typeof definitions) => ({
    Namespace: METRIC_NAMESPACE,
    Dimensions: [Dimensions],
    Metrics,
  });
  return {
    // JSON.stringify leaves out undefined values.
    ...(values as Partial<Record<MetricName<Writer>, number>>),
    Deployment: deployment,
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [
        directive(["Deployment"], definitions),
        ...(detailed.length > 0 ? [directive(["Deployment", "service_account"], detailed)] : []),
      ],
    },
  };
}
