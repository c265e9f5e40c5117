import { randomUUID } from "node:crypto";

import { Command } from "commander";

import { labelKey } from "../key-lifecycle/key-label.ts";
import { checkAccount } from "../key-lifecycle/key-lifecycle-error.ts";
import { isUnknownKey, settle } from "../key-lifecycle/settle.ts";
import { serializeCredentials } from "../keys/credentials-file.ts";
import type { ServiceAccount } from "../grants/policy.ts";
import type { AccountKey, OpenKey } from "../key-lifecycle/account-key.ts";
import { versionWith } from "../key-lifecycle/secret-store.ts";
import { type ManagementApi, openManagementApi, type Role } from "../voximplant/methods.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { accountId } from "./import.ts";
import {
  addOperatorOptions,
  explain,
  openOperator,
  type OperatorFlags,
  serviceAccountOf,
} from "./operator.ts";
import { openPrompt, readStdin } from "./prompt.ts";
import { findSecret, reportLeftToDo, storeKey, warnOfRotation } from "./store-key.ts";

interface Flags extends OperatorFlags {
  readonly serviceAccount: string;
  readonly accountId: number;
  readonly roles: readonly string[];
  readonly replace?: boolean;
}

export function bootstrapCommand(io: Io): Command {
  const command = new Command("bootstrap")
    .description("have a key made by the account's deprecated API key, and put it straight into its secret")
    .requiredOption("--service-account <name>", "whose key it is to be, as grants.yml names it")
    .requiredOption("--account-id <id>", "the Voximplant account", accountId)
    .requiredOption("--roles <names>", 'the key\'s roles, with commas between; "" for none', splitNames)
    .option("--replace", "although the secret holds a key already")
    .addHelpText(
      "after",
      "\nThe API key is read from stdin, or asked for without showing it. The private key never touches a disk.\n" +
        "\nExample:\n  voxtoken admin bootstrap --service-account outbound-calls --account-id 1234567 --roles Scenarios",
    );
  return addOperatorOptions(command).action(async (flags: Flags) => {
    try {
      await bootstrap(io, flags);
    } catch (error) {
      throw explain(error, "no key was put into the secret");
    }
  });
}

async function bootstrap(io: Io, flags: Flags): Promise<void> {
  const { policy, store, connection, openKey } = await openOperator(io, flags);
  const serviceAccount = serviceAccountOf(policy, flags.serviceAccount);
  const { secret: name } = serviceAccount;
  const secret = await findSecret(store, name);
  if (versionWith("AWSCURRENT", secret) !== undefined && flags.replace !== true) {
    const hint = `to replace its key, \`voxtoken admin rotate ${flags.serviceAccount}\`; if that key is dead, add --replace`;
    throw new CliError(`secret ${name} holds a key already`, EXIT.failure, hint);
  }
  warnOfRotation(io, secret);
  const apiKey = await readApiKey(io);
  const api = openManagementApi(connection, () => ({ accountId: flags.accountId, apiKey }));
  const roles = chooseRoles(await api.getRoles(), flags.roles);

  const versionId = randomUUID();
  const label = labelKey(secret, versionId, io.now());
  const created = await api.createKey({ ...label, roleIds: roles.map(({ role_id }) => role_id) });
  const value = serializeCredentials(created);
  const key = await openAndProve(io, openKey, value, serviceAccount).catch((error: unknown) =>
    takeBack(api, created.key_id, error),
  );
  // Do not take the key back after this point: even if a call fails, it may be current. If it is not,
  // reconciliation recognises its name and deletes it.
  const leftToDo = await storeKey(io, store, secret, { versionId, value, roles });
  // Before it was stored, a reconciliation could have taken it for a stray.
  await settle(() => key.api.getAccountInfo(), isUnknownKey, io).catch((cause: unknown) => {
    const hint = "run it again with --replace";
    throw new CliError(`key ${created.key_id} was deleted while it was stored`, EXIT.failure, hint, {
      cause,
    });
  });
  io.stdout.write(
    `${flags.serviceAccount}: key ${created.key_id} of account ${created.account_id} is current\n`,
  );
  io.stderr.write(
    "Nothing here needs the API key any more. It has every right there is and never expires: once nothing else uses it, " +
      "have the control panel make another in its place, and keep that one nowhere.\n",
  );
  reportLeftToDo(created.key_id, leftToDo);
}

/** A new key may be unknown to the platform for up to a minute. */
async function openAndProve(
  io: Io,
  openKey: OpenKey,
  value: string,
  serviceAccount: ServiceAccount,
): Promise<AccountKey> {
  const key = await openKey(value);
  checkAccount(serviceAccount, key);
  await settle(() => key.api.getAccountInfo(), isUnknownKey, io);
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
  throw new CliError("no API key was given", EXIT.usage, "type it when asked, or pipe it in");
}

function chooseRoles(known: readonly Role[], wanted: readonly string[]): Role[] {
  return wanted.map((name) => {
    const role = known.find(({ role_name }) => role_name.toLowerCase() === name.toLowerCase());
    if (role !== undefined) return role;
    const names = known.map(({ role_name }) => role_name).join(", ");
    throw new CliError(`the platform knows no role ${name}`, EXIT.usage, `it has ${names}`);
  });
}

/** A key that is in no secret is of no use to anybody, and one more to steal. */
async function takeBack(api: ManagementApi, keyId: string, error: unknown): Promise<never> {
  try {
    await api.deleteKey(keyId);
  } catch (cause) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = "delete that key in the control panel";
    throw new CliError(`${reason} And the new key ${keyId} could not be deleted.`, EXIT.failure, hint, {
      cause,
    });
  }
  throw error;
}

function splitNames(text: string): string[] {
  return text.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]));
}
