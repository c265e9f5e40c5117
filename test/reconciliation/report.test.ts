import { describe, expect, it } from "vitest";

import type { Finding } from "../../lib/reconciliation/finding.ts";
import { findingRecord, reportFindings, revocationRecord } from "../../lib/reconciliation/report.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const TIME = "2026-11-24T12:00:00.000Z";
const ZEROS = {
  UnknownKeys: 0,
  OrphanKeys: 0,
  KeysRetired: 0,
  RolesChanged: 0,
  CurrentKeyMissing: 0,
  KeyLifeOverdue: 0,
  WrongAccountKey: 0,
  ReconciliationFailed: 0,
};

const finding = (fields: Partial<Finding>): Finding => ({
  reason: "unknown_key",
  action: "reported",
  serviceAccount: "calls",
  detail: "what to do",
  ...fields,
});

const parse = (line: string) => JSON.parse(line) as Record<string, unknown>;

function report(findings: readonly Finding[], names: readonly string[] = ["calls"]) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(parse(line));
  reportFindings(write, names, findings, "vendor-prod", NOW);
  return lines;
}

describe("the metrics of a reconciliation", () => {
  it.each<[Finding["reason"], Finding["action"], Partial<typeof ZEROS>]>([
    ["superseded_key", "deleted", { KeysRetired: 1 }],
    ["superseded_key", "failed", { ReconciliationFailed: 1 }],
    ["orphan_key", "deleted", { OrphanKeys: 1 }],
    ["stray_key", "reported", { OrphanKeys: 1 }],
    ["unknown_key", "reported", { UnknownKeys: 1 }],
    ["unknown_key", "deleted", { UnknownKeys: 1 }],
    ["undetermined_key", "reported", {}],
    ["roles_changed", "reported", { RolesChanged: 1 }],
    ["current_key_missing", "reported", { CurrentKeyMissing: 1 }],
    ["wrong_account", "reported", { WrongAccountKey: 1 }],
    ["key_overdue", "reported", { KeyLifeOverdue: 1 }],
    ["rotation_stuck", "reported", { KeyLifeOverdue: 1 }],
    ["replica_behind", "reported", { KeyLifeOverdue: 1 }],
    ["unreadable_version", "reported", { ReconciliationFailed: 1 }],
    ["not_examined", "reported", { ReconciliationFailed: 1 }],
  ])("count %s %s, and are zero otherwise", (reason, action, expected) => {
    const [, metrics] = report([finding({ reason, action })]);
    expect(metrics).toMatchObject({ ...ZEROS, ...expected });
  });

  it("are one line for each service account, with its own findings", () => {
    const lines = report([finding({}), finding({})], ["calls", "history"]);
    expect(lines.map(({ type }) => type)).toEqual(["audit", "audit", "reconciliation", "reconciliation"]);
    expect(lines[2]).toMatchObject({ time: TIME, service_account: "calls", ...ZEROS, UnknownKeys: 2 });
    expect(lines[3]).toMatchObject({
      service_account: "history",
      ...ZEROS,
      Deployment: "vendor-prod",
      _aws: { Timestamp: NOW, CloudWatchMetrics: [{ Dimensions: [["Deployment"]] }] },
    });
  });
});

describe("the audit record of a finding", () => {
  it("has the key as the platform lists it, and what to do", () => {
    const record = parse(
      findingRecord(
        finding({
          accountId: 7,
          key: {
            key_id: "k",
            key_name: "laptop",
            description: "mine",
            roles: [{ role_id: 1, role_name: "Owner" }],
          },
        }),
        NOW,
      ),
    );
    expectAuditRecord(record);
    expect(record).toEqual({
      type: "audit",
      time: TIME,
      outcome: "key_found",
      reason: "unknown_key",
      action: "reported",
      service_account: "calls",
      account_id: 7,
      kid: "k",
      key_name: "laptop",
      key_description: "mine",
      key_roles: ["Owner"],
      detail: "what to do",
    });
  });

  it("has at most 100 characters of a key's name, and 300 of its description", () => {
    const key = { key_id: "k", key_name: "n".repeat(101), description: "d".repeat(301) };
    expect(JSON.parse(findingRecord(finding({ key }), NOW))).toMatchObject({
      key_name: "n".repeat(100),
      key_description: "d".repeat(300),
    });
  });

  it.each<[string, Partial<Finding>]>([
    ["no key", {}],
    [
      "a key without a name, a description and roles",
      { key: { key_id: "k", key_name: null, description: null } },
    ],
  ])("leaves out what is missing of %s", (_, fields) => {
    const record = parse(findingRecord(finding(fields), NOW));
    expectAuditRecord(record);
    for (const name of ["key_name", "key_description", "key_roles", "account_id"])
      expect(record).not.toHaveProperty(name);
  });
});

describe("the audit record of a revocation", () => {
  const steps = [{ step: "delete", ok: true, seen: "the platform deleted it" }] as const;

  it.each([
    [true, "key_revoked"],
    [false, "failed"],
  ])("has an outcome that follows from the proof: %s, %s", (proved, outcome) => {
    const report = { keyId: "k", steps, proved, withoutKey: ["calls"], leftToDo: [] };
    const record = parse(revocationRecord("calls", report, NOW));
    expectAuditRecord(record);
    expect(record).toEqual({
      type: "audit",
      time: TIME,
      outcome,
      reason: "revoke",
      service_account: "calls",
      kid: "k",
      steps,
      without_key: ["calls"],
    });
  });
});
