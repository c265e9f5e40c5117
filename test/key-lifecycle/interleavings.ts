import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import type { RotationEvent } from "../../local/secrets-manager/state.ts";
import { isDead, settleAndCheck, type Watch, watchInvariants } from "./invariants.ts";
import { type Fate, runInterleaved, seededRandom } from "./scheduler.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  policyFor,
  startWorld,
  voxtokenIn,
  type World,
  writeGrants,
} from "./world.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const pem = rsaPem();
const policy = policyFor();
const grants = await writeGrants(mkdtempSync(join(tmpdir(), "interleavings-")));
const SERVICE_ACCOUNT = "outbound-calls";

type Process = ReturnType<World["openProcess"]>;

/** One run: its world, its random numbers, and what is noted of it. */
interface Run {
  readonly world: World;
  readonly watch: Watch;
  readonly random: () => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(from: readonly T[]) => T;
}

/**
 * What may go on at once with a rotation. The name says who made a key current: see invariants.ts.
 */
const activities = {
  import: async ({ world, watch }: Run, process: Process) => {
    const { keyId } = world.platform.addKey({
      accountId: ACCOUNT,
      pem,
      name: "from the panel",
      roles: ["Developer", "Support"],
    });
    watch.trace.push(`import of ${keyId.slice(0, 8)}`);
    const args = ["import", "-", "--service-account", SERVICE_ACCOUNT, "--account-id", String(ACCOUNT)];
    const { status, err } = await voxtokenIn(
      world,
      process,
      [...args, "--grants", grants],
      credentialsFile(keyId, pem),
    );
    watch.trace.push(`import ended with ${status}: ${err}`);
  },
  rollback: async ({ world, watch }: Run, process: Process) => {
    if (watch.isOver(world.keyWith("AWSPREVIOUS") ?? "")) return;
    const { status, err } = await voxtokenIn(world, process, [
      "rollback",
      SERVICE_ACCOUNT,
      "--direct",
      "--grants",
      grants,
    ]);
    watch.trace.push(`rollback ended with ${status}: ${err}`);
  },
  "rollback by hand": (run: Run) => rollBackByHand(run),
  revoke: async ({ world, watch, chance }: Run, process: Process) => {
    const keyId = world.keyWith(chance(0.8) ? "AWSCURRENT" : "AWSPREVIOUS") ?? "";
    if (keyId === "") return;
    watch.revoked.add(keyId);
    const args = ["revoke", SERVICE_ACCOUNT, "--key", keyId, "--yes", "--direct", "--grants", grants];
    const { status, err } = await voxtokenIn(world, process, args);
    watch.trace.push(`revoke of ${keyId.slice(0, 8)} ended with ${status}: ${err}`);
    if (status !== 0) return;
    if (!(await isDead(world, keyId))) watch.violations.push(`revoke ended with 0, and key ${keyId} lives`);
    watch.proved.add(keyId);
  },
  reconciliation: async ({ watch, random }: Run, process: Process) => {
    for (let runs = 0; runs < 2; runs += 1) {
      await reconcileKeys(process.ports, policy).catch((error: unknown) => {
        watch.trace.push(`reconciliation failed: ${String(error)}`);
      });
      await process.ports.sleep(Math.floor(random() * 30_000));
    }
  },
} satisfies Record<string, (run: Run, process: Process) => Promise<void>>;

export type Activity = keyof typeof activities | "the same rotation" | "another rotation";
export const ACTIVITIES = [
  "the same rotation",
  "another rotation",
  ...(Object.keys(activities) as (keyof typeof activities)[]),
] as const;

/** An operator moves AWSCURRENT back in the console, without our command. */
async function rollBackByHand({ world, watch }: Run) {
  const secret = world.secret();
  const versions = [...secret.versions.values()];
  const current = versions.find(({ stages }) => stages.has("AWSCURRENT"));
  const previous = versions.find(({ stages }) => stages.has("AWSPREVIOUS"));
  const keyId = world.keyWith("AWSPREVIOUS") ?? "";
  // To a key that is there. Secrets Manager's reads lag: where a reconciliation is deleting a key
  // whose grace is over, it cannot see that the key became current a second ago.
  if (current === undefined || previous === undefined || watch.isOver(keyId)) return;
  if (!world.platform.keys.has(keyId)) return;
  watch.name(keyId);
  await world.secrets.call("UpdateSecretVersionStage", {
    SecretId: secret.arn,
    VersionStage: "AWSCURRENT",
    RemoveFromVersionId: current.id,
    MoveToVersionId: previous.id,
  });
  watch.trace.push("rolled back by hand");
  watch.check();
}

/**
 * One delivery of all four steps; a step that fails is delivered again, as Secrets Manager does.
 */
async function deliver({ world, watch }: Run, process: Process, events: readonly RotationEvent[]) {
  for (const event of events) {
    for (let tries = 1; ; tries += 1) {
      try {
        await rotateKey(process.ports, policy, event);
        break;
      } catch (error) {
        watch.trace.push(`${process.name}: ${event.Step} failed: ${String(error)}`);
        if (tries === 2) return;
      }
    }
  }
  const version = world.secret().versions.get(events[0]?.ClientRequestToken ?? "");
  if (world.removesPendingAfterRotation && version?.stages.has("AWSCURRENT") === true)
    version.stages.delete("AWSPENDING");
}

/** What happened before: it decides which labels are where, and whose grace is over. */
async function playHistory(run: Run) {
  const { world, random, pick } = run;
  const process = world.openProcess("history");
  const steps = Math.floor(random() * 4);
  for (let step = 0; step < steps; step += 1) {
    const what = pick(["rotation", "rotation", "import", "rollback by hand"] as const);
    if (what === "rotation") await deliver(run, process, world.startRotation());
    else if (what === "import") await activities.import(run, { ...process, ...world.openProcess("import") });
    else await rollBackByHand(run);
    world.clock.now += pick([1_000, 60_000, 700_000, 3_600_000, GRACE_MS + 1_000]);
    if (random() < 0.3) await reconcileKeys(process.ports, policy).catch(() => undefined);
  }
}

/** Plays one seed. Resolves to what broke, and what happened. */
export async function playSeed(seed: number, among: readonly Activity[]) {
  const random = seededRandom(seed);
  const chance = (probability: number) => random() < probability;
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  const label = () => pick(["kept", "removed"] as const);
  const lagMs = pick([0, 0, 1_000, 5_000]);
  const world = await startWorld({
    directStore: true,
    keyLimit: pick([10, 10, 10, 4]),
    lag: { acceptanceMs: pick([0, lagMs]), lookupMs: pick([0, lagMs]), listMs: pick([0, lagMs]) },
    secretsManager: {
      pendingOnPromotion: label(),
      pendingOnDemotion: label(),
      otherPendingOnPut: label(),
      pendingAfterRotation: label(),
      readLagMs: pick([0, 0, 3_000]),
    },
  });
  const watch = watchInvariants(world, policy);
  const run = { world, watch, random, chance, pick };
  try {
    await playHistory(run);
    watch.trace.push("-- at once:");
    const events = world.startRotation();
    const processes = new Map<Process, () => Promise<unknown>>();
    const first = world.openProcess("rotation");
    processes.set(first, () => deliver(run, first, events));
    for (const activity of among) {
      const process = world.openProcess(activity);
      const work =
        activity === "the same rotation"
          ? () => deliver(run, process, events)
          : activity === "another rotation"
            ? () => deliver(run, process, world.startRotation())
            : () => activities[activity](run, process);
      processes.set(process, work);
    }
    const trouble = pick(["none", "none", "lost", "killed"] as const);
    const fateOf = (process: string): Fate => {
      const number = random();
      if (trouble === "lost" && number < 0.03) return number < 0.015 ? "lost" : "unsent";
      if (trouble !== "killed" || number >= 0.015) return "answered";
      watch.trace.push(`${process} is killed`);
      return "killed";
    };
    await runInterleaved(world, processes, random, fateOf);
    watch.trace.push("-- settling:");
    await settleAndCheck(world, policy, watch);
    return { violations: watch.violations, trace: watch.trace };
  } finally {
    await world.close();
  }
}
