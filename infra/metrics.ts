import { METRIC_NAMESPACE, type MetricByServiceAccount, type MetricName } from "../lib/audit/metrics.ts";
import { routes } from "../lib/http/wire.ts";
import { type FunctionName, functionName } from "./names.ts";
import type { Options } from "./options.ts";

/** A metric as an alarm or a widget of the dashboard names it. */
export interface MetricSource {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html */
type LambdaMetric = "Errors" | "Throttles" | "Invocations";

/** @see https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html */
type ApiMetric = "5XXError" | "Count" | "Latency";

export const metric = {
  /** Written by the functions, or counted by logs.ts in the access log. */
  own: (name: MetricName, { prefix }: Pick<Options, "prefix">): MetricSource => ({
    namespace: METRIC_NAMESPACE,
    name,
    dimensions: { Deployment: prefix },
  }),
  ofServiceAccount: (
    name: MetricByServiceAccount,
    { prefix }: Pick<Options, "prefix">,
    serviceAccount: string,
  ): MetricSource => ({
    namespace: METRIC_NAMESPACE,
    name,
    dimensions: { Deployment: prefix, service_account: serviceAccount },
  }),
  lambda: (name: LambdaMetric, fn: FunctionName, options: Options): MetricSource => ({
    namespace: "AWS/Lambda",
    name,
    dimensions: { FunctionName: functionName(fn, options) },
  }),
  api: (
    name: ApiMetric,
    { prefix, stage }: Options,
    dimensions: MetricSource["dimensions"] = {},
  ): MetricSource => ({
    namespace: "AWS/ApiGateway",
    name,
    dimensions: { ApiName: prefix, ...dimensions, Stage: stage },
  }),
};

/**
 * The metric of how long callers wait for a token. If a grant has methods, the stage's metric also
 * includes the platform's time. Then the metric of the route is used instead. stage.ts switches
 * that metric on.
 */
export function tokenLatency(options: Options): MetricSource {
  const { method, path } = routes.vendToken;
  return metric.api("Latency", options, options.callsMethods ? { Method: method, Resource: path } : {});
}
