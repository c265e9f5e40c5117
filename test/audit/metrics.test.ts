import { describe, expect, it } from "vitest";
import { embeddedMetrics } from "../../lib/audit/metrics.ts";
import { metric } from "../../infra/metrics.ts";

/** Checked by the compiler: an @ts-expect-error above a line that compiles is itself an error. */
describe("the types of the metrics", () => {
  it("reject an alarm on a metric that no function writes", () => {
    // @ts-expect-error the name is misspelt
    expect(metric.own("TokensVendet", { prefix: "vendor-dev" }).name).toBe("TokensVendet");
  });

  it("reject a function that writes an unlisted metric", () => {
    // @ts-expect-error RotationDelayed is not listed
    const line = embeddedMetrics("rotate-key", { RotationFailed: 1, RotationDelayed: 1 }, [], "dev", 0);
    expect(line.RotationFailed).toBe(1);
  });

  it("reject a function that omits one of its listed metrics", () => {
    // @ts-expect-error RotationFailed is missing
    expect(embeddedMetrics("rotate-key", {}, [], "dev", 0)).not.toHaveProperty("RotationFailed");
  });
});

it("embeddedMetrics writes the value and unit of each metric, and omits metrics that were not counted", () => {
  const counts = { RolesChanged: undefined, CurrentKeyMissing: undefined, KeyLifeOverdue: undefined };
  const more = { OrphanKeys: 0, KeysRetired: 2, WrongAccountKey: undefined, ReconciliationFailed: undefined };
  const values = { UnknownKeys: undefined, ...counts, ...more };
  expect(embeddedMetrics("reconcile-keys", values, ["KeysRetired", "UnknownKeys"], "vendor-dev", 1)).toEqual({
    OrphanKeys: 0,
    KeysRetired: 2,
    Deployment: "vendor-dev",
    _aws: {
      Timestamp: 1,
      CloudWatchMetrics: [
        {
          Namespace: "VoximplantTokenVendor",
          Dimensions: [["Deployment"]],
          Metrics: [
            { Name: "OrphanKeys", Unit: "Count" },
            { Name: "KeysRetired", Unit: "Count" },
          ],
        },
        {
          Namespace: "VoximplantTokenVendor",
          Dimensions: [["Deployment", "service_account"]],
          Metrics: [{ Name: "KeysRetired", Unit: "Count" }],
        },
      ],
    },
  });
});
