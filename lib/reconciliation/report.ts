import { embeddedMetrics, type Metric } from "../audit/metrics.ts";
import type { WriteLine } from "../audit/log.ts";
import { type Finding, isFailure } from "./finding.ts";

/** One JSON line for each finding, and one with the metrics for each service account. */
export function reportFindings(
  write: WriteLine,
  serviceAccounts: readonly string[],
  findings: readonly Finding[],
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
        ...embeddedMetrics(metrics, [[], ["service_account"]], now),
      }),
    );
  }
}

/** The audit record of a finding. What the platform's users wrote (names, descriptions) is clipped, never trusted. */
export function findingRecord({ reason, action, serviceAccount, detail, key }: Finding, now: number): string {
  return JSON.stringify({
    type: "audit",
    time: new Date(now).toISOString(),
    outcome: "key_found",
    reason,
    action,
    service_account: serviceAccount,
    kid: key?.key_id,
    key_name: key?.key_name?.slice(0, 100),
    key_description: key?.description?.slice(0, 300),
    key_roles: key?.roles?.map(({ role_name }) => role_name),
    detail,
  });
}

/** Zeros included: so that an alarm ends when what it told of is gone. */
function countFindings(findings: readonly Finding[]): Metric[] {
  const count = (name: string, isCounted: (finding: Finding) => boolean): Metric => ({
    name,
    unit: "Count",
    value: findings.filter(isCounted).length,
  });
  return [
    count("UnknownKeys", ({ reason }) => reason === "unknown_key"),
    count("OrphanKeys", ({ reason }) => reason === "orphan_key" || reason === "stray_key"),
    count("KeysRetired", ({ reason, action }) => reason === "superseded_key" && action === "deleted"),
    count("RolesChanged", ({ reason }) => reason === "roles_changed"),
    count("CurrentKeyMissing", ({ reason }) => reason === "current_key_missing"),
    count("ReconciliationFailed", isFailure),
  ];
}
