import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { KeyLifecycleError } from "../../lib/key-lifecycle/key-lifecycle-error.ts";
import { copyRoles, ownRoles, roleNames, rolesTag, verifySameAccess } from "../../lib/key-lifecycle/roles.ts";
import { type PlatformCode, platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { ACCOUNT, credentialsFile, startWorld, type World } from "./world.ts";

const role = (role_id: number, role_name = "R", inherited = false) => ({ role_id, role_name, inherited });

describe("the roles of a key", () => {
  it.each([
    [[role(10), role(3), role(5)]],
    [[role(3), role(5), role(10)]],
    [[role(10), role(5), role(3)]],
    [[role(5), role(1, "inherited", true), role(3), role(10)]],
  ])("are recorded in numeric order, whatever order the platform gives, without inherited ones", (roles) => {
    expect(rolesTag(roles)).toBe("3:5:10");
  });

  it("are its own unless the platform says that they are inherited", () => {
    const unmarked = { role_id: 1, role_name: "Owner" };
    expect(ownRoles([unmarked, role(2), role(3, "inherited", true)])).toEqual([unmarked, role(2)]);
  });

  it("are named with their ids, and `none` stands for no role", () => {
    expect(roleNames([role(1, "Owner"), role(5, "Support")])).toBe("Owner (1), Support (5)");
    expect(roleNames([])).toBe("none");
  });
});

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.close());

const failWith = (method: string, code: PlatformCode) => {
  world.faults.platform = (called) => (called === method ? platformFault(code) : undefined);
};
async function openCurrent() {
  return world.ports.openKey(world.fileWith(world.keyWith("AWSCURRENT") ?? "") ?? "");
}
/** Another key with these roles. The current key has Developer and Support. */
async function addKey(roles: readonly string[], accountId = ACCOUNT) {
  const pem = rsaPem();
  const { keyId } = world.platform.addKey({ accountId, pem, roles });
  return world.ports.openKey(credentialsFile(keyId, pem, accountId));
}
const thrownBy = (work: Promise<unknown>) => work.then(String, (error: unknown) => error);

describe("copyRoles", () => {
  const rolesOf = (keyId: string) =>
    [...(world.platform.keys.get(keyId)?.roleIds ?? [])].sort((a, b) => a - b);
  async function copyTo(roles: readonly string[]) {
    const [{ api, keyId }, next] = [await openCurrent(), await addKey(roles)];
    return { keyId, next: next.keyId, copied: copyRoles(api, keyId, next.keyId, "Set them by hand.") };
  }

  it.each([
    ["gives the roles that the new key lacks", [], ["SetKeyRoles"]],
    ["takes away the roles that only the new key has", ["Developer", "Support", "Payer"], ["RemoveKeyRoles"]],
    ["does both where the roles differ both ways", ["Support", "Payer"], ["SetKeyRoles", "RemoveKeyRoles"]],
    ["changes nothing if both keys have the same roles", ["Support", "Developer"], []],
  ])("%s", async (_, roles, changes) => {
    const { next, copied } = await copyTo(roles);
    await copied;
    expect(rolesOf(next)).toEqual([3, 5]);
    const methods = world.platform.calls.map(({ method }) => method);
    expect(methods.filter((method) => method !== "GetKeyRoles")).toEqual(changes);
  });

  it.each<[string, PlatformCode, string[]]>([
    ["SetKeyRoles", 100, []],
    ["SetKeyRoles", 104, []],
    ["SetKeyRoles", 435, []],
    ["RemoveKeyRoles", 104, ["Developer", "Support", "Payer"]],
  ])(
    "says which roles the new key must have if the platform refuses %s with error %i",
    async (method, code, roles) => {
      failWith(method, code);
      const { keyId, next, copied } = await copyTo(roles);
      const error = await thrownBy(copied);
      expect(error).toBeInstanceOf(KeyLifecycleError);
      expect(error).toMatchObject({
        message:
          `Key ${keyId} may not set the roles of the new key ${next} (error ${code}). The roles are: ` +
          "Developer (3), Support (5). Set them by hand.",
        cause: { name: "VoximplantError", code },
      });
    },
  );

  it("throws any other refusal as it is, because roles by hand would not help", async () => {
    failWith("SetKeyRoles", 433);
    const error = await thrownBy((await copyTo([])).copied);
    expect(error).toMatchObject({ name: "VoximplantError", code: 433 });
  });
});

describe("verifySameAccess", () => {
  /** The pauses until the end. `meanwhile` is called before each. */
  async function verify(next: Awaited<ReturnType<typeof addKey>>, meanwhile = () => undefined as unknown) {
    const pauses: number[] = [];
    const sleep = (milliseconds: number) => {
      meanwhile();
      pauses.push(milliseconds);
      return Promise.resolve();
    };
    return { error: await thrownBy(verifySameAccess(await openCurrent(), next, { sleep })), pauses };
  }

  it("passes at once if both keys may call the same methods", async () => {
    expect(await verify(await addKey(["Developer"]))).toEqual({ error: "undefined", pauses: [] });
  });

  it("passes as soon as the platform knows the new key's roles", async () => {
    const next = await addKey([]);
    const give = () => world.platform.keys.get(next.keyId)?.roleIds.add(3);
    expect(await verify(next, give)).toEqual({ error: "undefined", pauses: [1_000] });
  });

  it("passes as soon as the platform knows the new key", async () => {
    const next = await addKey(["Developer"]);
    failWith("GetAccountInfo", 433);
    const know = () => (world.faults.platform = undefined);
    expect(await verify(next, know)).toEqual({ error: "undefined", pauses: [1_000] });
  });

  it("fails at once if the platform refuses for a reason that no wait ends", async () => {
    const next = await addKey(["Developer"]);
    failWith("GetAccountInfo", 104);
    const { error, pauses } = await verify(next);
    expect([error, pauses]).toMatchObject([{ name: "VoximplantError", code: 104 }, []]);
  });

  it.each([
    ["lacks", [], "it lacks GetCallHistory; it adds nothing."],
    ["adds", ["Support", "CallList Manager"], "it lacks nothing; it adds StartScenarios."],
    ["lacks and adds", ["CallList Manager"], "it lacks GetCallHistory; it adds StartScenarios."],
  ])("fails after a minute with the methods that the new key %s", async (_, roles, difference) => {
    world.platform.keys.get(world.keyWith("AWSCURRENT") ?? "")?.roleIds.delete(3);
    const next = await addKey(roles);
    const { error, pauses } = await verify(next);
    expect(error).toMatchObject({
      name: "KeyLifecycleError",
      message:
        `The new key ${next.keyId} does not have the same access as the current key: ${difference} ` +
        "Compare the roles of both keys in the control panel, and try again.",
    });
    expect(pauses).toHaveLength(7);
  });

  it("fails with both account ids if the new key is of another account", async () => {
    const { error } = await verify(await addKey(["Developer"], 7654321));
    expect(error).toMatchObject({
      message: `The new key belongs to account 7654321, the current key to account ${ACCOUNT}.`,
    });
  });
});
