import { beforeEach, describe, expect, it } from "vitest";

import type { AccountKey } from "../../lib/key-lifecycle/account-key.ts";
import type { ReplacementPorts } from "../../lib/reconciliation/replace-key.ts";
import type { CurrentKey } from "../../lib/reconciliation/revocation-keys.ts";
import { findWithoutKey, readCurrentKeysAfter } from "../../lib/reconciliation/working-keys.ts";
import { VoximplantError } from "../../lib/voximplant/errors.ts";
import type { ManagementApi } from "../../lib/voximplant/methods.ts";
import { serviceAccount } from "../fakes/policy.ts";

const calls = serviceAccount("calls", { accountId: 1 });
const history = serviceAccount("history", { accountId: 1 });
const policy = { serviceAccounts: [calls, history], grants: [] };

/** @param failure what the platform answers to a call with this key. Default: it accepts it. */
function keyOf(keyId: string, failure?: Error): AccountKey {
  const api = {
    getAccountInfo: () =>
      failure === undefined ? Promise.resolve({ account_id: 1 }) : Promise.reject(failure),
  } as unknown as ManagementApi;
  return { keyId, accountId: 1, api, apiOf: () => api };
}

const currentKey = (account: typeof calls, key: AccountKey): CurrentKey => ({
  serviceAccount: account,
  version: { versionId: "v", value: key.keyId, createdAt: 0 },
  key,
});

describe("the current keys after a deletion", () => {
  let events: string[];
  beforeEach(() => {
    events = [];
  });

  /** @param current by secret: the ids of the keys that its reads return; the last one repeats */
  async function read(current: Readonly<Record<string, readonly string[]>>) {
    const unexpected = () => Promise.reject(new Error("not expected"));
    const reads = new Map<string, number>();
    const ports: ReplacementPorts = {
      store: {
        describe: unexpected,
        listVersions: unexpected,
        readVersion: unexpected,
        putVersion: unexpected,
        moveStage: unexpected,
        tag: unexpected,
        readCurrent: (secret) => {
          events.push(`read ${secret}`);
          const n = reads.get(secret) ?? 0;
          reads.set(secret, n + 1);
          const value = current[secret]?.at(n) ?? current[secret]?.at(-1) ?? "";
          return Promise.resolve({ versionId: "v", value, createdAt: 0 });
        },
      },
      readSecret: unexpected,
      openKey: (file) => Promise.resolve(keyOf(file)),
      newId: () => "not expected",
      log: () => undefined,
      now: () => 0,
      sleep: (milliseconds) => {
        events.push(`wait ${milliseconds} ms`);
        return Promise.resolve();
      },
    };
    const { found } = await readCurrentKeysAfter(ports, policy, "leaked");
    return found.map(({ serviceAccount: { name }, key }) => `${name}: ${key.keyId}`);
  }
  const readBoth = ["read voximplant/calls", "read voximplant/history"];

  it("are read once, after a wait, if the deleted key is not among them", async () => {
    const found = await read({ "voximplant/calls": ["new"], "voximplant/history": ["other"] });
    expect(found).toEqual(["calls: new", "history: other"]);
    expect(events).toEqual(["wait 7000 ms", ...readBoth]);
  });

  it("are read again while the deleted key is one of them", async () => {
    const found = await read({ "voximplant/calls": ["leaked", "new"], "voximplant/history": ["other"] });
    expect(found).toEqual(["calls: new", "history: other"]);
    expect(events).toEqual(["wait 7000 ms", ...readBoth, "wait 1000 ms", ...readBoth]);
  });

  it("include the deleted key if it is still current after another 7 s", async () => {
    const found = await read({ "voximplant/calls": ["new"], "voximplant/history": ["leaked"] });
    expect(found).toEqual(["calls: new", "history: leaked"]);
    expect(events.filter((event) => event.startsWith("wait"))).toEqual(
      [7_000, 1_000, 2_000, 4_000].map((pause) => `wait ${pause} ms`),
    );
  });
});

describe("after a revocation, a service account", () => {
  // The platform may accept a deleted key for some seconds.
  const leaked = keyOf("leaked");
  const works = keyOf("works");
  const refused = keyOf("refused", new VoximplantError("GetAccountInfo", 433, "no"));
  const silent = keyOf("silent", new Error("socket hang up"));

  interface Keys {
    /** Its current key before the deletion, and after it. Absent: not read. */
    readonly was?: AccountKey;
    readonly is?: AccountKey;
    /** Its new key. */
    readonly next?: AccountKey;
    /** Whether an absent key could not be read. If not, its secret holds no key. Default: true. */
    readonly unreadable?: boolean;
  }

  /** The operator named `calls`. The keys of the service account that is not `of` work. */
  async function find(of: typeof calls, { was, is, next, unreadable = true }: Keys) {
    const other = of === calls ? history : calls;
    const keysOf = (key: AccountKey | undefined) => ({
      found: [currentKey(other, keyOf("unaffected")), ...(key === undefined ? [] : [currentKey(of, key)])],
      unreadable: new Set(key === undefined && unreadable ? [of.name] : []),
    });
    return findWithoutKey(policy, {
      deletedId: "leaked",
      named: "calls",
      before: keysOf(was),
      after: keysOf(is),
      replacements: new Map(next === undefined ? [] : [[of.secret, next]]),
    });
  }

  it.each<[string, Keys]>([
    ["its current key was replaced, and the new one works", { was: leaked, is: works, next: works }],
    ["another key than the new one is current, and both work", { was: leaked, is: keyOf("x"), next: works }],
    ["its new key works, and its current key cannot be read", { was: leaked, next: works }],
    ["a rotation replaced its current key", { was: leaked, is: works }],
    ["the platform does not say whether its key works", { was: leaked, is: silent, next: silent }],
    ["its current key is another one", { was: works, is: works }],
  ])("has a working key if %s", async (_, keys) => {
    for (const of of [calls, history]) expect(await find(of, keys)).toEqual({ withoutKey: [], unread: [] });
  });

  it.each<[string, Keys]>([
    ["its current key is still the deleted one", { was: leaked, is: leaked }],
    ["the deleted key became its current key", { was: works, is: leaked }],
    ["the deleted key became current again after the replacement", { was: leaked, is: leaked, next: works }],
    ["its current key was not read before, and is the deleted one", { is: leaked }],
    ["its new key was deleted", { was: leaked, is: refused, next: refused }],
    ["its new key was deleted, and its current key cannot be read", { was: leaked, next: refused }],
    ["its new key was deleted, although its current key works", { was: leaked, is: works, next: refused }],
    ["its current key was deleted, although its new key works", { was: leaked, is: refused, next: works }],
    ["its current key was the deleted one, and cannot be read now", { was: leaked }],
  ])("is without a working key if %s", async (_, keys) => {
    for (const of of [calls, history])
      expect(await find(of, keys)).toEqual({ withoutKey: [of.name], unread: [] });
  });

  it("is without a working key if the operator named it, and its key is of another account than grants.yml names", async () => {
    const foreign = { ...works, accountId: 2 };
    expect(await find(calls, { was: foreign, is: foreign })).toEqual({ withoutKey: ["calls"], unread: [] });
    expect(await find(calls, { was: leaked, is: foreign })).toEqual({ withoutKey: ["calls"], unread: [] });
    expect(await find(history, { was: foreign, is: foreign })).toEqual({ withoutKey: [], unread: [] });
  });

  it("has no deleted key if its secret holds no key at all", async () => {
    expect(await find(history, { unreadable: false })).toEqual({ withoutKey: [], unread: [] });
  });

  it("is without a working key if the operator named it, and another key than the deleted one is refused", async () => {
    expect(await find(calls, { was: refused, is: refused })).toEqual({ withoutKey: ["calls"], unread: [] });
    expect(await find(history, { was: refused, is: refused })).toEqual({ withoutKey: [], unread: [] });
  });

  it.each<[string, Keys, ofNamed: "works" | "without a key"]>([
    ["was not read before the deletion", { is: works }, "works"],
    ["was read before the deletion, and not after it", { was: works }, "without a key"],
    ["was read neither before nor after the deletion", {}, "without a key"],
  ])(
    "may have the deleted key if its current key %s; the one that the operator named does not count as unread",
    async (_, keys, ofNamed) => {
      expect(await find(history, keys)).toEqual({ withoutKey: [], unread: ["history"] });
      const withoutKey = ofNamed === "works" ? [] : ["calls"];
      expect(await find(calls, keys)).toEqual({ withoutKey, unread: [] });
    },
  );
});
