import { generateKeyPair, randomUUID } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** The account of every local key whose service account has no `accountId` in the grants file. */
export const LOCAL_ACCOUNT = { accountId: 1234567, email: "local@example.com", apiKey: "local-only-api-key" };

/**
 * The credentials file of a service account, in the form of `CreateKey`'s answer. It is created
 * once for each service account and Voximplant account, and read at the next start.
 *
 * @param directory is created with mode 0700 if it does not exist.
 * @param accountId the Voximplant account that the key belongs to.
 * @returns the file's text, which holds a private key.
 */
export async function localCredentials(
  directory: string,
  serviceAccount: string,
  accountId = LOCAL_ACCOUNT.accountId,
): Promise<string> {
  // The functions refuse a key if the grants file names another account for it. So each account has
  // its own file.
  const name = accountId === LOCAL_ACCOUNT.accountId ? serviceAccount : `${serviceAccount}_${accountId}`;
  const file = join(directory, `${name}_private.json`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const existing = await readIfThere(file);
  if (existing !== undefined) {
    await chmod(file, 0o600);
    return existing;
  }
  // The text is written to a draft, which is then linked. So two processes that start together use
  // the same complete file.
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, await newCredentials(accountId), { mode: 0o600 });
    await link(draft, file).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return await readFile(file, "utf8");
}

async function newCredentials(accountId: number): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const credentials = {
    account_email: LOCAL_ACCOUNT.email,
    account_id: accountId,
    key_id: randomUUID(),
    private_key: privateKey,
  };
  return `${JSON.stringify(credentials, undefined, 2)}\n`;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
