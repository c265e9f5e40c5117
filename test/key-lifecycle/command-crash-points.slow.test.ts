import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { isDead, settleAndCheck, watchInvariants } from "./invariants.ts";
import {
  ACCOUNT,
  credentialsFile,
  policyFor,
  startWorld,
  voxtokenIn,
  type World,
  writeGrants,
} from "./world.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const NAME = "outbound-calls";
const pem = rsaPem();
const policy = policyFor();
const grants = await writeGrants(mkdtempSync(join(tmpdir(), "crash-")));

interface Command {
  readonly args: readonly string[];
  readonly input?: string;
}

/**
 * The commands, in a world where a rotation has ended an hour ago. `revoke` names its key, as its
 * own advice does.
 */
const commands: Record<string, (world: World) => Command> = {
  revoke: (world) => ({
    args: ["revoke", NAME, "--key", world.keyWith("AWSCURRENT") ?? "", "--yes", "--direct"],
  }),
  import: (world) => {
    const roles = ["Developer", "Support"];
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem, name: "from the panel", roles });
    return {
      args: ["import", "-", "--service-account", NAME, "--account-id", String(ACCOUNT)],
      input: credentialsFile(keyId, pem),
    };
  },
  rollback: () => ({ args: ["rollback", NAME, "--direct"] }),
};

/** A world, and the command in a process that has made no call yet. */
async function prepare(name: string) {
  const world = await startWorld();
  const watch = watchInvariants(world, policy);
  for (const event of world.startRotation()) await rotateKey(world.ports, policy, event);
  world.clock.now += 3_600_000;
  watch.check();
  const command = commands[name]?.(world);
  if (command === undefined) throw new Error(`no command ${name}`);
  const leaked = name === "revoke" ? world.keyWith("AWSCURRENT") : undefined;
  if (leaked !== undefined) watch.revoked.add(leaked);
  const process = world.openProcess(name);
  // A rollback to a key by name may be given again.
  const previous = world.keyWith("AWSPREVIOUS");
  if (name === "rollback" && previous !== undefined) watch.name(previous);
  const run = (where: Parameters<typeof voxtokenIn>[1]) =>
    voxtokenIn(world, where, [...command.args, "--grants", grants], command.input);
  return { world, watch, leaked, process, run };
}

async function countCalls(name: string): Promise<number> {
  const { world, process, run } = await prepare(name);
  let calls = 0;
  process.remote.around = (call) => {
    calls += 1;
    return call();
  };
  expect(await run(process)).toMatchObject({ status: 0 });
  await world.close();
  return calls;
}

const points: (readonly [string, number, "killed before" | "killed after" | "lost"])[] = [];
for (const name of Object.keys(commands)) {
  const calls = await countCalls(name);
  for (let n = 1; n <= calls; n += 1)
    for (const fate of ["killed before", "killed after", "lost"] as const) points.push([name, n, fate]);
}

describe("a command whose remote call fails", () => {
  it.each(points)("%s, call %i, %s: succeeds when it is repeated", async (name, n, fate) => {
    const { world, watch, leaked, process, run } = await prepare(name);
    let calls = 0;
    const died = new Promise<"died">((resolve) => {
      process.remote.around = async (call) => {
        calls += 1;
        if (calls !== n) return call();
        if (fate !== "killed before") await call();
        if (fate === "lost") throw new TypeError("fetch failed");
        resolve("died");
        // Nothing of a process that was killed goes on.
        return new Promise(() => undefined);
      };
    });
    const outcome = await Promise.race([run(process), died]);
    if (fate !== "lost") expect(outcome).toBe("died");
    if (outcome !== "died" && outcome.status === 0 && leaked !== undefined)
      expect(await isDead(world, leaked)).toBe(true);

    const again = await run(world.openProcess(name));
    if (leaked !== undefined) {
      expect({ err: again.err, dead: await isDead(world, leaked) }).toMatchObject({ dead: true });
    } else if (name === "import") expect(again).toMatchObject({ status: 0 });
    await settleAndCheck(world, policy, watch);
    expect(watch.violations, watch.trace.join("\n")).toEqual([]);
    expect([...world.platform.keys.keys()]).toEqual([world.keyWith("AWSCURRENT")]);
    await world.close();
  });
});
