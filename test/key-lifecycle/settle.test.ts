import { describe, expect, it } from "vitest";

import { isUnknownKey, readUntil, settle } from "../../lib/key-lifecycle/settle.ts";
import { VoximplantError } from "../../lib/voximplant/errors.ts";

/** A clock that only `sleep` moves, and the pauses so far. */
function startClock() {
  const pauses: number[] = [];
  let time = 0;
  const sleep = (milliseconds: number) => {
    pauses.push(milliseconds);
    time += milliseconds;
    return Promise.resolve();
  };
  return { pauses, sleep, now: () => time };
}

/** Fails until it was called `calls` times. */
function succeedAt(calls: number) {
  let made = 0;
  return () => (++made < calls ? Promise.reject(new Error(`attempt ${made}`)) : Promise.resolve(made));
}

describe("settle", () => {
  it("repeats an attempt until it succeeds", async () => {
    const { pauses, sleep } = startClock();
    expect(await settle(succeedAt(4), () => true, { sleep })).toBe(4);
    expect(pauses).toEqual([1_000, 2_000, 4_000]);
  });

  it("gives up after a minute, with the error of the last attempt", async () => {
    const { pauses, sleep, now } = startClock();
    await expect(settle(succeedAt(9), () => true, { sleep })).rejects.toThrow("attempt 8");
    expect([pauses.length, now()]).toEqual([7, 60_000]);
  });

  it("throws an error that waiting cannot help at once, with or without a deadline", async () => {
    const { pauses, sleep, now } = startClock();
    for (const waiting of [{ sleep }, { sleep, deadline: { now, at: 60_000 } }])
      await expect(settle(succeedAt(2), () => false, waiting)).rejects.toThrow("attempt 1");
    expect(pauses).toEqual([]);
  });

  it.each([
    [7_001, [1_000, 2_000, 4_000], "attempt 4"],
    [7_000, [1_000, 2_000], "attempt 3"],
    [0, [], "attempt 1"],
  ])("begins no pause that would reach a deadline at %i ms", async (at, begun, message) => {
    const { pauses, sleep, now } = startClock();
    const waiting = { sleep, deadline: { now, at } };
    await expect(settle(succeedAt(9), () => true, waiting)).rejects.toThrow(message);
    expect(pauses).toEqual(begun);
  });
});

describe("a key that the platform does not know", () => {
  it.each([
    [100, true],
    [104, false],
    [340, false],
    [433, true],
    [447, true],
    [455, false],
  ])("is what error %i means: %s", (code, isUnknown) => {
    expect(isUnknownKey(new VoximplantError("GetAccountInfo", code, "refused"))).toBe(isUnknown);
  });
});

describe("readUntil", () => {
  it("returns the first expected result", async () => {
    const { pauses, sleep } = startClock();
    let read = 0;
    expect(
      await readUntil(
        () => Promise.resolve(++read),
        (result) => result === 3,
        { sleep },
      ),
    ).toBe(3);
    expect(pauses).toEqual([1_000, 2_000]);
  });

  it("returns the last result after 7 seconds if none is the expected one", async () => {
    const { pauses, sleep } = startClock();
    let read = 0;
    expect(
      await readUntil(
        () => Promise.resolve(++read),
        () => false,
        { sleep },
      ),
    ).toBe(4);
    expect(pauses).toEqual([1_000, 2_000, 4_000]);
  });
});
