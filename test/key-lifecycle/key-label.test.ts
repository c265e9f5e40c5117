import { randomUUID } from "node:crypto";

import { describe, expect, it } from "vitest";

import { belongsToSecret, keyName, labelKey, labelledAt } from "../../lib/key-lifecycle/key-label.ts";

const arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:voximplant/outbound-calls-a1B2c3";
const remade = arn.replace("a1B2c3", "d4E5f6");
const now = Date.UTC(2026, 10, 24, 12);

describe("the label of a key", () => {
  it.each([
    ["a UUID, as Secrets Manager makes them", randomUUID()],
    ["the longest version id that there may be", "v".repeat(64)],
  ])("fits into a key's name with %s", (_, versionId) => {
    const name = keyName(arn, versionId);
    expect(name.length).toBeLessThanOrEqual(50);
    expect(name).not.toBe(keyName(arn, `${versionId.slice(0, -1)}x`));
  });

  it.each([
    ["of the longest version id that fits", "v".repeat(37), "v".repeat(37)],
    ["of a longer one, by its digest", "v".repeat(38), "054d5a77a56bc67cfe174cd55b49ae85"],
  ])(
    "begins with our prefix and the secret's digest, then names the version: %s",
    (_, versionId, expected) => {
      // Keys are found by these names again, so they must never change.
      expect(keyName("arn", versionId)).toBe(`vtv-42e7ab5b-${expected}`);
    },
  );

  it("distinguishes secrets of the same name by AWS's six random characters", () => {
    const key = { key_id: "k", key_name: keyName(arn, randomUUID()), description: "" };
    expect([belongsToSecret(key, arn), belongsToSecret(key, remade)]).toEqual([true, false]);
  });

  it.each([null, "", "vtv-", "backup"])("is not found in the key name %j", (key_name) => {
    expect(belongsToSecret({ key_id: "k", key_name, description: null }, arn)).toBe(false);
  });

  it("says for people what the key is for, and that it is replaced", () => {
    expect(labelKey({ arn, name: "voximplant/outbound-calls" }, "v1", now)).toEqual({
      name: keyName(arn, "v1"),
      description:
        "Of voximplant-token-vendor: secret voximplant/outbound-calls, version v1, since 2026-11-24T12:00:00.000Z. " +
        "This key is replaced on a schedule. Do not use it elsewhere.",
    });
  });

  it("contains its time, which is ignored if it is in the future or not a time", () => {
    const { description } = labelKey({ arn, name: "voximplant/outbound-calls" }, randomUUID(), now);
    const key = { key_id: "k", key_name: null, description };
    expect(labelledAt(key, now)).toBe(now);
    expect(labelledAt(key, now - 1)).toBeUndefined();
    for (const other of ["since yesterday", null])
      expect(labelledAt({ ...key, description: other }, now)).toBeUndefined();
  });
});
