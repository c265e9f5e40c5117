import { embeddedMetrics, type MetricName, type MetricValues } from "../audit/metrics.ts";
import type { WriteLine } from "../audit/log.ts";
import { type Finding, isFailure, metricOf } from "./finding.ts";
import type { RevocationReport } from "./revoke.ts";

/** One JSON line for each finding, and one with the metrics for each service account. */
export function reportFindings(
  write: WriteLine,
  serviceAccounts: readonly string[],
  findings: readonly Finding[],
  deployment: string,
  now: number,
): void {
  for (const finding of findings) write(findingRecord(finding, now));
  for (const name of serviceAccounts) {
    const own = findings.filter(({ serviceAccount }) => serviceAccount === name);
    const metrics = countFindings(own);
    write(
      JSON.stringify({
        type: "reconciliation",
        time: new Date(now).toISOString(),
        service_account: name,
        ...embeddedMetrics("reconcile-keys", metrics, [], deployment, now),
      }),
    );
  }
}

/**
 * The audit record of a finding. Names and descriptions are clipped, because anyone who can create
 * a key chooses them.
 */
export function findingRecord(finding: Finding, now: number): string {
  const { reason, action, serviceAccount, detail, key, accountId } = finding;
  return JSON.stringify({
    type: "audit",
    time: new Date(now).toISOString(),
    outcome: "key_found",
    reason,
    action,
    service_account: serviceAccount,
    account_id: accountId,
    kid: key?.key_id,
    key_name: key?.key_name?.slice(0, 100),
    key_description: key?.description?.slice(0, 300),
    key_roles: key?.roles?.map(({ role_name }) => role_name),
    detail,
  });
}

/** The audit record of a revocation, with the outcome of each step. */
export function revocationRecord(serviceAccount: string, report: RevocationReport, now: number): string {
  return JSON.stringify({
    type: "audit",
    time: new Date(now).toISOString(),
    outcome: report.proved ? "key_revoked" : "failed",
    reason: "revoke",
    service_account: serviceAccount,
    kid: report.keyId,
    steps: report.steps,
    without_key: report.withoutKey,
  });
}

/** Includes zeros, so that an alarm ends when its cause is gone. */
function countFindings(findings: readonly Finding[]): MetricValues<"reconcile-keys"> {
  const of = (metric: MetricName<"reconcile-keys">) =>
    findings.filter(({ reason }) => metricOf[reason] === metric);
  return {
    UnknownKeys: of("UnknownKeys").length,
    OrphanKeys: of("OrphanKeys").length,
    KeysRetired: of("KeysRetired").filter(({ action }) => action === "deleted").length,
    RolesChanged: of("RolesChanged").length,
    CurrentKeyMissing: of("CurrentKeyMissing").length,
    KeyLifeOverdue: of("KeyLifeOverdue").length,
    WrongAccountKey: of("WrongAccountKey").length,
    ReconciliationFailed: findings.filter(isFailure).length,
  };
}
