import { randomUUID } from "node:crypto";

import { Command } from "commander";

import { isRefusedByAws } from "../key-lifecycle/aws-refusal.ts";
import { createKey, deleteAgain, LostKeyError } from "../key-lifecycle/create-key.ts";
import { labelKey } from "../key-lifecycle/key-label.ts";
import { checkAccount } from "../key-lifecycle/key-lifecycle-error.ts";
import { isNotKnownYet, proveListed, settle } from "../key-lifecycle/settle.ts";
import { serializeCredentials } from "../keys/credentials-file.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import type { AccountKey, OpenKey } from "../key-lifecycle/account-key.ts";
import { versionWith } from "../key-lifecycle/secret-store.ts";
import { type ManagementApi, openManagementApi, type Role } from "../voximplant/methods.ts";
import { startGrace } from "../reconciliation/replace-key.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { accountId } from "./import.ts";
import {
  addOperatorOptions,
  openOperator,
  type OperatorFlags,
  orExplain,
  serviceAccountOf,
} from "./operator.ts";
import { openPrompt, readStdin } from "./prompt.ts";
import { checkStoredKey, findSecret, reportLeftToDo, storeKey, warnOfRotation } from "./store-key.ts";

interface Flags extends OperatorFlags {
  readonly serviceAccount: string;
  readonly accountId: number;
  readonly roles: readonly string[];
  readonly replace?: boolean;
}

export function bootstrapCommand(io: Io): Command {
  const command = new Command("bootstrap")
    .description("use the account's deprecated API key to create a key, and store the new key in its secret")
    .requiredOption("--service-account <name>", "the service account, as grants.yml names it")
    .requiredOption("--account-id <id>", "the Voximplant account", accountId)
    .requiredOption("--roles <names>", 'the key\'s roles, separated by commas; "" for none', splitNames)
    .option("--replace", "store the new key even if the secret holds a key already")
    .addHelpText(
      "after",
      `
The API key is read from stdin or from a hidden prompt. The private key is never
written to a disk.

Example:
  voxtoken admin bootstrap --service-account outbound-calls \\
    --account-id 1234567 --roles Scenarios`,
    );
  return addOperatorOptions(command).action(
    orExplain("no key was stored in the secret", (flags: Flags) => bootstrap(io, flags)),
  );
}

async function bootstrap(io: Io, flags: Flags): Promise<void> {
  const { policy, store, connection, openKey } = await openOperator(io, flags);
  const serviceAccount = serviceAccountOf(policy, flags.serviceAccount);
  const { secret: name } = serviceAccount;
  if (serviceAccount.accountId !== undefined && serviceAccount.accountId !== flags.accountId)
    throw new CliError(
      `grants.yml says accountId ${serviceAccount.accountId} for ${serviceAccount.name}, not ${flags.accountId}`,
      EXIT.usage,
      `give --account-id ${serviceAccount.accountId}, or correct grants.yml`,
    );
  const secret = await findSecret(store, name);
  if (versionWith("AWSCURRENT", secret) !== undefined && flags.replace !== true) {
    const hint =
      `replace the key with \`voxtoken admin rotate ${flags.serviceAccount}\`; ` +
      "if the key no longer works, run bootstrap with --replace";
    throw new CliError(`secret ${name} holds a key already`, EXIT.failure, hint);
  }
  warnOfRotation(io, secret);
  const apiKey = await readApiKey(io);
  const api = openManagementApi(connection, () => ({ accountId: flags.accountId, apiKey }));
  const roles = chooseRoles(await api.getRoles(), flags.roles);

  const log = (_level: string, message: string) => {
    io.stderr.write(`${message}\n`);
  };
  await startGrace({ store, sleep: io.sleep, log, now: io.now }, secret);
  const versionId = randomUUID();
  const label = labelKey(secret, versionId, io.now());
  const roleIds = roles.map(({ role_id }) => role_id);
  const created = await createKey(api, { ...label, roleIds }).catch((error: unknown) => {
    if (!(error instanceof LostKeyError)) throw error;
    // Until a secret holds a key of this account, no command can list the account's keys.
    const hint =
      "run the command again: then `voxtoken admin keys` lists that key as a stray, and reconciliation deletes it " +
      "after the grace; to delete it at once, find its name in the control panel";
    const message = `no key was stored in the secret: ${error.message}`;
    throw new CliError(message, EXIT.failure, hint, { cause: error });
  });
  const value = serializeCredentials(created);
  const key = await openAndProve(io, api, openKey, value, serviceAccount).catch(async (error: unknown) => {
    await deleteAgain(api, created.key_id, error);
    throw error;
  });
  // From here on, the key is deleted only if AWS refused to store it. Otherwise it may be current.
  const leftToDo = await storeKey(io, store, secret, { versionId, value, roles }).catch(
    async (error: unknown) => {
      if (isRefusedByAws(error)) await deleteAgain(api, created.key_id, error);
      throw error;
    },
  );
  leftToDo.push(...(await checkStoredKey(io, key, "run bootstrap again with --replace")));
  io.stdout.write(
    `${flags.serviceAccount}: key ${created.key_id} of account ${created.account_id} is current\n`,
  );
  io.stderr.write(
    "The API key is no longer needed here. It allows every method and never expires. Once nothing else uses it, replace " +
      "it in the control panel, and do not store the new one anywhere.\n",
  );
  reportLeftToDo(created.key_id, leftToDo);
}

/** Waits up to a minute until the platform knows the new key. */
async function openAndProve(
  io: Io,
  api: ManagementApi,
  openKey: OpenKey,
  value: string,
  serviceAccount: ServiceAccount,
): Promise<AccountKey> {
  const key = await openKey(value);
  checkAccount(serviceAccount, key);
  await settle(() => proveListed(key, api), isNotKnownYet, io);
  return key;
}

async function readApiKey(io: Io): Promise<string> {
  const read = async () => {
    if (!io.stdin.isTerminal) return (await readStdin(io)).trim();
    const prompt = openPrompt(io);
    try {
      return await prompt.askHidden("API key of the account (not shown): ");
    } finally {
      await prompt.close();
    }
  };
  const apiKey = await read();
  if (apiKey !== "") return apiKey;
  throw new CliError("no API key was given", EXIT.usage, "type it at the prompt, or pipe it to stdin");
}

function chooseRoles(known: readonly Role[], wanted: readonly string[]): Role[] {
  return wanted.map((name) => {
    const role = known.find(({ role_name }) => role_name.toLowerCase() === name.toLowerCase());
    if (role !== undefined) return role;
    const names = known.map(({ role_name }) => role_name).join(", ");
    throw new CliError(`the platform has no role ${name}`, EXIT.usage, `it has ${names}`);
  });
}

function splitNames(text: string): string[] {
  return text.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]));
}
