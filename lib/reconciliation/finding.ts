import type { MetricName } from "../audit/metrics.ts";
import type { Key } from "../voximplant/methods.ts";

/** What reconciliation found, and what it did about it. */
export interface Finding {
  readonly reason:
    | "superseded_key"
    | "orphan_key"
    | "stray_key"
    | "unknown_key"
    | "undetermined_key"
    | "roles_changed"
    | "current_key_missing"
    | "wrong_account"
    | "key_overdue"
    | "rotation_stuck"
    | "replica_behind"
    | "unreadable_version"
    | "not_examined";
  /** `failed`: the key was not deleted. The next run tries again. */
  readonly action: "deleted" | "reported" | "failed";
  /**
   * The key's service account. For an unknown or undetermined key, any service account whose key
   * belongs to the same Voximplant account.
   */
  readonly serviceAccount: string;
  /** For people: what it means, and what to do. */
  readonly detail: string;
  readonly key?: Key;
  /** The Voximplant account, if it is a child account. */
  readonly accountId?: number;
}

/** A finding for which reconciliation changes nothing. */
export function reported(reason: Finding["reason"], serviceAccount: string, detail: string): Finding {
  return { reason, action: "reported", serviceAccount, detail };
}

/**
 * The metric that counts each reason, or undefined if none does. Without a metric, no alarm reports
 * the finding. docs/audit.schema.json lists the same reasons.
 */
export const metricOf = {
  superseded_key: "KeysRetired",
  orphan_key: "OrphanKeys",
  stray_key: "OrphanKeys",
  unknown_key: "UnknownKeys",
  // A key is undetermined only if a secret or a version could not be read. That is a finding of its
  // own, which is counted.
  undetermined_key: undefined,
  roles_changed: "RolesChanged",
  current_key_missing: "CurrentKeyMissing",
  wrong_account: "WrongAccountKey",
  key_overdue: "KeyLifeOverdue",
  rotation_stuck: "KeyLifeOverdue",
  replica_behind: "KeyLifeOverdue",
  unreadable_version: "ReconciliationFailed",
  not_examined: "ReconciliationFailed",
} as const satisfies Record<Finding["reason"], MetricName<"reconcile-keys"> | undefined>;

/** Whether the finding says that something could not be examined or deleted. */
export function isFailure({ reason, action }: Finding): boolean {
  return metricOf[reason] === "ReconciliationFailed" || action === "failed";
}

export function notExamined(failure: { readonly serviceAccount: string; readonly error: unknown }): Finding {
  return reported(
    "not_examined",
    failure.serviceAccount,
    `${messageOf(failure.error)} Until this is fixed, some keys cannot be examined. Such keys are not deleted.`,
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
