import { afterEach, describe, expect, it } from "vitest";
import { moveRules } from "../../lib/key-lifecycle/retire-key.ts";
import { ACCOUNT, startWorld, type World } from "./world.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

let world: World;
afterEach(() => world.close());

describe("moveRules", () => {
  async function start() {
    world = await startWorld();
    const old = world.keyWith("AWSCURRENT") ?? "";
    const next = world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() }).keyId;
    const { api } = await world.ports.openKey(world.fileWith(old) ?? "");
    return { old, next, move: (from: string) => moveRules(api, [from], next, world.ports.log) };
  }

  it("binds a rule of the old key to the new one", async () => {
    const { old, next, move } = await start();
    expect(await move(old)).toBe("moved");
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(next);
  });

  it("treats a key that the platform no longer has as a key without rules", async () => {
    const { move } = await start();
    expect(await move("3f2b1c9e-0000-4000-8000-000000000000")).toBe("moved");
  });

  it("fails if the platform refuses the calling key, so that nothing is deleted", async () => {
    const { old, move } = await start();
    world.platform.keys.delete(old);
    await expect(move("3f2b1c9e-0000-4000-8000-000000000000")).rejects.toThrow("433");
    expect(world.platform.rules.get(1)?.bindKeyId).toBe(old);
  });
});
