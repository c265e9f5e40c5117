import { describe, expect, it } from "vitest";

import { classifyKeys, type KeyState, retireAt } from "../../lib/key-lifecycle/classify-keys.ts";
import { keyName } from "../../lib/key-lifecycle/key-label.ts";
import { COPIES_TAG } from "../../lib/key-lifecycle/secret-store.ts";
import type { SecretSnapshot } from "../../lib/key-lifecycle/snapshot.ts";
import { ACCOUNT, GRACE_MS, policyFor } from "./world.ts";

const CHANGED = Date.UTC(2026, 10, 24, 12);

/** A version: its labels, the key that it holds, and when it was created. */
interface Version {
  readonly labels?: readonly string[];
  readonly key?: string;
  readonly createdAt?: number;
}

/** The secret of a service account, with its versions by id. */
function secretOf(
  serviceAccount: string,
  versions: Readonly<Record<string, Version>>,
  { lastChangedAt = CHANGED, inSync = true, tags = new Map<string, string>() } = {},
): SecretSnapshot {
  const all = Object.entries(versions);
  return {
    serviceAccount,
    state: {
      arn: `arn:${serviceAccount}`,
      name: `voximplant/${serviceAccount}`,
      rotationEnabled: true,
      rotationDays: 30,
      lastChangedAt,
      stages: new Map(all.flatMap(([id, { labels }]) => (labels ? [[id, new Set(labels)]] : []))),
      replicas: [{ region: "eu-west-1", inSync }],
      tags,
    },
    createdAt: new Map(all.map(([id, { createdAt = CHANGED }]) => [id, createdAt])),
    keys: new Map(all.flatMap(([id, { key }]) => (key ? [[id, { keyId: key, accountId: ACCOUNT }]] : []))),
    unreadable: [],
  };
}

function stateOf(
  secrets: readonly SecretSnapshot[],
  { name = "a key", unmanagedKeys = [] as string[], now = CHANGED } = {},
) {
  const { serviceAccounts } = policyFor(
    Object.fromEntries(secrets.map(({ serviceAccount }) => [serviceAccount, { unmanagedKeys }])),
  );
  const key = { key_id: "k", key_name: name, description: null };
  return classifyKeys([key], { serviceAccounts, secrets, graceMs: GRACE_MS, now }).map(({ state }) => state);
}

const CURRENT = { v1: { labels: ["AWSCURRENT"], key: "k" } };
const PENDING = { v1: { labels: ["AWSCURRENT"], key: "x" }, v2: { labels: ["AWSPENDING"], key: "k" } };
const PREVIOUS = { v1: { labels: ["AWSPREVIOUS"], key: "k" }, v2: { labels: ["AWSCURRENT"], key: "x" } };

const current = secretOf("current", CURRENT);
const pending = secretOf("pending", PENDING);
const superseded = secretOf("superseded", PREVIOUS);
const later = secretOf("later", PREVIOUS, { lastChangedAt: CHANGED + 60_000 });
const behind = secretOf("behind", PREVIOUS, { inSync: false });

describe("a key in two secrets", () => {
  it.each<[string, SecretSnapshot, SecretSnapshot, KeyState]>([
    [
      "is current if one rotates it and one uses it",
      pending,
      current,
      { state: "current", serviceAccount: "current" },
    ],
    [
      "is current if one uses it and the other's replica is behind",
      behind,
      current,
      { state: "current", serviceAccount: "current" },
    ],
    [
      "is pending if one rotates it and the other's replica is behind",
      behind,
      pending,
      { state: "pending", serviceAccount: "pending" },
    ],
    [
      "is kept for the longer of both graces",
      superseded,
      later,
      { state: "superseded", serviceAccount: "later", retireAt: CHANGED + 60_000 + GRACE_MS },
    ],
    [
      "is kept without an end if a replica of one is behind",
      later,
      behind,
      { state: "superseded", serviceAccount: "behind", retireAt: Number.POSITIVE_INFINITY },
    ],
  ])("%s, in either order", (_, one, other, state) => {
    expect([...stateOf([one, other]), ...stateOf([other, one])]).toEqual([state, state]);
  });
});

describe("a key that is listed as unmanaged", () => {
  it.each<[string, SecretSnapshot, KeyState]>([
    ["current if it is in use", current, { state: "current", serviceAccount: "current" }],
    ["pending if a rotation prepares it", pending, { state: "pending", serviceAccount: "pending" }],
    ["unmanaged if a version that is not in use holds it", superseded, { state: "unmanaged" }],
  ])("is %s", (_, secret, state) => {
    expect(stateOf([secret], { unmanagedKeys: ["k"] })).toEqual([state]);
  });
});

describe("a key with the label AWSPENDING", () => {
  const at = (createdAt: number) => secretOf("s", { ...PENDING, v2: { ...PENDING.v2, createdAt } });

  it("is pending if its version is not older than the current one", () => {
    expect(stateOf([at(CHANGED)])).toEqual([{ state: "pending", serviceAccount: "s" }]);
  });

  it("is superseded if its version is older, because an import overtook the rotation", () => {
    expect(stateOf([at(CHANGED - 1)])).toEqual([
      { state: "superseded", serviceAccount: "s", retireAt: CHANGED + GRACE_MS },
    ]);
  });
});

it.each([
  ["no tag says that a copy was behind", undefined, CHANGED + GRACE_MS],
  ["the tag says that every copy is in sync", "in sync", CHANGED + GRACE_MS],
  ["the tag says that a copy is behind", "behind since 2026-11-28T10:00:00.000Z", Infinity],
  ["the tag says so with a time that cannot be read", "behind since yesterday", Infinity],
])("a superseded key has a grace: if %s", (_, tag, retireAt) => {
  const tags = new Map(tag === undefined ? [] : [[COPIES_TAG, tag]]);
  const secret = secretOf("s", PREVIOUS, { tags });
  expect(stateOf([secret])).toEqual([{ state: "superseded", serviceAccount: "s", retireAt }]);
});

describe("a key that no version holds, with a name for one", () => {
  const name = keyName("arn:s", "v2");
  const withPending = (key?: string) =>
    secretOf("s", {
      v1: { labels: ["AWSCURRENT"], key: "x" },
      v2: { labels: ["AWSPENDING"], ...(key !== undefined && { key }) },
    });

  it.each<[string, SecretSnapshot, KeyState]>([
    ["pending while that version is empty", withPending(), { state: "pending", serviceAccount: "s" }],
    [
      "a stray if that version is empty, and older than the current one",
      secretOf("s", {
        v1: { labels: ["AWSCURRENT"], key: "x", createdAt: CHANGED },
        v2: { labels: ["AWSPENDING"], createdAt: CHANGED - 1 },
      }),
      { state: "stray", serviceAccount: "s", retireAt: CHANGED + GRACE_MS },
    ],
    [
      "an orphan as soon as it holds another key",
      withPending("another"),
      { state: "orphan", serviceAccount: "s" },
    ],
    [
      "a stray if the secret has no such version",
      secretOf("s", { v1: { labels: ["AWSCURRENT"], key: "x" } }),
      { state: "stray", serviceAccount: "s", retireAt: CHANGED + GRACE_MS },
    ],
  ])("is %s", (_, secret, state) => {
    expect(stateOf([secret], { name })).toEqual([state]);
  });
});

describe("if a version of a secret cannot be read, a key in no other version is", () => {
  const secretWithUnread = (label?: string) => {
    const secret = secretOf("s", { v1: { labels: ["AWSCURRENT"], key: "x" }, v2: { key: "y" } });
    const labels = label === undefined ? [] : [label];
    return { ...secret, unreadable: [{ versionId: "v0", labels, error: new Error("no") }] };
  };

  it.each<[string, KeyState["state"], string | undefined, number, string?]>([
    ["undetermined in the grace", "undetermined", undefined, CHANGED + GRACE_MS - 1],
    ["unknown after the grace", "unknown", undefined, CHANGED + GRACE_MS],
    ["undetermined if the version is current", "undetermined", "AWSCURRENT", CHANGED + GRACE_MS],
    ["undetermined if the version is pending", "undetermined", "AWSPENDING", CHANGED + GRACE_MS],
    ["undetermined in the grace, also if it is named as an orphan", "undetermined", undefined, CHANGED, "v2"],
    [
      "undetermined if the time is unknown, also if it is named as an orphan",
      "undetermined",
      undefined,
      Number.NaN,
      "v2",
    ],
    ["an orphan after the grace, if it is named as one", "orphan", undefined, CHANGED + GRACE_MS, "v2"],
  ])("%s", (_, state, label, now, versionId) => {
    const name = versionId === undefined ? "a key" : keyName("arn:s", versionId);
    expect(stateOf([secretWithUnread(label)], { name, now })).toMatchObject([{ state }]);
  });
});

describe("the time from which a key may be deleted", () => {
  const serviceAccount = "s";
  it.each<[string, KeyState, number]>([
    ["its grace, of a superseded key", { state: "superseded", serviceAccount, retireAt: 5 }, 5],
    ["its grace, of a stray", { state: "stray", serviceAccount, retireAt: 5 }, 5],
    ["always, of an orphan", { state: "orphan", serviceAccount }, 0],
    ["never, of a current key", { state: "current", serviceAccount }, Number.POSITIVE_INFINITY],
    ["never, of a pending key", { state: "pending", serviceAccount }, Number.POSITIVE_INFINITY],
    ["never, of an unmanaged key", { state: "unmanaged" }, Number.POSITIVE_INFINITY],
    ["never, of an unknown key", { state: "unknown" }, Number.POSITIVE_INFINITY],
    ["never, of an undetermined key", { state: "undetermined" }, Number.POSITIVE_INFINITY],
  ])("is %s", (_, state, time) => {
    expect(retireAt(state)).toBe(time);
  });
});
