import { createHash, randomInt } from "node:crypto";
import { join } from "node:path";
import type { TokenResponse } from "../http/wire.ts";
import { readPath } from "../environment.ts";
import { ageSince, type Lifetime } from "../client/lifetime.ts";
import { type CacheEntry, prepareDirectory, readEntry, removeOldEntries, writeEntry } from "./cache-file.ts";
import { type Io, oneLine } from "./io.ts";
import { takeLock } from "./lock-file.ts";

interface Minted {
  readonly response: TokenResponse;
  readonly lifetime: Lifetime;
  /** The machine's uptime when the token was requested, in milliseconds. */
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

/** The name of an entry's file. Different keys have different JSON, so their hashes differ too. */
export function cacheFileName(key: CacheKey): string {
  const { urls, identity, serviceAccount, accountId = null, ttlSeconds = null } = key;
  const encoded = JSON.stringify([urls, identity, serviceAccount, accountId, ttlSeconds]);
  return `${createHash("sha256").update(encoded).digest("hex")}.json`;
}

/**
 * https://specifications.freedesktop.org/basedir-spec/latest/
 *
 * @throws Error there is neither XDG_CACHE_HOME nor a home directory
 */
export function cacheDirectory({ env, homeDirectory }: Pick<Io, "env" | "homeDirectory">): string {
  const base = readPath(env, "XDG_CACHE_HOME") ?? (homeDirectory && join(homeDirectory, ".cache"));
  if (base === undefined)
    throw new Error("this user has no home directory, and XDG_CACHE_HOME is not an absolute path");
  return join(base, "voxtoken");
}

/** Which cached token is acceptable, and how to get a new one. */
interface Wanted {
  readonly key: CacheKey;
  readonly mint: () => Promise<Minted>;
  /** Returns how long a token must still be valid, in ms, given its whole lifetime in ms. */
  readonly needed: (lifetimeMs: number) => number;
  /** Milliseconds left for the whole command. */
  readonly timeLeft: () => number;
  /** A token that the platform has refused: the cache's copy of it is not used. */
  readonly rejected?: string | undefined;
}

/**
 * Resolves to a cached token, or to a new one. If several processes start together, one requests a
 * token and the others wait for its file, for at most half of their time. If a token expires soon,
 * one process renews it, and the others use the old one meanwhile.
 *
 * If the cache cannot be used, this warns once on stderr and requests the token without the cache.
 */
export async function throughCache(io: Io, wanted: Wanted): Promise<TokenResponse> {
  const { key, mint, timeLeft } = wanted;
  const waitUntil = timeLeft() / 2;
  const cache = await orWarn(io, () => openCache(io, key));
  if (cache === undefined) return (await mint()).response;
  const { directory, path } = cache;
  const read = () => orWarn(io, () => readEntry(path, io.userId));

  for (let waited = 0; ; waited++) {
    const entry = await read();
    if (good(entry, "renewFrom", io, wanted)) return asOfNow(entry, io);
    const release = await orWarn(
      io,
      async () => (await takeLock(`${path}.lock`, timeLeft(), io.now)) ?? "held",
    );
    if (release === undefined) return (await mint()).response;
    if (release !== "held") {
      try {
        return await mintInto(io, directory, path, await read(), wanted);
      } finally {
        await orWarn(io, release);
      }
    }
    if (good(entry, "renewBy", io, wanted)) return asOfNow(entry, io);
    const timeToWait = timeLeft() - waitUntil;
    if (timeToWait <= 0) {
      warn(io, new Error("another process holds its lock"));
      return (await mint()).response;
    }
    // The pauses grow, because many waiting processes would slow down the one that requests.
    await io.sleep(Math.min(timeToWait, randomInt(50, Math.min(1000, 100 * 2 ** waited))));
  }
}

async function openCache(io: Io, key: CacheKey): Promise<{ directory: string; path: string }> {
  const directory = cacheDirectory(io);
  await prepareDirectory(directory, io.userId);
  return { directory, path: join(directory, cacheFileName(key)) };
}

async function mintInto(
  io: Io,
  directory: string,
  path: string,
  current: CacheEntry | undefined,
  wanted: Wanted,
): Promise<TokenResponse> {
  // Another process may have written a new token before this one took the lock.
  if (good(current, "renewFrom", io, wanted)) return asOfNow(current, io);
  let minted: Minted;
  try {
    minted = await wanted.mint();
  } catch (error) {
    if (good(current, "endsAt", io, wanted)) return asOfNow(current, io);
    throw error;
  }
  await orWarn(io, async () => {
    await writeEntry(path, { version: 2, ...minted });
    await removeOldEntries(directory, io.now());
  });
  return minted.response;
}

/**
 * Whether the token may be used. Three things must be true: `lifetime[before]` is in the future;
 * the token stays valid for as long as needed; and the platform has not refused the token.
 */
function good(
  entry: CacheEntry | undefined,
  before: "renewFrom" | "renewBy" | "endsAt",
  io: Io,
  { needed, rejected }: Wanted,
): entry is CacheEntry {
  if (entry === undefined || entry.response.access_token === rejected) return false;
  const { lifetime } = entry;
  const time = timeOf(entry, io);
  return time < lifetime[before] && lifetime.endsAt - time >= needed(lifetime.endsAt - lifetime.askedAt);
}

/**
 * The present time: the time of the token request plus the age of the entry. Infinity if the clock
 * shows a time before that request.
 */
function timeOf({ lifetime, uptime }: CacheEntry, io: Io): number {
  // After a reboot, the machine's uptime may be smaller than the one in the entry. Then only the
  // clock counts.
  return lifetime.askedAt + ageSince({ now: lifetime.askedAt, monotonic: uptime }, io);
}

function asOfNow(entry: CacheEntry, io: Io): TokenResponse {
  const expires_in = Math.floor((entry.lifetime.endsAt - timeOf(entry, io)) / 1000);
  return { ...entry.response, expires_in };
}

/**
 * Undefined, with one warning, if the file system fails: an unusable cache never stops a command.
 */
async function orWarn<T>(io: Io, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    warn(io, error);
    return undefined;
  }
}

const warned = new WeakSet<Io>();

function warn(io: Io, error: unknown): void {
  if (warned.has(io)) return;
  warned.add(io);
  const reason = error instanceof Error ? error.message : String(error);
  io.stderr.write(`voxtoken: warning: the token cache is not used: ${oneLine(reason)}\n`);
}
