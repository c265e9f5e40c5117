/** Every metric of this product is found under it. */
export const METRIC_NAMESPACE = "VoximplantTokenVendor";

export interface Metric {
  readonly name: string;
  readonly unit: "Count" | "Seconds" | "Milliseconds";
  readonly value: number;
}

/**
 * The properties that make a JSON log line a CloudWatch metric as well.
 *
 * @param dimensionSets names of properties of the same line; keep their values bounded: each new one is a metric that is paid for
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export function embeddedMetrics(
  metrics: readonly Metric[],
  dimensionSets: readonly (readonly string[])[],
  now: number,
): Record<string, unknown> {
  const definitions = metrics.map(({ name, unit }) => ({ Name: name, Unit: unit }));
  return {
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [{ Namespace: METRIC_NAMESPACE, Dimensions: dimensionSets, Metrics: definitions }],
    },
    ...Object.fromEntries(metrics.map(({ name, value }) => [name, value])),
  };
}
