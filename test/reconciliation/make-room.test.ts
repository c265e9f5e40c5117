import { describe, expect, it } from "vitest";

import { SecretNotFoundError } from "../../lib/key-lifecycle/secret-store.ts";
import type { SecretSnapshot } from "../../lib/key-lifecycle/snapshot.ts";
import { checkNotInUse } from "../../lib/reconciliation/make-room.ts";
import { serviceAccount } from "../fakes/policy.ts";

interface Versions {
  /** The labels of every version that has one, by version id. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The keys of the versions that can be read, by version id. */
  readonly held?: Readonly<Record<string, string>>;
  readonly unreadable?: readonly string[];
}

function secretOf({ labels = {}, held = {}, unreadable = [] }: Versions): SecretSnapshot {
  const entries = Object.entries(labels);
  return {
    serviceAccount: "history",
    state: {
      arn: "arn",
      name: "voximplant/history",
      rotationEnabled: true,
      rotationDays: 30,
      lastChangedAt: 0,
      stages: new Map(entries.map(([versionId, label]) => [versionId, new Set([label])])),
      replicas: [],
      tags: new Map(),
    },
    createdAt: new Map(),
    keys: new Map(Object.entries(held).map(([versionId, keyId]) => [versionId, { keyId, accountId: 1 }])),
    unreadable: unreadable.map((versionId) => {
      return { versionId, labels: [labels[versionId] ?? []].flat(), error: new Error("no") };
    }),
  };
}

/**
 * Checks the key `unused`. The secret of the first service account does not hold it.
 *
 * @param later what is read of the second secret after the wait
 */
function check(history: Versions | Error, later = history) {
  let waited = 0;
  const policy = { serviceAccounts: [serviceAccount("calls"), serviceAccount("history")], grants: [] };
  return checkNotInUse(
    {
      readSecret: ({ name }) => {
        if (name === "calls")
          return Promise.resolve(secretOf({ labels: { v1: "AWSCURRENT" }, held: { v1: "k1" } }));
        const read = waited >= 7_000 ? later : history;
        return read instanceof Error ? Promise.reject(read) : Promise.resolve(secretOf(read));
      },
      sleep: (milliseconds) => Promise.resolve(void (waited += milliseconds)),
    },
    policy,
    "unused",
  );
}

const current = { labels: { v1: "AWSPREVIOUS", v2: "AWSCURRENT" }, held: { v1: "k1", v2: "k2" } };

describe("a key that an operator wants deleted to make room", () => {
  it.each<[string, Versions | Error]>([
    ["no version of a secret holds it", current],
    ["it is the previous key", { ...current, held: { ...current.held, v1: "unused" } }],
    ["only the previous version cannot be read", { ...current, held: { v2: "k2" }, unreadable: ["v1"] }],
    ["only a version without a label cannot be read", { ...current, unreadable: ["v0"] }],
    ["a secret has no version yet", {}],
    ["a secret does not exist", new SecretNotFoundError("There is no secret voximplant/history.")],
  ])("may be deleted if %s", async (_, history) => {
    await expect(check(history)).resolves.toBeUndefined();
  });

  it.each<[string, Versions | Error, string]>([
    [
      "it is current",
      { ...current, held: { ...current.held, v2: "unused" } },
      "Key unused is a current key, so it was not deleted. Name another key to make room.",
    ],
    [
      "it is pending",
      { labels: { ...current.labels, v3: "AWSPENDING" }, held: { ...current.held, v3: "unused" } },
      "Key unused is a pending key, so it was not deleted. Name another key to make room.",
    ],
    [
      "the current version cannot be read",
      { ...current, held: { v1: "k1" }, unreadable: ["v2"] },
      "Key unused was not deleted. It may be in version v2 (AWSCURRENT) of secret voximplant/history, which cannot be " +
        "read.",
    ],
    [
      "the pending version cannot be read",
      { labels: { ...current.labels, v3: "AWSPENDING" }, held: current.held, unreadable: ["v3"] },
      "Key unused was not deleted. It may be in version v3 (AWSPENDING) of secret voximplant/history, which cannot be " +
        "read.",
    ],
    ["a secret cannot be described", new Error("AccessDenied"), "AccessDenied"],
  ])("must not be deleted if %s", async (_, history, message) => {
    await expect(check(history)).rejects.toMatchObject({ message });
  });

  it("must not be deleted if it became current seconds ago, and the first read does not show it yet", async () => {
    const later = { ...current, held: { ...current.held, v2: "unused" } };
    await expect(check(current, later)).rejects.toThrow("Key unused is a current key");
  });
});
