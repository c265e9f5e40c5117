import { describe, expect, it } from "vitest";

import { CredentialsFileError } from "../../lib/keys/credentials-file.ts";

import type { KeyState } from "../../lib/key-lifecycle/classify-keys.ts";
import type { SecretState } from "../../lib/key-lifecycle/secret-store.ts";
import type { KeyIdentity, SecretSnapshot } from "../../lib/key-lifecycle/snapshot.ts";
import type { Snapshot } from "../../lib/key-lifecycle/take-snapshot.ts";
import { examineSecrets } from "../../lib/reconciliation/examine-secrets.ts";
import type { Key } from "../../lib/voximplant/methods.ts";
import { serviceAccount } from "../fakes/policy.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const DAY = 86_400_000;
const GRACE = 2 * 3_600_000;
const current: KeyIdentity = { keyId: "k1", accountId: 7 };

interface SecretFields extends Omit<Partial<SecretSnapshot>, "state"> {
  readonly state?: Partial<SecretState>;
}

const keyOf = (keyId: string): Key => ({ key_id: keyId, key_name: null, description: null });

/** A secret with a current key; nothing about it is late. */
function secret({ state, ...fields }: SecretFields = {}): SecretSnapshot {
  return {
    serviceAccount: "calls",
    keys: new Map([["v1", current]]),
    createdAt: new Map([["v1", NOW]]),
    unreadable: [],
    ...fields,
    state: {
      arn: "arn",
      name: "voximplant/calls",
      rotationEnabled: true,
      rotationDays: 30,
      lastChangedAt: NOW,
      stages: new Map([["v1", new Set(["AWSCURRENT"])]]),
      replicas: [],
      tags: new Map(),
      ...state,
    },
  };
}

interface Around {
  readonly listed?: readonly string[] | undefined;
  /** By key id. Default: current. */
  readonly states?: ReadonlyMap<string, KeyState>;
  readonly refused?: Snapshot["refused"];
  readonly accountId?: number;
  readonly replicaRegions?: readonly string[];
}

function examine(one: SecretSnapshot, around: Around = {}) {
  const {
    listed = ["k1"],
    states = new Map<string, KeyState>(),
    refused = new Map(),
    accountId,
    replicaRegions,
  } = around;
  const inUse: KeyState = { state: "current", serviceAccount: "calls" };
  const account = {
    accountId: 7,
    keys: listed.map((keyId) => ({ key: keyOf(keyId), state: states.get(keyId) ?? inUse })),
  };
  const accounts = "listed" in around && around.listed === undefined ? [] : [account];
  const policy = {
    serviceAccounts: [serviceAccount("history"), serviceAccount("calls", accountId ? { accountId } : {})],
    grants: [],
  };
  const ports = { now: () => NOW, graceMs: GRACE, replicaRegions };
  return examineSecrets(ports, policy, { secrets: [one], accounts, refused });
}

const details = (one: SecretSnapshot, around?: Around) =>
  examine(one, around).map(({ reason, action, serviceAccount: name, detail }) => {
    expect({ action, name }).toEqual({ action: "reported", name: "calls" });
    return [reason, detail];
  });

it("a secret with a current key that works, and nothing late, has no finding", () => {
  expect(examine(secret())).toEqual([]);
});

describe("a version that cannot be read", () => {
  const unreadable = (labels: string[], error: Error = new CredentialsFileError("file: not JSON.")) =>
    secret({ keys: new Map(), unreadable: [{ versionId: "v1", labels, error }] });
  it.each([
    [
      ["AWSCURRENT", "AWSPENDING"],
      "(AWSCURRENT, AWSPENDING) cannot be read: file: not JSON. Every token of calls fails. Import the right file: " +
        "`voxtoken admin import FILE --service-account calls`.",
    ],
    [
      ["AWSPENDING"],
      "(AWSPENDING) cannot be read: file: not JSON. Other keys are still examined. If it was stored by mistake, take " +
        "its label off: `aws secretsmanager update-secret-version-stage --secret-id voximplant/calls " +
        "--version-stage AWSPENDING --remove-from-version-id v1`.",
    ],
    [
      [],
      "cannot be read: file: not JSON. Other keys are still examined. If this is reported again: " +
        "docs/runbook.md#an-unreadable-version.",
    ],
  ])("with the labels %j is reported with what helps", (labels, detail) => {
    expect(details(unreadable(labels))).toEqual([
      ["unreadable_version", `Version v1 of secret voximplant/calls ${detail}`],
    ]);
  });
});

it("a current version that cannot be read for another reason is reported without the advice to import a file", () => {
  const detail =
    "Version v1 of secret voximplant/calls (AWSCURRENT) cannot be read: AccessDenied. If vend-token cannot read it " +
    "either, callers get no token: docs/runbook.md#key-unavailable.";
  const one = secret({
    keys: new Map(),
    unreadable: [{ versionId: "v1", labels: ["AWSCURRENT"], error: new Error("AccessDenied.") }],
  });
  expect(details(one)).toEqual([["unreadable_version", detail]]);
});

describe("a current key", () => {
  const message = (seen: string) =>
    `Tokens are signed with key k1, and the platform ${seen} If the key was deleted: Import one`;

  it("that the platform does not list is reported as missing", () => {
    const [[reason, detail] = []] = details(secret(), { listed: ["another"] });
    expect(reason).toBe("current_key_missing");
    expect(detail).toContain(message("does not list it."));
  });

  it("that the platform refuses is reported with its answer, even if its account cannot be listed", () => {
    const refused = new Map([
      ["k0", new Error("other")],
      ["k1", new Error("error 433.")],
    ]);
    const [[reason, detail] = []] = details(secret(), { listed: undefined, refused });
    expect(reason).toBe("current_key_missing");
    expect(detail).toContain(message("refuses it: error 433."));
  });

  it("is not reported while its account cannot be listed for another reason", () => {
    expect(examine(secret(), { listed: undefined })).toEqual([]);
  });

  it("of another account than grants.yml names is reported", () => {
    const [[reason, detail] = []] = details(secret(), { accountId: 8 });
    expect(reason).toBe("wrong_account");
    expect(detail).toMatch(/8.*\. Find out who stored it: docs\/runbook\.md#wrong-account\.$/);
  });

  it("that is not there yet is not reported", () => {
    const none = secret({ keys: new Map(), state: { stages: new Map(), lastChangedAt: NOW - 3 * DAY } });
    expect(examine(none, { accountId: 8, replicaRegions: ["eu-west-1"] })).toEqual([]);
  });
});

describe("a key that rotation should have replaced", () => {
  const aged = (days: number, state: Partial<SecretState> = {}) =>
    secret({ createdAt: new Map([["v1", NOW - days * DAY]]), state });

  it("is reported once it is older than two rotation periods", () => {
    expect(examine(aged(60))).toEqual([]);
    expect(details(aged(60.5))).toEqual([
      [
        "key_overdue",
        "The current key of voximplant/calls is 60 days old, but rotation is due every 30 days. See why with " +
          "`aws secretsmanager describe-secret --secret-id voximplant/calls`, then run " +
          "`voxtoken admin rotate calls`.",
      ],
    ]);
  });

  it.each<[string, SecretSnapshot]>([
    ["rotation is switched off", aged(100, { rotationEnabled: false })],
    ["rotation was never configured", aged(100, { rotationEnabled: undefined })],
    ["the schedule is not a rate", aged(100, { rotationDays: undefined })],
    ["its age is not known", secret({ createdAt: new Map() })],
    ["there is no current version", aged(100, { stages: new Map() })],
  ])("is not reported if %s", (_, one) => {
    expect(examine(one)).toEqual([]);
  });
});

describe("a superseded key whose grace starts again and again, because its secret changes often,", () => {
  const keys = new Map(["k0", "k1", "k2"].map((keyId, n) => [`v${n}`, { keyId, accountId: 7 }]));
  const stages = new Map([["v2", new Set(["AWSCURRENT"])]]);
  /** k0 was superseded by k1 so long ago, k1 by k2 just now. */
  const rotatedAgain = (ago: number) =>
    secret({
      keys,
      createdAt: new Map([
        ["v0", NOW - 30 * DAY],
        ["v1", NOW - ago],
        ["v2", NOW],
      ]),
      state: { stages },
    });
  const superseded = (retireAt: number): Around => {
    const state: KeyState = { state: "superseded", serviceAccount: "calls", retireAt };
    return { listed: ["k0", "k1", "k2"], states: new Map(["k0", "k1"].map((keyId) => [keyId, state])) };
  };

  it("is reported a day after its grace should have ended", () => {
    expect(examine(rotatedAgain(GRACE + DAY), superseded(NOW + GRACE))).toEqual([]);
    expect(examine(rotatedAgain(GRACE + DAY + 1), superseded(NOW + GRACE))).toEqual([
      {
        reason: "key_overdue",
        action: "reported",
        serviceAccount: "calls",
        key: keyOf("k0"),
        detail:
          "Another key was stored at 2026-11-23T09:59:59.999Z, and this superseded key is not deleted yet, because " +
          "voximplant/calls was changed at 2026-11-24T12:00:00.000Z. Each change starts the grace of 120 minutes " +
          "again. After a second rollback this is expected. Otherwise find in CloudTrail what changes the secret so often.",
      },
    ]);
  });

  it.each<[string, SecretSnapshot, number]>([
    ["this run deletes it", rotatedAgain(3 * DAY), NOW],
    ["another finding says why it is kept", rotatedAgain(3 * DAY), Infinity],
    ["its age is not known", { ...rotatedAgain(3 * DAY), createdAt: new Map() }, NOW + GRACE],
  ])("is not reported if %s", (_, one, retireAt) => {
    expect(examine(one, superseded(retireAt))).toEqual([]);
  });
});

describe("a superseded key that grants.yml lists as unmanaged", () => {
  const replaced = (ago: number) =>
    secret({
      keys: new Map([
        ["v0", { keyId: "k0", accountId: 7 }],
        ["v1", current],
      ]),
      createdAt: new Map([
        ["v0", NOW - 30 * DAY],
        ["v1", NOW - ago],
      ]),
    });
  const around: Around = { listed: ["k0", "k1"], states: new Map([["k0", { state: "unmanaged" }]]) };

  it("is reported a day after its grace, because it is never deleted", () => {
    expect(examine(replaced(GRACE + DAY), around)).toEqual([]);
    expect(examine(replaced(GRACE + DAY + 1), around)).toEqual([
      {
        reason: "key_overdue",
        action: "reported",
        serviceAccount: "calls",
        key: keyOf("k0"),
        detail:
          "Another key has replaced this key in voximplant/calls. This key still works, and is not deleted, because " +
          "unmanagedKeys in grants.yml lists it. Remove it from the list, and reconciliation deletes it. If something " +
          "else uses this key, create another key for it first.",
      },
    ]);
  });

  it("is not reported if no secret holds it", () => {
    const one = secret({ createdAt: new Map([["v1", NOW - 10 * DAY]]) });
    expect(examine(one, around)).toEqual([]);
  });
});

describe("a rotation that has not ended", () => {
  const stages = (pending: readonly string[] = ["AWSPENDING"]) =>
    new Map([
      ["v1", new Set(["AWSCURRENT"])],
      ["v2", new Set(pending)],
    ]);
  const since = (days: number) =>
    new Map([
      ["v1", NOW - 20 * DAY],
      ["v2", NOW - days * DAY],
    ]);
  const stuck = (held: string, days = 2) =>
    `A rotation of voximplant/calls has not ended for ${days} days: version v2 is still AWSPENDING and holds ${held}. ` +
    "Continue it with `voxtoken admin rotate calls`. The log of rotate-key says why it stopped.";

  it("for a day is reported, with the key that it holds", () => {
    const keys = new Map([
      ["v1", current],
      ["v2", { keyId: "k2", accountId: 7 }],
    ]);
    const one = (days: number) => secret({ keys, createdAt: since(days), state: { stages: stages() } });
    expect(examine(one(1))).toEqual([]);
    expect(details(one(2.9))).toEqual([["rotation_stuck", stuck("key k2")]]);
  });

  it("is reported by the secret's last change if AWS does not list its empty version", () => {
    const createdAt = new Map([["v1", NOW - 20 * DAY]]);
    const state = { stages: stages(), lastChangedAt: NOW - 2 * DAY };
    expect(details(secret({ createdAt, state }))).toEqual([["rotation_stuck", stuck("no key")]]);
  });

  it("is not reported if its version was current before: rotate-key takes the label off", () => {
    const one = secret({ createdAt: since(2), state: { stages: stages(["AWSPENDING", "AWSPREVIOUS"]) } });
    expect(examine(one)).toEqual([]);
  });
});

describe("a replica", () => {
  const why =
    " Functions there may use an old key, and no superseded key is deleted while a copy is behind. See why with " +
    "`aws secretsmanager describe-secret --secret-id voximplant/calls --query ReplicationStatus`.";
  const replicas = [
    { region: "eu-west-1", inSync: true },
    { region: "eu-west-2", inSync: false },
    { region: "eu-west-3", inSync: false, problem: "no KMS key" },
  ];

  it("that failed is reported at once, with AWS's reason", () => {
    expect(details(secret({ state: { replicas } }), { replicaRegions: ["ap-south-1"] })).toEqual([
      ["replica_behind", `The copy of voximplant/calls in eu-west-3 failed: no KMS key.${why}`],
    ]);
  });

  it("that is behind or missing is reported a day after the last change", () => {
    const one = (age: number) =>
      secret({ state: { replicas: replicas.slice(0, 2), lastChangedAt: NOW - age } });
    const around = { replicaRegions: ["eu-west-1", "ap-south-1"] };
    expect(examine(one(DAY), around)).toEqual([]);
    expect(details(one(DAY + 1), around)).toEqual([
      [
        "replica_behind",
        "The copy of voximplant/calls in eu-west-2 has been behind for over a day. " +
          `voximplant/calls has no copy in ap-south-1.${why}`,
      ],
    ]);
  });

  it("is not expected in a deployment of one region", () => {
    expect(examine(secret({ state: { lastChangedAt: NOW - 2 * DAY } }))).toEqual([]);
  });
});
