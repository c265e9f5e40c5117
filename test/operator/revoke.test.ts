import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";
import { policyFor, startWorld, type World, writeGrants } from "../key-lifecycle/world.ts";

let world: World;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "revoke-"));
  world = await startWorld();
});
afterEach(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

const key = (label = "AWSCURRENT") => world.keyWith(label) ?? "";
const rotate = async () => {
  for (const event of world.stagePending()) await rotateKey(world.ports, policyFor(), event);
};

/** `voxtoken admin revoke outbound-calls`. @param answer what is typed at the prompt */
async function revoke(flags: readonly string[], answer?: string) {
  const { connection, awsClient, ports } = world;
  const typed = fakeIo({ input: `${answer ?? ""}\n` }).stdin;
  const io = fakeIo({
    stdin: Object.assign(typed, { isTerminal: answer !== undefined }),
    env: {
      AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "example",
      AWS_REGION: "us-east-1",
      VOXIMPLANT_API_URL: connection.url,
    },
    fetch: connection.fetch,
    awsClient,
    now: () => world.clock.now,
    sleep: ports.sleep,
  });
  const args = ["admin", "revoke", "outbound-calls", "--direct", "--grants", await writeGrants(folder)];
  const status = await runVoxtoken([...args, ...flags], io);
  return { status, out: io.out(), err: io.err() };
}

const named = (keyId: string) =>
  "Superseded keys of outbound-calls still work. If one of them has leaked, revoke\nit too:\n" +
  `voxtoken admin revoke outbound-calls --key ${keyId}\n`;

describe("voxtoken admin revoke after a rotation", () => {
  it("names the superseded key that still works before it asks, and deletes nothing after a no", async () => {
    const first = key();
    await rotate();
    const { status, err } = await revoke([], "n");
    expect(status).toBe(1);
    expect(err).toContain(
      `${named(first)}Delete key ${key()} of outbound-calls?\nIts tokens stop working at once. [y/N] `,
    );
    // The terminal of a test shows no line break after the answer.
    const lines = err.replace("[y/N] ", "[y/N] \n").split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(world.platform.keys.size).toBe(2);
  });

  it("names it at the end too, with a command that revokes it", async () => {
    const first = key();
    await rotate();
    const second = key();
    const { status, out, err } = await revoke(["--yes"]);
    expect({ status, out }).toEqual({
      status: 0,
      out: `key ${second} is dead: no longer listed, and refused\n`,
    });
    expect(err.split(named(first))).toHaveLength(2);

    const again = await revoke(["--yes", "--key", first]);
    expect(again).toMatchObject({ status: 0, err: expect.not.stringContaining("Superseded keys") as string });
    expect([...world.platform.keys.keys()]).toEqual([key()]);
  });

  it("does not name the key that it revokes", async () => {
    const first = key();
    await rotate();
    const { status, err } = await revoke(["--key", first], "y");
    expect(status).toBe(0);
    expect(err).not.toContain("uperseded");
  });

  it("says that it is not known whether one works if the platform does not list its keys", async () => {
    await rotate();
    const revoked = key();
    world.faults.platform = (method) => (method === "GetKeys" ? platformFault(104) : undefined);
    const { status, err } = await revoke(["--yes"]);
    expect(status).toBe(1);
    expect(err.replaceAll("\n", " ")).toContain(
      "It is not known whether superseded keys of outbound-calls still work: outbound-calls: Voximplant " +
        "refused GetKeys (error 104)",
    );
    expect(err).toContain("\nSee: voxtoken admin keys\n");
    expect(world.platform.keys.has(revoked)).toBe(false);
  });
});

it("voxtoken admin revoke says nothing about superseded keys if none works", async () => {
  const first = key();
  await rotate();
  world.platform.keys.delete(first);
  const { status, err } = await revoke([], "y");
  expect(status).toBe(0);
  expect(err).not.toContain("uperseded");
});
