import type { World } from "./world.ts";

type Process = ReturnType<World["openProcess"]>;

/**
 * What becomes of one remote call. `lost`: it takes effect, and its answer is lost. `killed`: so,
 * and the process dies.
 */
export type Fate = "answered" | "lost" | "unsent" | "killed";

interface Parked {
  readonly process: string;
  /** When a sleeper wakes; nothing for one that is about to make a call. */
  readonly wakeAt?: number;
  readonly go: (fate: Fate) => void;
}

/** Numbers from 0 up to, not including, 1, from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Runs processes call by call: each waits before every remote call and in every sleep, and goes on
 * when `random` picks it. One process runs at a time, so a seed determines everything. The clock
 * moves by the time that a call takes, and to the end of a sleep when a sleeper is picked.
 *
 * @param fateOf what becomes of the call that was picked
 */
export async function runInterleaved(
  world: World,
  processes: ReadonlyMap<Process, () => Promise<unknown>>,
  random: () => number,
  fateOf: (process: string) => Fate,
): Promise<void> {
  const parked: Parked[] = [];
  const ended = new Set<string>();
  let wake: () => void = () => undefined;
  const park = (entry: Omit<Parked, "go">) =>
    new Promise<Fate>((resolve) => {
      parked.push({ ...entry, go: resolve });
      wake();
    });
  const end = (process: string) => {
    ended.add(process);
    wake();
  };
  /** Until the process waits again, or has ended. */
  const settled = async (process: string) => {
    while (!ended.has(process) && !parked.some((one) => one.process === process)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  /** The others are waiting, so whatever is under way is the work of this process. */
  const never = <T>() => new Promise<T>(() => undefined);

  for (const [{ name, remote }, work] of processes) {
    remote.random = random;
    remote.around = async (call) => {
      const fate = await park({ process: name });
      if (fate === "unsent") throw reset();
      const answer = await call();
      if (fate === "killed") {
        end(name);
        return never();
      }
      if (fate === "lost") throw reset();
      return answer;
    };
    remote.sleep = async (milliseconds) => {
      await park({ process: name, wakeAt: world.clock.now + milliseconds });
    };
    void park({ process: name })
      .then(work)
      .catch(() => undefined)
      .finally(() => {
        end(name);
      });
  }

  while (parked.length > 0) {
    const callers = parked.filter(({ wakeAt }) => wakeAt === undefined);
    const sleepers = parked.filter(({ wakeAt }) => wakeAt !== undefined);
    const next = sleepers.sort((one, other) => (one.wakeAt ?? 0) - (other.wakeAt ?? 0))[0];
    const isSleepersTurn = next !== undefined && (callers.length === 0 || random() < 0.15);
    const chosen = isSleepersTurn ? next : callers[Math.floor(random() * callers.length)];
    if (chosen === undefined) break;
    parked.splice(parked.indexOf(chosen), 1);
    world.clock.now = Math.max(
      world.clock.now + Math.floor(random() * 300),
      isSleepersTurn ? (next.wakeAt ?? 0) : 0,
    );
    chosen.go(isSleepersTurn ? "answered" : fateOf(chosen.process));
    await settled(chosen.process);
  }
}

function reset(): Error {
  return new TypeError("fetch failed", { cause: new Error("the answer was lost by this test") });
}
