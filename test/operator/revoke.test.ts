import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { policyFor, startWorld, voxtokenIn, type World, writeGrants } from "../key-lifecycle/world.ts";

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
async function revoke(flags: readonly string[], answer?: string, otherAccounts = "") {
  const grants = await writeGrants(folder);
  const text = await readFile(grants, "utf8");
  await writeFile(grants, text.replace("serviceAccounts:\n", `serviceAccounts:\n${otherAccounts}`));
  const args = ["revoke", "outbound-calls", "--direct", "--grants", grants, ...flags];
  return voxtokenIn(world, world, args, `${answer ?? ""}\n`, answer !== undefined);
}

const named = (keyId: string) =>
  "Superseded keys of outbound-calls still work. If one of them has leaked, revoke\nit too:\n" +
  `voxtoken admin revoke outbound-calls \\\n  --key ${keyId} \\\n  --grants ${join(folder, "grants.yml")} \\\n  --direct\n`;

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

  it("does not pass on that the secret of another service account cannot be read", async () => {
    const first = key();
    await rotate();
    const { err } = await revoke(["--yes"], undefined, "  history:\n    secret: voximplant/missing\n");
    expect(err).toContain(named(first));
    expect(err).not.toContain("not known");
  });

  it("names it, although the secret of another service account uses it", async () => {
    const shared = key();
    await world.secrets.call("CreateSecret", {
      Name: "voximplant/call-history",
      SecretString: world.fileWith(shared),
    });
    await rotate();
    const { err } = await revoke(
      ["--yes"],
      undefined,
      "  call-history:\n    secret: voximplant/call-history\n",
    );
    expect(err).toContain(named(shared));
  });

  it("names it, although a service account that shares the secret comes first in grants.yml", async () => {
    const first = key();
    await rotate();
    const other = "  first-name:\n    secret: voximplant/outbound-calls\n";
    expect((await revoke([], "n", other)).err).toContain(named(first));
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
