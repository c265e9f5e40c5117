import { describe, expect, it } from "vitest";

import type { KeyState } from "../../lib/key-lifecycle/classify-keys.ts";
import { decide } from "../../lib/reconciliation/decide.ts";
import { serviceAccount } from "../fakes/policy.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const own = { serviceAccount: "calls" };
const key = {
  key_id: "k",
  key_name: "laptop",
  description: null,
  roles: [{ role_id: 1, role_name: "Owner" }],
};

/** @param unknownKeys of each service account; the first two are of the key's Voximplant account */
function decideOn(state: KeyState, unknownKeys: readonly ("report" | "delete")[] = ["report"]) {
  const serviceAccounts = unknownKeys.map((one, i) => serviceAccount(`member-${i}`, { unknownKeys: one }));
  const members = serviceAccounts.slice(0, 2).map(({ name }) => name);
  const policy = { serviceAccounts, grants: [] };
  return decide({ key, state }, { policy, reporter: "member-0", members, now: NOW });
}

describe("what reconciliation decides about a key", () => {
  it.each<KeyState>([
    { state: "current", ...own },
    { state: "pending", ...own },
    { state: "unmanaged" },
    { state: "superseded", retireAt: NOW + 1, ...own },
  ])("is nothing if it is %j", (state) => {
    expect(decideOn(state, ["delete"])).toBeUndefined();
  });

  it.each<[KeyState, reason: string, remove: boolean, reportedFor: string, detail: string]>([
    [
      { state: "superseded", retireAt: NOW, ...own },
      "superseded_key",
      true,
      "calls",
      "The key is superseded and its grace is over: no container and no valid token uses it any more.",
    ],
    [
      { state: "stray", retireAt: NOW + 1, ...own },
      "stray_key",
      false,
      "calls",
      "The key has a name that only rotation, revocation and bootstrap give, but no version of the secret holds it. " +
        "Either one of them was interrupted, or someone who knows such a name created the key. It is deleted after " +
        "the grace: docs/runbook.md#orphan-keys.",
    ],
    [{ state: "stray", retireAt: NOW, ...own }, "stray_key", true, "calls", "The key has a name"],
    [
      { state: "orphan", ...own },
      "orphan_key",
      true,
      "calls",
      "A rotation created this key and was then interrupted. Its private key is lost, so the key has no use.",
    ],
    [
      { state: "unknown" },
      "unknown_key",
      false,
      "member-0",
      "No secret holds this key. Its roles: Owner (1). If someone uses it on purpose, list it under unmanagedKeys " +
        "in grants.yml. Otherwise delete it, and find out who created it: docs/runbook.md#unknown-keys.",
    ],
    [
      { state: "undetermined" },
      "undetermined_key",
      false,
      "member-0",
      "No readable secret holds this key, but a secret that cannot be read may hold it. Do not delete the key until " +
        "every secret can be read. The other findings say which secret cannot be read.",
    ],
  ])("follows from %j", (state, reason, remove, reportedFor, detail) => {
    const decision = decideOn(state);
    expect(decision).toMatchObject({ remove, finding: { reason, serviceAccount: reportedFor, key } });
    expect(decision?.finding.detail.slice(0, detail.length)).toBe(detail);
  });
});

describe("an unknown key is deleted", () => {
  it.each<[string, boolean, ("report" | "delete")[]]>([
    ["if every service account of its Voximplant account says so", true, ["delete", "delete"]],
    ["although a service account of another account does not", true, ["delete", "delete", "report"]],
    ["only if all of them say so", false, ["delete", "report"]],
    ["only if its account has a service account", false, []],
  ])("%s", (_, remove, unknownKeys) => {
    expect(decideOn({ state: "unknown" }, unknownKeys)?.remove).toBe(remove);
  });

  it("never, if it is undetermined", () => {
    expect(decideOn({ state: "undetermined" }, ["delete"])?.remove).toBe(false);
  });
});
