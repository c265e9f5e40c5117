import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { ROLES_TAG, rolesTag } from "../key-lifecycle/roles.ts";
import {
  SecretNotFoundError,
  type SecretState,
  type SecretStore,
  unfinishedVersion,
  versionWith,
} from "../key-lifecycle/secret-store.ts";
import { isUnknownKey, proveKnown, readUntil, settle } from "../key-lifecycle/settle.ts";
import { dropPending, MayBeCurrentError, storeCurrent } from "../key-lifecycle/store-current.ts";
import { parseCredentials } from "../keys/credentials-file.ts";
import { messageOf } from "../reconciliation/finding.ts";
import type { Role } from "../voximplant/methods.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";

/** @throws CliError the secret does not exist; the hint says what to do */
export async function findSecret(store: SecretStore, secret: string): Promise<SecretState> {
  try {
    return await store.describe(secret);
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
    const hint = `deploy first, which creates the secret; or \`aws secretsmanager create-secret --name ${secret}\`; or give another --region`;
    throw new CliError(error.message, EXIT.failure, hint, { cause: error });
  }
}

/**
 * Stores a credentials file as the current version of a secret, and waits until Secrets Manager
 * reports it as current. Then takes AWSPENDING off another version, so that no rotation makes that
 * one current again, and records the key's roles.
 *
 * @returns what was not done although the key is current, each a sentence
 * @throws CliError it is not known whether the key is current, or another version is current
 * @throws what {@link storeCurrent} throws, if the key is not current
 */
export async function storeKey(
  io: Io,
  store: SecretStore,
  secret: SecretState,
  key: { readonly versionId: string; readonly value: string; readonly roles: readonly Role[] },
): Promise<string[]> {
  const { versionId, value, roles } = key;
  await storeCurrent(store, secret, { versionId, value }, io).catch((error: unknown) => {
    if (!(error instanceof MayBeCurrentError)) throw error;
    const message = `key ${parseCredentials(value).keyId} may be current. ${error.message}`;
    const hint = "`voxtoken admin keys` shows the current key; if it is another one, run the command again";
    throw new CliError(message, EXIT.failure, hint, { cause: error });
  });

  const leftToDo: string[] = [];
  const attempt = async (what: string, work: () => Promise<string | undefined>) => {
    try {
      const said = await work();
      if (said !== undefined) io.stderr.write(`${said}\n`);
    } catch (error) {
      if (error instanceof CliError) throw error;
      leftToDo.push(`${what}: ${messageOf(error)}.`);
    }
  };
  await attempt("AWSPENDING was not taken off another version", async () =>
    (await dropPending(store, secret.arn, io)) === "clean"
      ? undefined
      : "A replica is behind, so AWSPENDING stays on another version. rotate-key refuses that " +
        "version, because it is older than the current one. If the next rotation fails, run " +
        "`voxtoken admin rotate`.",
  );
  await attempt("The secret could not be read back", () => readBack(io, store, secret, versionId, value));
  await attempt("The key's roles were not recorded", async () => {
    const [tag, recorded] = [rolesTag(roles), secret.tags.get(ROLES_TAG)];
    if ((await orDenied(store.tag(secret.arn, ROLES_TAG, tag))) !== "denied") return undefined;
    const denied = "The key's roles were not recorded (secretsmanager:TagResource is denied).";
    if (recorded === undefined) return `${denied} Reconciliation records them.`;
    return recorded === tag
      ? undefined
      : `${denied} Accept them, or an alarm reports that they changed: \`voxtoken admin keys --accept-roles NAME\`.`;
  });
  return leftToDo;
}

/**
 * Asks the platform whether a stored key works. No secret held the key until it was stored, so a
 * reconciliation may have deleted it.
 *
 * @param hint what to do if it was deleted
 * @returns a sentence if the platform gave no answer
 * @throws CliError the key was deleted
 */
export async function checkStoredKey(io: Io, key: AccountKey, hint: string): Promise<string[]> {
  try {
    await settle(() => proveKnown(key), isUnknownKey, io);
    return [];
  } catch (cause) {
    if (!isUnknownKey(cause))
      return [`It is unknown whether the platform still accepts the key: ${messageOf(cause)}`];
    const message = `key ${key.keyId} is current, but it was deleted while this command stored it`;
    throw new CliError(message, EXIT.failure, hint, { cause });
  }
}

/**
 * Reads the value back and compares it. In a deployment this is denied, because only the functions
 * may read the value. Then Secrets Manager's report that the version is current must suffice.
 */
async function readBack(
  io: Io,
  store: SecretStore,
  { arn, name }: SecretState,
  versionId: string,
  value: string,
): Promise<string> {
  const version = await orDenied(store.readVersion(arn, versionId));
  if (version === "denied")
    return `Stored in ${name}, version ${versionId}. Not read back: only the functions may read it.`;
  if (version?.value !== value) throw new Error(`secret ${name} returns a different value`);
  const isCurrent = (state: SecretState) => versionWith("AWSCURRENT", state) === versionId;
  if (!isCurrent(await readUntil(() => store.describe(arn), isCurrent, io))) {
    const message = `key ${parseCredentials(value).keyId} was stored, but another version became current meanwhile`;
    throw new CliError(message, EXIT.failure, "see `voxtoken admin keys`");
  }
  return `Stored in ${name}, version ${versionId}, and read back.`;
}

async function orDenied<T>(call: Promise<T>): Promise<T | "denied"> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && error.name === "AccessDeniedException") return "denied";
    throw error;
  }
}

/** Fails if something was not done after the key became current. The message lists it. */
export function reportLeftToDo(keyId: string, leftToDo: readonly string[]): void {
  if (leftToDo.length === 0) return;
  throw new CliError(
    `key ${keyId} is current, but: ${leftToDo.join(" ")}`,
    EXIT.failure,
    "do not store the key again; fix what the message lists",
  );
}

/** Warns that storing a key ends a rotation that is under way. */
export function warnOfRotation(io: Io, secret: SecretState): void {
  const pending = unfinishedVersion(secret);
  if (pending === undefined) return;
  io.stderr.write(`A rotation of ${secret.name} is under way (version ${pending}); this command ends it.\n`);
}
