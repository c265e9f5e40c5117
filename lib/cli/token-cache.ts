import { createHash, randomInt } from "node:crypto";
import { join } from "node:path";
import { lock } from "proper-lockfile";
import type { TokenResponse } from "../http/wire.ts";
import { readPath } from "../environment.ts";
import { ageSince, type Lifetime } from "../client/lifetime.ts";
import {
  CacheError,
  type CacheEntry,
  hasCode,
  prepareDirectory,
  readEntry,
  removeOldEntries,
  writeEntry,
} from "./cache-file.ts";
import type { Io } from "./io.ts";

export interface Minted {
  readonly response: TokenResponse;
  readonly lifetime: Lifetime;
  /** How long the machine had been up when the token was asked for, in milliseconds. */
  readonly uptime: number;
}

export interface CacheKey {
  readonly urls: readonly string[];
  /** Of the AWS credentials: see credentialIdentity. */
  readonly identity: readonly string[];
  readonly serviceAccount: string;
  readonly accountId: number | undefined;
  readonly ttlSeconds: number | undefined;
}

/** SHA-256 over JSON, in which no two keys look alike whatever stands in them: it is the name of a file. */
export function cacheFileName(key: CacheKey): string {
  const { urls, identity, serviceAccount, accountId = null, ttlSeconds = null } = key;
  const encoded = JSON.stringify([urls, identity, serviceAccount, accountId, ttlSeconds]);
  return `${createHash("sha256").update(encoded).digest("hex")}.json`;
}

/** https://specifications.freedesktop.org/basedir-spec/latest/ */
export function cacheDirectory({ env, homeDirectory }: Pick<Io, "env" | "homeDirectory">): string {
  return join(readPath(env, "XDG_CACHE_HOME") ?? join(homeDirectory, ".cache"), "voxtoken");
}

/**
 * A token of the cache, or a new one: of processes that start together one mints, and the others wait for its file. A token
 * that nears its end is renewed by one of them, and served to the rest. Where the cache cannot be used, that is said on
 * stderr, and the token minted all the same.
 *
 * @param rejected a token that the platform has refused: the cache's copy of it is not used
 */
export async function throughCache(
  io: Io,
  key: CacheKey,
  mint: () => Promise<Minted>,
  rejected?: string,
): Promise<TokenResponse> {
  const directory = cacheDirectory(io);
  const path = join(directory, cacheFileName(key));
  const read = async (): Promise<CacheEntry | undefined> => {
    const entry = await readUsable(io, path);
    return entry !== undefined &&
      timeOf(entry, io) < entry.lifetime.endsAt &&
      entry.response.access_token !== rejected
      ? entry
      : undefined;
  };
  try {
    await prepareDirectory(directory, io.userId);
  } catch (error) {
    warn(io, error);
    return (await mint()).response;
  }
  for (let waited = 0; ; waited++) {
    const entry = await read();
    if (entry !== undefined && timeOf(entry, io) < entry.lifetime.renewFrom) return asOfNow(entry, io);
    const release = await tryLock(path);
    if (release !== undefined) {
      try {
        return await mintInto(io, directory, path, await read(), mint);
      } finally {
        await release();
      }
    }
    if (entry !== undefined && timeOf(entry, io) < entry.lifetime.renewBy) return asOfNow(entry, io);
    // Longer and longer: fifty processes that look all the time keep the one that mints from working.
    await io.sleep(randomInt(50, Math.min(1000, 100 * 2 ** waited)));
  }
}

async function mintInto(
  io: Io,
  directory: string,
  path: string,
  current: CacheEntry | undefined,
  mint: () => Promise<Minted>,
): Promise<TokenResponse> {
  // Minted by somebody else while this process took the lock.
  if (current !== undefined && timeOf(current, io) < current.lifetime.renewFrom) return asOfNow(current, io);
  let minted: Minted;
  try {
    minted = await mint();
  } catch (error) {
    // A failed renewal spoils no token that is still valid.
    if (current !== undefined && timeOf(current, io) < current.lifetime.endsAt) return asOfNow(current, io);
    throw error;
  }
  try {
    await writeEntry(path, { version: 2, ...minted });
    await removeOldEntries(directory, io.now());
  } catch (error) {
    warn(io, error);
  }
  return minted.response;
}

/** A file that is not to be trusted is as good as none: it is replaced when the new token is written. */
async function readUsable(io: Io, path: string): Promise<CacheEntry | undefined> {
  try {
    return await readEntry(path, io.userId);
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    warn(io, error);
    return undefined;
  }
}

/** Undefined when another process holds it. One that died without releasing it is overtaken after 20 seconds. */
async function tryLock(path: string): Promise<(() => Promise<void>) | undefined> {
  try {
    // Whoever lost the lock (this process was suspended) may finish: what happens at worst is that two of them mint.
    const release = await lock(path, { realpath: false, stale: 20_000, onCompromised: () => undefined });
    return () => release().catch(ignoreLost);
  } catch (error) {
    if (hasCode(error, "ELOCKED")) return undefined;
    throw error;
  }
}

function ignoreLost(error: unknown): void {
  if (!hasCode(error, "ERELEASED") && !hasCode(error, "ENOTACQUIRED")) throw error;
}

/** The time by which an entry is judged; Infinity where the clock was set back since. */
function timeOf({ lifetime, uptime }: CacheEntry, io: Io): number {
  // After a restart the uptime is smaller than the entry's: then the clock alone counts.
  return lifetime.askedAt + ageSince({ now: lifetime.askedAt, monotonic: uptime }, io);
}

function asOfNow(entry: CacheEntry, io: Io): TokenResponse {
  const expires_in = Math.floor((entry.lifetime.endsAt - timeOf(entry, io)) / 1000);
  return { ...entry.response, expires_in };
}

function warn(io: Io, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  io.stderr.write(`voxtoken: warning: the token cache is not used: ${reason}\n`);
}
