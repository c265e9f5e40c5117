import { afterEach, describe, expect, it } from "vitest";

import type { Log } from "../../lib/audit/log.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { policyFor, startWorld, type World, type WorldOptions } from "../key-lifecycle/world.ts";

const VERSION = "11111111-1111-4111-8111-111111111111";
const NO_KEY_YET =
  "Secret voximplant/outbound-calls holds no key yet. Import one with `voxtoken admin import FILE " +
  "--service-account outbound-calls`, or create one with `voxtoken admin bootstrap --service-account " +
  "outbound-calls --account-id ID --roles ROLES --replace`.";

let world: World;
let logged: Parameters<Log>[];
afterEach(() => world.close());

async function start(options: WorldOptions = {}) {
  logged = [];
  world = await startWorld(options);
  world.stagePending(VERSION);
}

type Step = "createSecret" | "setSecret" | "testSecret" | "finishSecret";

async function carryOut(...steps: Step[]) {
  const log: Log = (...line) => void logged.push(line);
  const ports = { ...world.ports, log };
  for (const Step of steps)
    await rotateKey(ports, policyFor(), { Step, SecretId: world.secret().arn, ClientRequestToken: VERSION });
}

const key = (label = "AWSCURRENT") => world.keyWith(label) ?? "";
const methods = () => world.platform.calls.map(({ method }) => method);

describe("without a key,", () => {
  it.each(["setSecret", "finishSecret"] as const)("%s fails, and says what must come first", async (step) => {
    await start({ emptySecrets: ["outbound-calls"], serviceAccounts: [] });
    await expect(carryOut(step)).rejects.toMatchObject({ name: "KeyLifecycleError", message: NO_KEY_YET });
    await world.close();
    await start();
    await expect(carryOut(step)).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: `Version ${VERSION} of secret voximplant/outbound-calls has no key. createSecret must run first.`,
    });
  });

  it("testSecret logs how to import one, and the secret", async () => {
    await start({ emptySecrets: ["outbound-calls"], serviceAccounts: [] });
    await carryOut("testSecret");
    expect(logged).toEqual([["warn", NO_KEY_YET, { secret: "voximplant/outbound-calls" }]]);
  });
});

describe("a platform that is slow to give a key its roles", () => {
  it.each(["testSecret", "finishSecret"] as const)("is waited for by %s", async (step) => {
    await start();
    await carryOut("createSecret", "setSecret");
    const pending = world.platform.keys.get(key("AWSPENDING"));
    if (pending === undefined) throw new Error("no pending key");
    const roles = pending.roleIds;
    pending.roleIds = new Set([5]);
    world.faults.platform = (method, n) => {
      if (method === "GetAccountInfo" && n > 2) pending.roleIds = roles;
      return undefined;
    };
    const startedAt = world.clock.now;
    await carryOut(step);
    expect(world.clock.now).toBeGreaterThan(startedAt);
  });
});

describe("finishSecret", () => {
  it("logs which key is current and which is superseded", async () => {
    await start();
    await carryOut("createSecret", "setSecret", "testSecret");
    const [old, next] = [key(), key("AWSPENDING")];
    logged = [];
    await carryOut("finishSecret");
    expect(logged).toEqual([
      [
        "info",
        `Key ${next} is now current; key ${old} is superseded.`,
        { key_id: next, superseded_key_id: old },
      ],
      ["info", `Rule in (1) is now bound to key ${next}.`, { rule_id: 1, from: old, to: next }],
    ]);
  });

  it("moves only the remaining rules if the version is current already", async () => {
    await start();
    const old = key();
    await carryOut("createSecret", "setSecret", "testSecret", "finishSecret");
    const rule = world.platform.rules.get(1);
    if (rule) rule.bindKeyId = old;
    const before = methods().length;
    logged = [];
    await carryOut("finishSecret");
    expect(rule?.bindKeyId).toBe(key());
    expect(methods().slice(before)).not.toContain("GetAccountInfo");
    expect(logged).toEqual([["info", expect.stringContaining("Rule in (1)") as string, expect.anything()]]);
  });
});
