import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";

const cacheEntry = z.object({
  version: z.literal(2),
  response: z.object({
    access_token: z.string(),
    token_type: z.literal("Bearer"),
    expires_in: z.int(),
    expires_at: z.string(),
    service_account: z.string(),
    account_id: z.int(),
  }),
  lifetime: z
    .object({ askedAt: z.number(), renewFrom: z.number(), renewBy: z.number(), endsAt: z.number() })
    .check(
      z.refine(
        ({ askedAt, renewFrom, renewBy, endsAt }) =>
          askedAt <= renewFrom && renewFrom <= renewBy && renewBy <= endsAt && endsAt - askedAt <= 3600_000,
      ),
    ),
  /** The machine's uptime when the token was requested, in milliseconds. */
  uptime: z.number(),
});

export type CacheEntry = z.infer<typeof cacheEntry>;

/** Why a file or folder is not used. Contains names and modes, never contents. */
class CacheError extends Error {
  override readonly name = "CacheError";
}

/**
 * Creates the folder with mode 0700.
 *
 * @throws CacheError if others may use the folder, or another user owns it
 * @throws a system error if the folder cannot be created or written
 */
export async function prepareDirectory(directory: string, userId: number | undefined): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await lstat(directory);
  if (!found.isDirectory()) throw new CacheError(`${directory} is not a folder`);
  checkOwner(directory, found, userId);
  await access(directory, constants.W_OK);
}

/**
 * Reads an entry. Checks the opened file itself, so that no one can replace it after the check.
 *
 * @returns undefined if there is no entry, or none that this version can read
 * @throws CacheError it is a link, belongs to another user, or others may read or write it
 */
export async function readEntry(path: string, userId: number | undefined): Promise<CacheEntry | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (hasCode(error, "ELOOP")) throw new CacheError(`${path} is a symbolic link`);
    throw error;
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new CacheError(`${path} is not a file`);
    checkOwner(path, found, userId);
    return parseEntry(await file.readFile("utf8"));
  } finally {
    await file.close();
  }
}

/**
 * Writes the entry to a temporary file with mode 0600, and renames that file to `path`. So no
 * process reads an incomplete entry.
 */
export async function writeEntry(path: string, entry: CacheEntry): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(JSON.stringify(entry));
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    // On a full disk, closing fails too. The first error has the reason.
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Removes files that are older than an hour, the longest lifetime of a token. */
export async function removeOldEntries(directory: string, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!/\.(?:json|lock|tmp)$/.test(name)) continue;
    const path = join(directory, name);
    // Another process may have removed it.
    const found = await stat(path).catch((error: unknown) => {
      if (!hasCode(error, "ENOENT")) throw error;
    });
    if (found && nowMs - found.mtimeMs > 3600_000) await rm(path, { force: true, recursive: true });
  }
}

function checkOwner(path: string, found: { uid: number; mode: number }, userId: number | undefined): void {
  if (userId === undefined) return;
  if (found.uid !== userId) throw new CacheError(`${path} belongs to another user (${found.uid})`);
  const mode = found.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new CacheError(`${path} may be used by others (mode ${mode.toString(8).padStart(4, "0")})`);
  }
}

function parseEntry(text: string): CacheEntry | undefined {
  try {
    return cacheEntry.safeParse(JSON.parse(text)).data;
  } catch {
    // Text that is not JSON counts as no entry. The SyntaxError is dropped: it may quote the token.
    return undefined;
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
