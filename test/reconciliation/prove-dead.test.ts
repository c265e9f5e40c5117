import { beforeEach, describe, expect, it } from "vitest";

import type { AccountKey } from "../../lib/key-lifecycle/account-key.ts";
import { SETTLING_PAUSES_MS } from "../../lib/key-lifecycle/settle.ts";
import { lookInAccounts, proveDead } from "../../lib/reconciliation/prove-dead.ts";
import { VoximplantError } from "../../lib/voximplant/errors.ts";
import type { ManagementApi } from "../../lib/voximplant/methods.ts";

let clock: number;
let pauses: number[];
beforeEach(() => {
  clock = 0;
  pauses = [];
});

/** A key whose n-th call of a method answers as the list of outcomes says; the last one repeats. */
function keyThat(
  keyId: string,
  calls: {
    readonly getKeys?: readonly (readonly string[] | Error)[];
    readonly getAccountInfo?: readonly ("accepted" | Error)[];
  },
): AccountKey {
  const play = <T>(outcomes: readonly (T | Error)[] = [new Error("not expected")]) => {
    let n = 0;
    return () => {
      const outcome = outcomes[Math.min(n++, outcomes.length - 1)];
      return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome as T);
    };
  };
  const listed = play(calls.getKeys);
  const info = play(calls.getAccountInfo);
  const api = {
    getKeys: async () => (await listed()).map((key_id) => ({ key_id, key_name: null, description: null })),
    getAccountInfo: () => info().then(() => ({ account_id: 1 })),
  } as unknown as ManagementApi;
  return { keyId, accountId: 1, api, apiOf: () => api };
}

const refused = (code: number) => new VoximplantError("GetAccountInfo", code, "no");
const deadKey = keyThat("leaked", { getAccountInfo: [refused(433)] });
const prove = (
  signers: readonly AccountKey[],
  leaked: AccountKey | undefined,
  sleep = (milliseconds: number) => {
    clock += milliseconds;
  },
) =>
  proveDead(
    {
      now: () => clock,
      sleep: (milliseconds) => {
        pauses.push(milliseconds);
        sleep(milliseconds);
        return Promise.resolve();
      },
    },
    signers,
    leaked,
    "leaked",
  );

describe("a key is proved dead", () => {
  it.each([100, 433, 447])(
    "if the platform lists the others without it, and refuses its token with %i",
    async (code) => {
      const leaked = keyThat("leaked", { getAccountInfo: [refused(code)] });
      expect(await prove([keyThat("new", { getKeys: [["new", "other"]] })], leaked)).toEqual([
        { step: "list", ok: true, seen: "the platform no longer lists it (asked with key new)" },
        { step: "token", ok: true, seen: `the platform refuses a token of it (error ${code})` },
      ]);
      expect(pauses).toEqual([]);
    },
  );

  it("if both answers come after some seconds", async () => {
    const signer = keyThat("new", { getKeys: [["leaked"], []] });
    const leaked = keyThat("leaked", { getAccountInfo: ["accepted", "accepted", refused(433)] });
    expect((await prove([signer], leaked)).map(({ ok }) => ok)).toEqual([true, true]);
    expect(pauses).toEqual([1_000, 2_000]);
  });

  it("with the next signer if the platform refuses the first", async () => {
    const broken = keyThat("broken", { getKeys: [new Error("no answer")] });
    expect(await prove([broken, keyThat("new", { getKeys: [[]] })], deadKey)).toMatchObject([
      { ok: true, seen: "the platform no longer lists it (asked with key new)" },
      { ok: true },
    ]);
  });
});

describe("a key is not proved dead", () => {
  it("while the platform lists it, or accepts its token; it is asked for a minute", async () => {
    const signer = keyThat("new", { getKeys: [["new", "leaked"]] });
    const leaked = keyThat("leaked", { getAccountInfo: ["accepted"] });
    expect(await prove([signer], leaked)).toEqual([
      { step: "list", ok: false, seen: "the platform still lists it (asked with key new)" },
      { step: "token", ok: false, seen: "the platform still accepts a token of it" },
    ]);
    expect(pauses).toEqual([...SETTLING_PAUSES_MS]);
  });

  it("by an outage: both failures are shown", async () => {
    const signers = ["one", "two"].map((name) => keyThat(name, { getKeys: [new Error(`${name}: outage.`)] }));
    const leaked = keyThat("leaked", { getAccountInfo: [new Error("outage")] });
    expect(await prove(signers, leaked)).toEqual([
      { step: "list", ok: false, seen: "one: outage. two: outage." },
      { step: "token", ok: false, seen: "outage" },
    ]);
  });

  it("by another refusal of its token, such as a missing role", async () => {
    const leaked = keyThat("leaked", { getAccountInfo: [refused(104)] });
    expect((await prove([keyThat("new", { getKeys: [[]] })], leaked))[1]).toMatchObject({
      ok: false,
      seen: expect.stringContaining("error 104") as string,
    });
  });

  it("without its private key", async () => {
    expect((await prove([keyThat("new", { getKeys: [[]] })], undefined))[1]).toEqual({
      step: "token",
      ok: false,
      seen: "no readable version of a secret holds its private key, so no token of it can be tried",
    });
  });

  it("without another key to ask with, which no waiting changes", async () => {
    expect(await prove([], deadKey)).toMatchObject([
      { ok: false, seen: "there is no other key of this Voximplant account to ask with" },
      { ok: true },
    ]);
    expect(pauses).toEqual([]);
  });

  it("without another key, while its token is still accepted: that may change", async () => {
    const leaked = keyThat("leaked", { getAccountInfo: ["accepted", refused(433)] });
    expect(await prove([], leaked)).toMatchObject([{ ok: false }, { ok: true }]);
    expect(pauses).toEqual([1_000]);
  });
});

it("no request begins two minutes after the first, so that time is left for the report", async () => {
  const signer = keyThat("new", { getKeys: [["leaked"]] });
  const [list] = await prove([signer], deadKey, () => {
    clock += 60_000;
  });
  expect(list?.ok).toBe(false);
  expect(pauses).toEqual([1_000, 2_000]);
});

describe("in another Voximplant account", () => {
  const look = (getKeys: readonly string[] | Error, isDeleted: boolean) =>
    lookInAccounts([keyThat("other", { getKeys: [getKeys] })], "leaked", isDeleted);

  it.each([true, false])(
    "a listed key is not dead, whether the platform said it deleted one: %s",
    async (said) => {
      expect(await look(["other", "leaked"], said)).toEqual([
        { step: "list", ok: false, seen: "account 1 still lists it (asked with key other)" },
      ]);
    },
  );

  it.each([true, false])("a list without it speaks against nothing: %s", async (said) => {
    expect(await look(["other"], said)).toEqual([]);
  });

  it("no answer leaves it open whether a key is dead that the platform did not delete", async () => {
    expect(await look(new Error("outage"), false)).toEqual([
      { step: "list", ok: false, seen: "it may be in account 1: outage" },
    ]);
  });

  it("no answer speaks against nothing once the platform has deleted the key", async () => {
    expect(await look(new Error("outage"), true)).toEqual([]);
  });
});
