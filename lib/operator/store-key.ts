import { ROLES_TAG, rolesTag } from "../key-lifecycle/roles.ts";
import {
  SecretNotFoundError,
  type SecretState,
  type SecretStore,
  versionWith,
} from "../key-lifecycle/secret-store.ts";
import type { Role } from "../voximplant/methods.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";

/** @throws CliError there is no such secret: what to do. */
export async function findSecret(store: SecretStore, secret: string): Promise<SecretState> {
  try {
    return await store.describe(secret);
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
    const hint = `deploy first, which makes the secret; or \`aws secretsmanager create-secret --name ${secret}\`; or name another --region`;
    throw new CliError(error.message, EXIT.failure, hint, { cause: error });
  }
}

/**
 * Makes a credentials file the current version of a secret, sees to it that it is there, and writes down the key's roles.
 *
 * Reading it back is what an operator of a deployment may not do, since the secret's policy lets the functions alone read
 * it: then Secrets Manager's word that the version is current has to do.
 */
export async function storeKey(
  io: Io,
  store: SecretStore,
  secret: SecretState,
  key: { readonly versionId: string; readonly value: string; readonly roles: readonly Role[] },
): Promise<void> {
  const { versionId, value, roles } = key;
  await store.putVersion({ secretId: secret.arn, versionId, value, stage: "AWSCURRENT" });
  if (versionWith("AWSCURRENT", await store.describe(secret.arn)) !== versionId) {
    throw new CliError(
      `version ${versionId} of secret ${secret.name} did not become current`,
      EXIT.failure,
      "try again",
    );
  }
  const readBack = await orDenied(store.readVersion(secret.arn, versionId));
  if (readBack === "denied") {
    io.stderr.write(
      `Stored in ${secret.name}, version ${versionId}. Not read back: its policy lets the functions alone read it.\n`,
    );
  } else if (readBack === value) {
    io.stderr.write(`Stored in ${secret.name}, version ${versionId}, and read back.\n`);
  } else {
    throw new CliError(
      `secret ${secret.name} gives back something else than was stored`,
      EXIT.failure,
      "try again",
    );
  }
  if ((await orDenied(store.tag(secret.arn, ROLES_TAG, rolesTag(roles)))) === "denied") {
    io.stderr.write(
      "The key's roles were not written down (secretsmanager:TagResource is denied): reconciliation does it.\n",
    );
  }
}

async function orDenied<T>(call: Promise<T>): Promise<T | "denied"> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && error.name === "AccessDeniedException") return "denied";
    throw error;
  }
}

/** A rotation that is under way would put its own key in place of what is stored now. */
export function warnOfRotation(io: Io, secret: SecretState): void {
  const pending = versionWith("AWSPENDING", secret);
  if (pending === undefined || pending === versionWith("AWSCURRENT", secret)) return;
  io.stderr.write(
    `A rotation of ${secret.name} is under way (version ${pending}). If it goes on, its key follows this one, with this one's roles.\n`,
  );
}
