import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { exportPKCS8, generateKeyPair, jwtVerify } from "jose";
import { JOSEError } from "jose/errors";

/** The e-mail address in the credentials file. It shows that the file's key is a throwaway key. */
const THROWAWAY_EMAIL = "throwaway@voxtoken.invalid";

/** A key that the platform does not know. It proves that a client has the credentials file. */
export interface ThrowawayKey {
  /** JSON in the form that the control panel gives and the official clients read. */
  readonly credentialsFile: string;
  /**
   * Checks the value of an `Authorization` header.
   *
   * @returns why it is refused; undefined if it is accepted. Contains no part of the token
   */
  readonly findFault: (authorization: string | undefined) => Promise<string | undefined>;
}

/**
 * Generates a key for this process only, so that a token signed before a restart is refused.
 *
 * @param accountId the Voximplant account that the client puts into `iss`
 */
export async function makeThrowawayKey(accountId: number): Promise<ThrowawayKey> {
  const keyId = randomUUID();
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  return {
    credentialsFile: `${JSON.stringify(
      {
        account_email: THROWAWAY_EMAIL,
        account_id: accountId,
        key_id: keyId,
        private_key: await exportPKCS8(privateKey),
      },
      undefined,
      2,
    )}\n`,

    async findFault(authorization) {
      const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(authorization ?? "")?.[1];
      if (token === undefined) return "the request has no token of the throwaway key";
      try {
        const { payload, protectedHeader } = await jwtVerify(token, publicKey, {
          algorithms: ["RS256"],
          requiredClaims: ["iss", "exp"],
          // An hour is the longest lifetime that an official client uses (.NET).
          maxTokenAge: 3_600,
          clockTolerance: 5,
        });
        if (protectedHeader.kid !== keyId) return "the token names another key";
        // The Java and .NET clients write the account id as a string.
        if (String(payload.iss) === String(accountId)) return undefined;
        return `the token is for another account than ${accountId}: start voxtoken serve with --account-id`;
      } catch (error) {
        if (!(error instanceof JOSEError)) throw error;
        return `the token is not accepted (${error.code}): does the client use this run's file?`;
      }
    },
  };
}

/**
 * Writes the credentials file whole or not at all, with mode 0600. Replaces only a file of an
 * earlier run, because any other file may be a real key.
 *
 * @throws Error another file exists there, or the credentials file cannot be written
 */
export async function writeCredentials(file: string, { credentialsFile }: ThrowawayKey): Promise<void> {
  const existing = await readIfThere(file);
  if (existing?.includes(`"${THROWAWAY_EMAIL}"`) === false)
    throw new Error(`${file} exists, and was not written by voxtoken serve`);
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, credentialsFile, { mode: 0o600, flag: "wx" });
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new Error(`cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Removes the credentials file, unless another run has replaced it. */
export async function removeCredentials(file: string, { credentialsFile }: ThrowawayKey): Promise<void> {
  if ((await readIfThere(file)) === credentialsFile) await rm(file, { force: true });
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
