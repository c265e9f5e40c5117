import { randomUUID } from "node:crypto";
import { lstat, open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import * as z from "zod/mini";
import { hasCode } from "./cache-file.ts";

const holder = z.object({ id: z.string(), pid: z.int(), host: z.string(), holdsMs: z.number() });

/** The time limit of a lock that does not contain one. */
const HELD_AT_MOST_MS = 20_000;

/** The clocks of two machines that share a folder may differ by this much. */
const AHEAD_AT_MOST_MS = 60_000;

/**
 * Takes the lock of a cache entry. A lock is taken over if its process on this machine has ended,
 * if its time limit is over, or if its file is dated more than a minute in the future.
 *
 * At worst two processes hold a lock at once, and both request a token.
 *
 * @param path of the lock's file
 * @param holdsMs how long this process may hold the lock
 * @returns a function that releases the lock; undefined while another process holds it
 * @throws a system error if no file can be created there
 */
export async function takeLock(
  path: string,
  holdsMs: number,
  now: () => number,
): Promise<(() => Promise<void>) | undefined> {
  const mine = { id: randomUUID(), pid: process.pid, host: hostname(), holdsMs };
  if (!(await create(path, JSON.stringify(mine)))) {
    const found = await examine(path, now);
    if (found === "held") return undefined;
    if (found !== "gone") await removeEnded(path, found, now);
    if (!(await create(path, JSON.stringify(mine)))) return undefined;
  }
  return async () => {
    // A process that was suspended may have lost its lock. Then the file belongs to another
    // process.
    if ((await readHolder(path))?.id === mine.id) await rm(path, { force: true });
  };
}

interface FileIdentity {
  readonly ino: number;
  readonly mtimeMs: number;
}

async function create(path: string, content: string): Promise<boolean> {
  let file;
  try {
    file = await open(path, "wx", 0o600);
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
  try {
    await file.writeFile(content);
    return true;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Finds out whether a process holds the lock. If none does, returns the file to remove. */
async function examine(path: string, now: () => number): Promise<"held" | "gone" | FileIdentity> {
  let found;
  try {
    found = await lstat(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return "gone";
    throw error;
  }
  const by = await readHolder(path);
  const age = now() - found.mtimeMs;
  const ended =
    age > (by?.holdsMs ?? HELD_AT_MOST_MS) || age < -AHEAD_AT_MOST_MS || (by !== undefined && !isAlive(by));
  return ended ? { ino: found.ino, mtimeMs: found.mtimeMs } : "held";
}

/** Undefined if the file is gone, not written yet, or invalid. */
async function readHolder(path: string): Promise<z.infer<typeof holder> | undefined> {
  try {
    return holder.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, host }: z.infer<typeof holder>): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}

/**
 * Removes the file that was examined and no other. Only one process at a time may do so. Otherwise
 * the second process would remove the lock that the first one has taken meanwhile.
 */
async function removeEnded(path: string, examined: FileIdentity, now: () => number): Promise<void> {
  const guard = `${path}.tmp`;
  if (!(await create(guard, ""))) {
    const found = await lstat(guard).catch(() => undefined);
    // The guard is left from a process that was killed.
    if (found && Math.abs(now() - found.mtimeMs) > 5_000) await rm(guard, { force: true });
    return;
  }
  try {
    const found = await lstat(path).catch(() => undefined);
    if (found?.ino === examined.ino && found.mtimeMs === examined.mtimeMs) {
      await rm(path, { force: true, recursive: true });
    }
  } finally {
    await rm(guard, { force: true });
  }
}
