import { beforeEach, describe, expect, it } from "vitest";

import type { Log } from "../../lib/audit/log.ts";
import type { Policy } from "../../lib/grants/policy.ts";
import type { ReadSecret } from "../../lib/key-lifecycle/snapshot.ts";
import { examineChildren, type ParentKey } from "../../lib/reconciliation/examine-children.ts";
import { VoximplantError, VoximplantUnavailableError } from "../../lib/voximplant/errors.ts";
import type { Key } from "../../lib/voximplant/methods.ts";
import { grant, roleArn, serviceAccount } from "../fakes/policy.ts";
import { GRACE_MS } from "../key-lifecycle/world.ts";

let clock: number;
let asked: string[];
let logged: Parameters<Log>[];
beforeEach(() => {
  clock = 0;
  asked = [];
  logged = [];
});

const key = (id: string): Key => ({ key_id: id, key_name: null, description: null });

/** A service account's key. `answer` is what a child account answers to GetKeys. */
function parentKey(name: string, answer: (accountId: number) => Key[]): ParentKey {
  return {
    apiOf: (accountId) => ({
      getKeys: () => {
        asked.push(`${name} ${accountId}`);
        return new Promise<Key[]>((resolve) => {
          resolve(answer(accountId));
        });
      },
    }),
  };
}

interface Setting {
  readonly unmanaged?: readonly string[];
  /** The keys in each secret, once the child accounts are listed. */
  readonly inSecret?: readonly string[];
  /** A version of each secret that cannot be read. */
  readonly unreadable?: string;
  /** For each Voximplant account, from 1 on, the service accounts with a working key. */
  readonly ofAccounts?: readonly (readonly string[])[];
}

/** The ports, with the same keys in each secret. */
function portsWith({ inSecret = [], unreadable }: Setting) {
  const log: Log = (...line) => void logged.push(line);
  const readSecret: ReadSecret = ({ name }) =>
    Promise.resolve({
      serviceAccount: name,
      state: {
        arn: `arn:${name}`,
        name: `voximplant/${name}`,
        rotationEnabled: true,
        rotationDays: 30,
        lastChangedAt: 0,
        stages: new Map(),
        replicas: [],
        tags: new Map(),
      },
      createdAt: new Map(),
      keys: new Map(inSecret.map((keyId) => [`version of ${keyId}`, { keyId, accountId: 1 }])),
      unreadable:
        unreadable === undefined ? [] : [{ versionId: unreadable, labels: ["AWSCURRENT"], error: "" }],
    });
  return { log, readSecret, now: () => clock, graceMs: GRACE_MS };
}

/** @param children the child accounts that a grant gives for each service account */
function examine(
  children: Readonly<Record<string, readonly number[]>>,
  answer: (accountId: number) => Key[] = () => [],
  setting: Setting = {},
) {
  const { unmanaged = [], ofAccounts = [Object.keys(children)] } = setting;
  const names = Object.keys(children);
  const policy: Policy = {
    serviceAccounts: names.map((name) => serviceAccount(name, { unmanagedKeys: unmanaged })),
    grants: names.map((name) =>
      grant([roleArn("worker")], [name], { childAccountIds: children[name] ?? [] }),
    ),
  };
  const accounts = ofAccounts.map((members, index) => ({
    accountId: index + 1,
    current: new Map(members.map((name) => [name, parentKey(name, answer)])),
  }));
  return examineChildren(portsWith(setting), policy, { accounts });
}

describe("the keys of child accounts", () => {
  it("are reported with the account, the key, and what to do", async () => {
    expect(await examine({ calls: [7] }, () => [key("stranger")])).toEqual([
      {
        reason: "unknown_key",
        action: "reported",
        serviceAccount: "calls",
        accountId: 7,
        key: key("stranger"),
        detail:
          "Child account 7 has this key, and no secret holds it. If someone uses it on purpose, list it under " +
          "unmanagedKeys in grants.yml. Otherwise delete it in that account: docs/runbook.md#unknown-keys.",
      },
    ]);
  });

  it("are not reported if a secret holds them, or grants.yml lists them as unmanaged", async () => {
    const keys = ["ours", "theirs", "stranger"].map(key);
    const findings = await examine({ calls: [7] }, () => keys, { inSecret: ["ours"], unmanaged: ["theirs"] });
    expect(findings.map((finding) => finding.key?.key_id)).toEqual(["stranger"]);
  });

  it("are reported as undetermined if a secret that cannot be read may hold them", async () => {
    const findings = await examine({ calls: [7] }, () => [key("k")], { unreadable: "v1" });
    expect(findings).toEqual([
      {
        reason: "undetermined_key",
        action: "reported",
        serviceAccount: "calls",
        accountId: 7,
        key: key("k"),
        detail:
          "Child account 7 has this key. No readable secret holds it, but a secret that cannot be read may hold it. " +
          "Do not delete the key until every secret can be read: see `voxtoken admin keys`.",
      },
    ]);
  });

  it("are not listed here if a service account of the child account has a key that works", async () => {
    expect(await examine({ calls: [2] }, () => [key("k")], { ofAccounts: [["calls"], []] })).toEqual([]);
    expect(asked).toEqual([]);
  });

  it("are listed once, although two service accounts may use the child account", async () => {
    await examine({ calls: [7], history: [7, 8] });
    expect(asked).toEqual(["calls 7", "history 8"]);
  });

  it("are listed with a key of the account whose service account the grant names", async () => {
    await examine({ calls: [7], history: [8] }, undefined, { ofAccounts: [["history"], ["calls"]] });
    expect(asked).toEqual(["history 8", "calls 7"]);
  });

  it("are not listed if no key of the service account works", async () => {
    expect(await examine({ calls: [7] }, undefined, { ofAccounts: [] })).toEqual([]);
    expect(asked).toEqual([]);
  });
});

describe("a child account that cannot be listed", () => {
  it.each([100, 433, 104])("is logged, not reported, if the platform refuses with %i", async (code) => {
    const refuse = () => {
      throw new VoximplantError("GetKeys", code, "no");
    };
    expect(await examine({ calls: [7] }, refuse)).toEqual([]);
    expect(logged).toEqual([
      [
        "info",
        expect.stringMatching(
          new RegExp(`^Child account 7 was not examined\\. Voximplant refused GetKeys \\(error ${code}\\)`),
        ),
        { serviceAccount: "calls" },
      ],
    ]);
  });

  it("is reported with its account if the platform fails, and the next one is examined", async () => {
    const answer = (accountId: number) => {
      if (accountId === 7) throw new VoximplantUnavailableError("GetKeys", "HTTP 500");
      return [key("stranger")];
    };
    expect(await examine({ calls: [7, 8] }, answer)).toMatchObject([
      { reason: "not_examined", serviceAccount: "calls", accountId: 7 },
      { reason: "unknown_key", accountId: 8 },
    ]);
    expect(logged).toEqual([]);
  });
});

describe("many child accounts", () => {
  const answerLate = () => {
    clock += 15_000;
    return [];
  };

  it("are examined for 45 s, and the log says how many are left", async () => {
    await examine({ calls: [11, 12, 13, 14, 15] }, answerLate);
    expect(asked).toHaveLength(3);
    expect(logged).toEqual([["info", "2 child accounts are left for the next runs."]]);
  });

  it.each([15, 30, 60])("begin with any of them in a run every %i minutes", async (minutes) => {
    const runs: string[][] = [];
    for (const [run, milliseconds] of [300, 481, 814, 95].entries()) {
      clock = run * minutes * 60_000 + milliseconds;
      asked = [];
      await examine({ calls: [11, 12, 13, 14] });
      runs.push(asked.map((one) => one.replace("calls ", "")));
    }
    expect(runs).toEqual([
      ["11", "12", "13", "14"],
      ["12", "13", "14", "11"],
      ["13", "14", "11", "12"],
      ["14", "11", "12", "13"],
    ]);
  });
});

describe("a child account of two service accounts", () => {
  const listChild = (ofFirst: Error, ofSecond: Error | Key[]) => {
    const answerWith = (answer: Error | Key[]) => () => {
      if (answer instanceof Error) throw answer;
      return answer;
    };
    const current = new Map([
      ["a", parentKey("a", answerWith(ofFirst))],
      ["b", parentKey("b", answerWith(ofSecond))],
    ]);
    const grants = ["a", "b"].map((name) => grant([roleArn("worker")], [name], { childAccountIds: [7] }));
    const policy: Policy = { serviceAccounts: ["a", "b"].map((name) => serviceAccount(name)), grants };
    return examineChildren(portsWith({}), policy, { accounts: [{ accountId: 1, current }] });
  };
  const forbidden = new VoximplantError("GetKeys", 104, "no");
  const outage = new VoximplantUnavailableError("GetKeys", "outage");

  it("is listed with the second key if the first may not list it", async () => {
    expect(await listChild(forbidden, [key("evil")])).toMatchObject([
      { reason: "unknown_key", serviceAccount: "b", accountId: 7 },
    ]);
    expect(asked).toEqual(["a 7", "b 7"]);
    expect(logged).toEqual([]);
  });

  it("is a finding if the first may not list it, and the platform does not answer the second", async () => {
    const findings = await listChild(forbidden, outage);
    expect(findings).toMatchObject([{ reason: "not_examined", serviceAccount: "b" }]);
  });

  it("is a finding, and the second key is not tried, if the platform does not answer", async () => {
    const findings = await listChild(outage, [key("evil")]);
    expect(findings).toMatchObject([{ reason: "not_examined", serviceAccount: "a" }]);
    expect(asked).toEqual(["a 7"]);
  });

  it("is logged if neither may list it", async () => {
    expect(await listChild(forbidden, forbidden)).toEqual([]);
    expect(logged).toHaveLength(1);
  });
});
