import { describe, expect, it } from "vitest";

import type { SecretState, SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { forgetEverywhere } from "../../lib/reconciliation/revocation-containers.ts";

type Copies = SecretState["replicas"];
const inSync = (region: string) => ({ region, inSync: true });
const behind = (region: string) => ({ region, inSync: false });
const failed = (region: string) => ({ region, inSync: false, problem: "no KMS key" });

/** @param secrets by name: the copies in each description, the last one repeats; or an error */
async function forget(secrets: Readonly<Record<string, readonly Copies[] | Error>>, failure?: Error) {
  const described = new Map<string, number>();
  const pauses: number[] = [];
  const regions: (readonly string[])[] = [];
  const describe: SecretStore["describe"] = (name) => {
    const copies = secrets[name] ?? [];
    if (copies instanceof Error) return Promise.reject(copies);
    const n = described.get(name) ?? 0;
    described.set(name, n + 1);
    const replicas = copies[Math.min(n, copies.length - 1)] ?? [];
    // No other field is read.
    return Promise.resolve({ name, replicas } as unknown as SecretState);
  };
  const outcome = await forgetEverywhere(
    {
      store: { describe },
      sleep: (milliseconds) => Promise.resolve(void pauses.push(milliseconds)),
    },
    Object.keys(secrets),
    (some) => {
      regions.push(some);
      return failure === undefined ? Promise.resolve("new containers start") : Promise.reject(failure);
    },
  ).catch((error: unknown) => String(error));
  return { outcome, pauses, regions };
}

describe("the containers that hold a deleted key", () => {
  it("are replaced at once if every copy is up to date, in the regions of all secrets", async () => {
    const secrets = { calls: [[inSync("eu-west-1")]], history: [[inSync("eu-west-1"), inSync("ap-east-1")]] };
    expect(await forget(secrets)).toEqual({
      outcome: "new containers start",
      pauses: [],
      regions: [["eu-west-1", "ap-east-1"]],
    });
  });

  it("are replaced after a copy that is behind is up to date", async () => {
    const secrets = { calls: [[behind("eu-west-1")], [behind("eu-west-1")], [inSync("eu-west-1")]] };
    expect(await forget(secrets)).toEqual({
      outcome: "new containers start",
      pauses: [1_000, 2_000],
      regions: [["eu-west-1"]],
    });
  });

  it("are not replaced in a region whose copy is still behind after a minute", async () => {
    const secrets = { calls: [[inSync("ap-east-1"), behind("eu-west-1")]] };
    const { outcome, pauses, regions } = await forget(secrets);
    expect(outcome).toBe(
      "KeyLifecycleError: new containers start. The copy in eu-west-1 is behind. Functions there fetch the deleted key " +
        "until the copy is up to date.",
    );
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBe(60_000);
    expect(regions).toEqual([["ap-east-1"]]);
  });

  it("are not waited for if the copy has failed", async () => {
    const { outcome, pauses, regions } = await forget({ calls: [[failed("eu-west-1")]] });
    expect(outcome).toContain("The copy in eu-west-1 is behind.");
    expect([pauses, regions]).toEqual([[], [[]]]);
  });

  it("are replaced in the other regions if a secret cannot be described", async () => {
    const { outcome, regions } = await forget({
      calls: new Error("Throttled"),
      history: [[inSync("eu-west-1")]],
    });
    expect(outcome).toBe("KeyLifecycleError: new containers start. Throttled");
    expect(regions).toEqual([["eu-west-1"]]);
  });

  it("may keep the key if Lambda refuses to replace them", async () => {
    const { outcome } = await forget(
      { calls: [[inSync("eu-west-1")]] },
      new Error("us-east-1: AccessDenied"),
    );
    expect(outcome).toBe("KeyLifecycleError: us-east-1: AccessDenied");
  });
});
