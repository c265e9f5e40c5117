import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { explainRefusal } from "../../lib/rotation/end-rotation.ts";
import type { Rotation } from "../../lib/rotation/rotation.ts";
import { VoximplantError } from "../../lib/voximplant/errors.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";
import { credentialsFile, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

const VERSION = "11111111-1111-4111-8111-111111111111";
const MISSING = "22222222-2222-4222-8222-222222222222";
const TEN_MINUTES = 10 * 60_000;
const refusal = new VoximplantError("GetKeyRoles", 433, "The key id is invalid");

let world: World;
let current: string;
beforeEach(async () => {
  world = await startWorld();
  current = world.keyWith("AWSCURRENT") ?? "";
  world.stagePending(VERSION);
});
afterEach(() => world.close());

/** Explains the refusal for a secret with a pending key that the platform does not have. */
async function explain(change: Partial<Rotation> = {}, age = 0) {
  const { store } = world.ports;
  const policy = policyFor();
  const secret = await store.describe(world.secret().arn);
  const [serviceAccount] = policy.serviceAccounts;
  if (serviceAccount === undefined) throw new Error("no service account");
  return explainRefusal(
    {
      ...world.ports,
      policy,
      serviceAccount,
      secret,
      versionId: VERSION,
      current: await store.readCurrent(secret.arn),
      pending: {
        versionId: VERSION,
        value: credentialsFile(MISSING, rsaPem()),
        createdAt: world.clock.now - age,
      },
      ...change,
    },
    refusal,
  );
}

const hasLabel = () => world.secret().versions.get(VERSION)?.stages.has("AWSPENDING");

describe("if the platform refuses the current key", () => {
  it.each([100, 433] as const)("with error %i, the explanation says how to import another", async (code) => {
    world.faults.platform = (method) => (method === "GetKeys" ? platformFault(code) : undefined);
    expect(await explain()).toMatchObject({
      name: "KeyLifecycleError",
      message:
        `The platform refuses the current key ${current} of secret voximplant/outbound-calls: the key was deleted, ` +
        "or this machine's clock is wrong. If it was deleted: Import one with `voxtoken admin import FILE " +
        "--service-account outbound-calls`, or create one with `voxtoken admin bootstrap --service-account " +
        "outbound-calls --account-id ID --roles ROLES --replace`.",
      cause: refusal,
    });
    expect(hasLabel()).toBe(true);
  });
});

describe("if the platform does not have the pending key", () => {
  it.each([
    ["is under 10 minutes old", TEN_MINUTES - 1],
    ["has no known age", Number.NaN],
    ["seems to be created in the future", -1],
  ])("and its version %s, the explanation is that the key may be new", async (_, age) => {
    expect(await explain({}, age)).toMatchObject({
      name: "KeyLifecycleError",
      message: `The platform does not know the new key ${MISSING} yet. The next attempt continues the rotation.`,
      cause: refusal,
    });
    expect(hasLabel()).toBe(true);
  });

  it("and its version is 10 minutes old, the version loses the label AWSPENDING", async () => {
    expect(await explain({}, TEN_MINUTES)).toMatchObject({
      name: "KeyLifecycleError",
      message:
        `The new key ${MISSING} was deleted on the platform. Version ${VERSION} is no longer labelled ` +
        "AWSPENDING. Rotate again to get another key.",
      cause: refusal,
    });
    expect(hasLabel()).toBe(false);
  });

  it("and a replica is behind, the label stays until the next attempt", async () => {
    world.secret().replicas = [{ Region: "eu-west-1", Status: "InProgress" }];
    expect(await explain({}, TEN_MINUTES)).toMatchObject({
      message:
        `The new key ${MISSING} was deleted on the platform. Version ${VERSION} keeps the label AWSPENDING for ` +
        "now, because the secret is being copied to other regions. The next attempt takes it off.",
    });
    expect(hasLabel()).toBe(true);
  });

  it("and a replica has failed, the version loses the label: no attempt repairs the replica", async () => {
    world.secret().replicas = [{ Region: "eu-west-1", Status: "Failed", StatusMessage: "no KMS key" }];
    await explain({}, TEN_MINUTES);
    expect(hasLabel()).toBe(false);
  });
});

describe("the refusal itself is the explanation, and no label moves, if", () => {
  it.each<[string, () => Partial<Rotation>]>([
    ["no key is current", () => ({ current: undefined })],
    ["no key is pending", () => ({ pending: undefined })],
    [
      "the platform lists the pending key",
      () => ({
        pending: { versionId: VERSION, value: credentialsFile(current, rsaPem()), createdAt: 0 },
      }),
    ],
    [
      "the keys cannot be listed for another reason",
      () => {
        world.faults.platform = (method) => (method === "GetKeys" ? platformFault(104) : undefined);
        return {};
      },
    ],
  ])("%s", async (_, prepare) => {
    expect(await explain(prepare(), TEN_MINUTES)).toBe(refusal);
    expect(hasLabel()).toBe(true);
  });
});
