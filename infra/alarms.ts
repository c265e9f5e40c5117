import type { Resource, Resources } from "./cloudformation.ts";
import { type MetricSource, metric, tokenLatency } from "./metrics.ts";
import { functionsOf } from "./names.ts";
import { topicArn } from "./operations.ts";
import type { Options } from "./options.ts";

interface Alarm {
  /** The heading of docs/runbook.md that says what to do. */
  readonly runbook: string;
  readonly meaning: string;
  readonly metric: MetricSource;
  readonly statistic: "Sum" | "Average" | "Maximum" | "p99";
  readonly comparison?: "LessThanThreshold";
  readonly threshold: number;
  /** 300 unless said otherwise. */
  readonly periodSeconds?: number;
  /** How many of how many periods must breach the threshold. Default: 1 of 1. */
  readonly periods?: readonly [breaching: number, looked: number];
  /** How missing data is treated. Default: as not breaching. */
  readonly silence?: "breaching" | "ignore";
}

/** The alarms by name. Thresholds that depend on the traffic are parameters. */
export function alarms(options: Options): Readonly<Record<string, Alarm>> {
  return {
    "function-errors": {
      runbook: "function-errors",
      meaning: "The vending function crashed or ran out of time.",
      metric: metric.lambda("Errors", "vend-token", options),
      statistic: "Sum",
      threshold: 1,
    },
    "function-throttles": {
      runbook: "throttles",
      meaning: "Lambda had no concurrency left for the vending function.",
      metric: metric.lambda("Throttles", "vend-token", options),
      statistic: "Sum",
      threshold: 1,
    },
    "gateway-throttles": {
      runbook: "throttles",
      meaning: "Requests were over the stage's rate or burst limit and got 429.",
      metric: metric.own("GatewayThrottled", options),
      statistic: "Sum",
      threshold: 1,
    },
    "server-errors": {
      runbook: "server-errors",
      meaning: "At least one request in twenty ended with a 5xx.",
      metric: metric.api("5XXError", options),
      statistic: "Average",
      threshold: 0.05,
      periods: [2, 3],
    },
    latency: {
      runbook: "latency",
      meaning: `The slowest hundredth of the requests${options.callsMethods ? " for tokens" : ""} took ${options.latencyAlarmMilliseconds} ms or more.`,
      metric: tokenLatency(options),
      statistic: "p99",
      threshold: options.latencyAlarmMilliseconds,
      periods: [3, 3],
    },
    refusals: {
      runbook: "refusals",
      meaning: `The function refused at least ${options.refusalsAlarmCount} requests within five minutes.`,
      metric: metric.own("Refusals", options),
      statistic: "Sum",
      threshold: options.refusalsAlarmCount,
    },
    "gateway-refusals": {
      runbook: "refusals",
      meaning: `API Gateway refused at least ${options.refusalsAlarmCount} requests within five minutes: signature, IAM or resource policy.`,
      metric: metric.own("GatewayRefusals", options),
      statistic: "Sum",
      threshold: options.refusalsAlarmCount,
    },
    "key-served-stale": {
      runbook: "key-served-stale",
      meaning:
        "Secrets Manager does not answer; tokens are signed with a key that should have been refreshed.",
      metric: metric.own("KeyServedStale", options),
      statistic: "Sum",
      threshold: 1,
    },
    "key-unavailable": {
      runbook: "key-unavailable",
      meaning: "No signing key was available: callers got 503 and no token.",
      metric: metric.own("KeyUnavailable", options),
      statistic: "Sum",
      threshold: 1,
    },
    "wrong-account": {
      runbook: "wrong-account",
      meaning:
        "A secret holds a key of another Voximplant account than grants.yml names: callers got 500 and no token.",
      metric: metric.own("WrongAccountKey", options),
      statistic: "Sum",
      threshold: 1,
    },
    ...(options.quietAlarmMinutes !== undefined && {
      quiet: {
        runbook: "quiet",
        meaning: `No request at all for ${options.quietAlarmMinutes} minutes.`,
        metric: metric.api("Count", options),
        statistic: "Sum",
        comparison: "LessThanThreshold",
        threshold: 1,
        periodSeconds: options.quietAlarmMinutes * 60,
        silence: "breaching",
      },
    }),
    ...(options.callsMethods && callAlarms(options)),
    ...(functionsOf(options).includes("reconcile-keys") && keyAlarms(options)),
  };
}

function callAlarms(options: Options): Readonly<Record<string, Alarm>> {
  const milliseconds = options.platformLatencyAlarmMilliseconds;
  return {
    "call-errors": {
      runbook: "call-errors",
      meaning: "The function that calls methods crashed or ran out of time. A call may have taken effect.",
      metric: metric.lambda("Errors", "call-method", options),
      statistic: "Sum",
      threshold: 1,
    },
    "call-throttles": {
      runbook: "throttles",
      meaning: "Lambda had no concurrency left for the function that calls methods.",
      metric: metric.lambda("Throttles", "call-method", options),
      statistic: "Sum",
      threshold: 1,
    },
    "platform-unavailable": {
      runbook: "platform-unavailable",
      meaning: "Voximplant could not be reached, or did not answer a call of a method.",
      metric: metric.own("PlatformUnavailable", options),
      statistic: "Sum",
      threshold: 1,
      // One slow answer is no outage.
      periods: [2, 3],
    },
    "platform-latency": {
      runbook: "platform-latency",
      meaning: `The slowest hundredth of Voximplant's answers took ${milliseconds} ms or more.`,
      metric: metric.own("PlatformLatencyMs", options),
      statistic: "p99",
      threshold: milliseconds,
      periods: [3, 3],
    },
  };
}

function keyAlarms(options: Options): Readonly<Record<string, Alarm>> {
  const turnSeconds = options.reconcileMinutes * 60;
  return {
    "rotation-failed": {
      runbook: "rotation-failed",
      meaning: "A step of a key's rotation failed. The current key stays in use.",
      metric: metric.own("RotationFailed", options),
      statistic: "Sum",
      threshold: 1,
    },
    "rotation-errors": {
      runbook: "rotation-failed",
      meaning: "The rotation function crashed or ran out of time. The current key stays in use.",
      metric: metric.lambda("Errors", "rotate-key", options),
      statistic: "Sum",
      threshold: 1,
    },
    "unknown-keys": {
      runbook: "unknown-keys",
      meaning: "A managed account at Voximplant has a key that no secret holds.",
      metric: metric.own("UnknownKeys", options),
      statistic: "Maximum",
      threshold: 1,
      // Each reconciliation reports the metric, so the next one without a finding ends the alarm.
      silence: "ignore",
    },
    "orphan-keys": {
      runbook: "orphan-keys",
      meaning:
        "Voximplant has a key whose name begins with vtv-, but no version of the secret holds this key.",
      metric: metric.own("OrphanKeys", options),
      statistic: "Maximum",
      threshold: 1,
      silence: "ignore",
    },
    "roles-changed": {
      runbook: "roles-changed",
      meaning: "The roles of a managed key have changed.",
      metric: metric.own("RolesChanged", options),
      statistic: "Maximum",
      threshold: 1,
      silence: "ignore",
    },
    "current-key-missing": {
      runbook: "current-key-missing",
      meaning: "Voximplant refuses or no longer lists a current key: it accepts no token of that key.",
      metric: metric.own("CurrentKeyMissing", options),
      statistic: "Maximum",
      threshold: 1,
      silence: "ignore",
    },
    "key-life-overdue": {
      runbook: "key-life-overdue",
      meaning:
        "A key is older than twice its rotation days, a rotation has been unfinished for a day, a superseded key is not " +
        "deleted, or a replica failed or is a day behind.",
      metric: metric.own("KeyLifeOverdue", options),
      statistic: "Maximum",
      threshold: 1,
      silence: "ignore",
    },
    "reconciliation-errors": {
      runbook: "reconciliation",
      meaning: "Reconciliation fails, or cannot examine a secret or an account.",
      metric: metric.lambda("Errors", "reconcile-keys", options),
      statistic: "Sum",
      threshold: 1,
      periodSeconds: turnSeconds,
      periods: [2, 3],
    },
    "reconciliation-silent": {
      runbook: "reconciliation",
      meaning: "Reconciliation has not run for three periods, so unknown keys are not found.",
      metric: metric.lambda("Invocations", "reconcile-keys", options),
      statistic: "Sum",
      comparison: "LessThanThreshold",
      threshold: 1,
      periodSeconds: turnSeconds,
      periods: [3, 3],
      silence: "breaching",
    },
  };
}

const alarmId = (name: string) =>
  `Alarm${name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;

export function alarmResources(options: Options): Resources {
  return Object.fromEntries(
    Object.entries(alarms(options)).map(([name, alarm]) => [
      alarmId(name),
      alarmResource(`${options.prefix}-${name}`, alarm, options),
    ]),
  );
}

/** The page that an alarm's mail refers to. It has a section for each alarm. */
export const runbookUrl = (options: Options) => options.runbookUrl ?? "docs/runbook.md";

function alarmResource(name: string, alarm: Alarm, options: Options): Resource {
  const [breaching, looked] = alarm.periods ?? [1, 1];
  return {
    Type: "AWS::CloudWatch::Alarm",
    Properties: {
      AlarmName: name,
      AlarmDescription: `${alarm.meaning} What to do: ${runbookUrl(options)}#${alarm.runbook}`,
      Namespace: alarm.metric.namespace,
      MetricName: alarm.metric.name,
      Dimensions: Object.entries(alarm.metric.dimensions).map(([Name, Value]) => ({ Name, Value })),
      ...(alarm.statistic === "p99" ? { ExtendedStatistic: "p99" } : { Statistic: alarm.statistic }),
      Period: alarm.periodSeconds ?? 300,
      ComparisonOperator: alarm.comparison ?? "GreaterThanOrEqualToThreshold",
      Threshold: alarm.threshold,
      EvaluationPeriods: looked,
      DatapointsToAlarm: breaching,
      TreatMissingData: alarm.silence ?? "notBreaching",
      AlarmActions: [topicArn(options)],
      OKActions: [topicArn(options)],
    },
  };
}
