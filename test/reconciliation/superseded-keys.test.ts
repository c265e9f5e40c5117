import { afterEach, describe, expect, it } from "vitest";

import { findSupersededKeys } from "../../lib/reconciliation/superseded-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { ACCOUNT, credentialsFile, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

const OTHER_ACCOUNT = 7654321;

let world: World;
afterEach(() => world.close());

const key = (label = "AWSCURRENT") => world.keyWith(label) ?? "";
const rotate = async () => {
  for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
};
function find(settings: { unmanagedKeys?: string[] } = {}) {
  const [serviceAccount] = policyFor({ "outbound-calls": settings }).serviceAccounts;
  if (serviceAccount === undefined) throw new Error("no service account");
  return findSupersededKeys(world.ports, serviceAccount);
}
const put = (SecretString: string, stage: string) =>
  world.secrets.call("PutSecretValue", {
    SecretId: world.secret().arn,
    SecretString,
    VersionStages: [stage],
  });

describe("the superseded keys that still work", () => {
  it("are those of the secret that the platform lists, also if another one has no label", async () => {
    world = await startWorld();
    const first = key();
    await rotate();
    const second = key();
    await rotate();
    expect((await find()).sort()).toEqual([first, second].sort());
    world.platform.keys.delete(first);
    expect(await find()).toEqual([second]);
  });

  it("are found without a call of the platform if the secret holds no other key", async () => {
    world = await startWorld();
    expect(await find()).toEqual([]);
    expect(world.platform.calls).toEqual([]);
  });

  it("do not include the current key, a pending key, or a key of no secret", async () => {
    world = await startWorld();
    const first = key();
    await rotate();
    for (const event of world.stagePending().slice(0, 3)) await rotateKey(world.ports, policyFor(), event);
    world.platform.addKey({ accountId: ACCOUNT, pem: rsaPem() });
    expect(await find()).toEqual([first]);
  });

  it("include a key that grants.yml lists as unmanaged, because a leaked key may be one", async () => {
    world = await startWorld();
    const first = key();
    await rotate();
    expect(await find({ unmanagedKeys: [first] })).toEqual([first]);
  });

  it("are listed with one of them if the platform refuses the current key", async () => {
    world = await startWorld();
    const first = key();
    await rotate();
    world.platform.keys.delete(key());
    expect(await find()).toEqual([first]);
  });

  it("include those of an account that the service account had before", async () => {
    world = await startWorld({ accounts: [{ accountId: ACCOUNT }, { accountId: OTHER_ACCOUNT }] });
    const pem = rsaPem();
    const { keyId } = world.platform.addKey({ accountId: OTHER_ACCOUNT, pem, roles: ["Developer"] });
    await put(credentialsFile(keyId, pem, OTHER_ACCOUNT), "OLD");
    expect(await find()).toEqual([keyId]);
    world.platform.keys.delete(keyId);
    expect(await find()).toEqual([]);
  });

  it("are not known if a version cannot be read", async () => {
    world = await startWorld();
    await put("not a credentials file", "OLD");
    await expect(find()).rejects.toThrow("A version of secret voximplant/outbound-calls cannot be read.");
  });

  it("are not known if the platform refuses every key", async () => {
    world = await startWorld();
    await rotate();
    world.platform.keys.clear();
    await expect(find()).rejects.toThrow(`The platform refuses every key of account ${ACCOUNT}`);
  });

  it("are not known if the platform does not answer, which one call finds out", async () => {
    world = await startWorld();
    await rotate();
    await rotate();
    const before = world.platform.calls.length;
    world.faults.platform = () => platformFault(104);
    await expect(find()).rejects.toMatchObject({ code: 104 });
    expect(world.platform.calls.length - before).toBeLessThanOrEqual(1);
  });
});
