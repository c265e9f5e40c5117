import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { Log } from "../../lib/audit/log.ts";
import { moveAllRules, moveRules } from "../../lib/key-lifecycle/retire-key.ts";
import { type PlatformCode, platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { ACCOUNT, policyFor, startWorld, type World } from "./world.ts";

const GONE = "3f2b1c9e-0000-4000-8000-000000000000";

let world: World;
let logged: Parameters<Log>[];
beforeEach(async () => {
  world = await startWorld();
  logged = [];
});
afterEach(() => world.close());

const log: Log = (...line) => void logged.push(line);
const failWith = (method: string, code: PlatformCode) => {
  world.faults.platform = (called) => (called === method ? platformFault(code) : undefined);
};
const methodsCalled = () => world.platform.calls.map(({ method }) => method);
const boundTo = (ruleId = 1) => world.platform.rules.get(ruleId)?.bindKeyId;
const bind = (ruleId: number, bindKeyId: string) =>
  world.platform.rules.set(ruleId, {
    ruleId,
    accountId: ACCOUNT,
    applicationId: 7,
    name: `rule-${ruleId}`,
    pattern: ".*",
    bindKeyId,
  });

describe("moveRules", () => {
  async function start() {
    const old = world.keyWith("AWSCURRENT") ?? "";
    const next = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() }).keyId;
    const { api } = await world.ports.openKey(world.fileWith(old) ?? "");
    return { old, next, move: (...from: string[]) => moveRules(api, from, next, log) };
  }

  it("binds a rule of the old key to the new one, and logs which", async () => {
    const { old, next, move } = await start();
    expect(await move(old)).toBe(1);
    expect(boundTo()).toBe(next);
    expect(logged).toEqual([
      ["info", `Rule in (1) is now bound to key ${next}.`, { rule_id: 1, from: old, to: next }],
    ]);
  });

  it("binds the rules of every key that is given", async () => {
    const { old, next, move } = await start();
    bind(2, GONE);
    expect(await move(old, GONE)).toBe(2);
    expect([boundTo(1), boundTo(2)]).toEqual([next, next]);
  });

  it("leaves the rules of the new key alone", async () => {
    const { next, move } = await start();
    bind(1, next);
    expect(await move(next)).toBe(0);
    expect(methodsCalled()).toEqual([]);
  });

  it("treats a key that the platform no longer has as a key without rules", async () => {
    const { move } = await start();
    expect(await move(GONE)).toBe(0);
  });

  it("makes sure of its own key if the platform says that a key does not exist", async () => {
    const { move } = await start();
    failWith("GetRules", 433);
    expect(await move(GONE)).toBe(0);
    expect(methodsCalled()).toEqual(["GetApplications", "GetAccountInfo"]);
  });

  it("fails if the platform refuses the calling key, so that nothing is deleted", async () => {
    const { old, move } = await start();
    world.platform.keys.delete(old);
    await expect(move(GONE)).rejects.toThrow("433");
    expect(boundTo()).toBe(old);
  });

  it.each<[PlatformCode]>([[100], [104]])(
    "says which rules to bind by hand if the service account may not see them (error %i)",
    async (code) => {
      const { old, next, move } = await start();
      failWith("GetApplications", code);
      expect(await move(old, GONE)).toBe("not-permitted");
      expect(logged).toEqual([
        [
          "warn",
          `This service account may not see routing rules (error ${code}). ` +
            `If a rule is bound to key ${old} or ${GONE}, bind it to key ${next} in the control panel.`,
          { from: `${old} ${GONE}`, to: next, code },
        ],
      ]);
    },
  );

  it.each<[PlatformCode]>([[100], [104]])(
    "fails and names the rule if the service account may see it, but may not bind it (error %i)",
    async (code) => {
      const { old, next, move } = await start();
      failWith("SetRuleInfo", code);
      await expect(move(old)).rejects.toMatchObject({
        name: "KeyLifecycleError",
        message:
          `This service account may not bind rule in (1) to key ${next} (error ${code}). ` +
          "Bind it in the control panel.",
      });
      expect(boundTo()).toBe(old);
    },
  );

  it("fails if a rule cannot be bound for any other reason, so that no key is deleted", async () => {
    const { old, move } = await start();
    failWith("SetRuleInfo", 435);
    await expect(move(old)).rejects.toMatchObject({ name: "VoximplantError", code: 435 });
    expect(boundTo()).toBe(old);
  });
});

describe("moveAllRules", () => {
  const [serviceAccount] = policyFor().serviceAccounts;
  if (serviceAccount === undefined) throw new Error("no service account");

  it("moves the rules of every other key of the secret, and of no key outside it", async () => {
    const first = world.keyWith("AWSCURRENT") ?? "";
    const second = await world.plantCurrent();
    const third = await world.plantCurrent();
    const stranger = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() }).keyId;
    for (const [ruleId, keyId] of [first, second, third, stranger].entries()) bind(ruleId + 1, keyId);

    const current = await world.ports.openKey(world.fileWith(third) ?? "");
    const moved = await moveAllRules(await world.ports.readSecret(serviceAccount), current, log);
    expect(moved).toEqual([first, second]);
    expect([1, 2, 3, 4].map(boundTo)).toEqual([third, third, third, stranger]);
  });

  it("asks for the rules of no key that the platform does not list", async () => {
    const first = world.keyWith("AWSCURRENT") ?? "";
    const second = await world.plantCurrent();
    world.platform.keys.delete(first);
    const current = await world.ports.openKey(world.fileWith(second) ?? "");
    expect(await moveAllRules(await world.ports.readSecret(serviceAccount), current, log)).toEqual([]);
    expect(methodsCalled()).toEqual(["GetKeys"]);
  });
});
