import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ROLES_TAG } from "../../lib/key-lifecycle/roles.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { takeSnapshot } from "../../lib/key-lifecycle/take-snapshot.ts";
import { acceptRoles, checkRoles } from "../../lib/reconciliation/check-roles.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { ACCOUNT, credentialsFile, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

const OTHER = 7654321;
const policy = policyFor({ "outbound-calls": {}, "call-history": {} });
let world: World;
beforeEach(async () => {
  world = await startWorld({ serviceAccounts: ["outbound-calls", "call-history"] });
});
afterEach(() => world.close());

const key = (name?: string) => world.keyWith("AWSCURRENT", name) ?? "";
const record = (value: string, name = "outbound-calls") =>
  world.ports.store.tag(`voximplant/${name}`, ROLES_TAG, value);
const asked = () =>
  world.platform.calls
    .filter(({ method }) => method === "GetKeyRoles")
    .map(({ parameters }) => parameters.get("key_id"));

async function check(store: Partial<SecretStore> = {}, accountId = ACCOUNT) {
  const ports = { ...world.ports, store: { ...world.ports.store, ...store } };
  const { accounts, secrets } = await takeSnapshot(ports, policy);
  const account = accounts.find((one) => one.accountId === accountId);
  if (account === undefined) throw new Error(`account ${accountId} is not listed`);
  return checkRoles(ports, account, secrets);
}

describe("the roles of a current key", () => {
  it("are recorded on its secret if it has no tag yet, and the log names them", async () => {
    expect(await check()).toEqual([]);
    expect(["outbound-calls", "call-history"].map((name) => world.secret(name).tags)).toEqual([
      [{ Key: ROLES_TAG, Value: "3:5" }],
      [{ Key: ROLES_TAG, Value: "3:5" }],
    ]);
    expect(world.logged.map(({ message }) => message)).toEqual(
      ["outbound-calls", "call-history"].map(
        (name) => `Recorded the roles of ${name}: Developer (3), Support (5).`,
      ),
    );
  });

  it("have no finding if they are the recorded ones", async () => {
    await record("3:5");
    await record("3:5", "call-history");
    expect(await check({ tag: () => Promise.reject(new Error("not expected")) })).toEqual([]);
  });

  it.each([
    ["3", "3"],
    ["", "(none)"],
  ])("are reported with the key if the recorded ones are %j", async (recorded, shown) => {
    await record(recorded);
    await record("3:5", "call-history");
    expect(await check()).toMatchObject([
      {
        reason: "roles_changed",
        action: "reported",
        serviceAccount: "outbound-calls",
        key: { key_id: key() },
        detail:
          `The key has the roles Developer (3), Support (5), but the recorded role ids are ${shown}. If this change was ` +
          "intended, accept it with `voxtoken admin keys --accept-roles outbound-calls`. Otherwise someone changed " +
          "what its tokens may do: see docs/runbook.md#roles-changed.",
      },
    ]);
    expect(world.secret().tags).toEqual([{ Key: ROLES_TAG, Value: recorded }]);
  });

  it("are not asked for if the platform does not list the key", async () => {
    world.platform.keys.delete(key("call-history"));
    expect(await check()).toEqual([]);
    expect(asked()).toEqual([key()]);
  });

  it("are asked for in the key's own account only", async () => {
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: OTHER, pem, roles: ["Support"] });
    await world.secrets.call("PutSecretValue", {
      SecretId: world.secret("call-history").arn,
      SecretString: credentialsFile(keyId, pem, OTHER),
    });
    await check();
    expect(asked()).toEqual([key()]);
    await check({}, OTHER);
    expect(asked()).toEqual([key(), keyId]);
  });

  it("that cannot be recorded are reported, and the next secret is checked", async () => {
    const tag: SecretStore["tag"] = (arn, ...rest) =>
      arn.includes("outbound-calls")
        ? Promise.reject(new Error("AccessDenied."))
        : world.ports.store.tag(arn, ...rest);
    expect(await check({ tag })).toEqual([
      {
        reason: "not_examined",
        action: "reported",
        serviceAccount: "outbound-calls",
        detail: "AccessDenied. Until this is fixed, some keys cannot be examined. Such keys are not deleted.",
      },
    ]);
    expect(world.secret("call-history").tags).toHaveLength(1);
  });
});

describe("to accept the roles of a service account", () => {
  const accept = (name: string) => {
    const serviceAccount = policy.serviceAccounts.find((one) => one.name === name);
    if (serviceAccount === undefined) throw new Error(`no service account ${name}`);
    return acceptRoles(world.ports, serviceAccount);
  };

  it("records the present ones, whatever was recorded", async () => {
    await record("1:2");
    expect((await accept("outbound-calls")).map(({ role_name }) => role_name)).toEqual([
      "Developer",
      "Support",
    ]);
    expect(world.secret().tags).toEqual([{ Key: ROLES_TAG, Value: "3:5" }]);
  });

  it("fails if its secret holds no key yet, and says how to store one", async () => {
    for (const { stages } of world.secret().versions.values()) stages.clear();
    await expect(accept("outbound-calls")).rejects.toMatchObject({
      name: "KeyLifecycleError",
      message: expect.stringMatching(
        /^Secret voximplant\/outbound-calls holds no key yet\. Import one with `voxtoken admin import/,
      ) as string,
    });
  });

  it("records nothing if the platform does not show them", async () => {
    world.faults.platform = (method) => (method === "GetKeyRoles" ? platformFault(104) : undefined);
    await expect(accept("outbound-calls")).rejects.toMatchObject({ code: 104 });
    expect(world.secret().tags).toBeUndefined();
  });
});
