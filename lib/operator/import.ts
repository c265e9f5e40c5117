import { randomBytes, randomUUID } from "node:crypto";
import { open, readFile, stat, unlink } from "node:fs/promises";

import { Command } from "commander";

import { CredentialsFileError, parseCredentials, WrappedCredentialsError } from "../keys/credentials-file.ts";
import type { OpenKey, AccountKey } from "../key-lifecycle/account-key.ts";
import { checkAccount } from "../key-lifecycle/key-lifecycle-error.ts";
import { isNotKnownYet, isUnknownKey, proveListed, settle } from "../key-lifecycle/settle.ts";
import { messageOf } from "../reconciliation/finding.ts";
import type { Account } from "../voximplant/methods.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { wholeNumber } from "../cli/whole-number.ts";
import {
  addOperatorOptions,
  openOperator,
  type OperatorFlags,
  orExplain,
  serviceAccountOf,
} from "./operator.ts";
import { openPrompt, type Prompt, readStdin } from "./prompt.ts";
import { checkStoredKey, findSecret, reportLeftToDo, storeKey, warnOfRotation } from "./store-key.ts";

interface Flags extends OperatorFlags {
  readonly serviceAccount: string;
  readonly accountId?: number;
  readonly shred?: boolean;
}

export function importCommand(io: Io): Command {
  const command = new Command("import")
    .description("store a key from the control panel (a *_private.json) in its secret")
    .argument("<file>", "the credentials file, or - for stdin")
    .requiredOption("--service-account <name>", "the service account, as grants.yml names it")
    .option(
      "--account-id <id>",
      "the Voximplant account that the key must belong to (default: a prompt)",
      accountId,
    )
    .option("--shred", "overwrite and delete the file afterwards, without a prompt")
    .addHelpText(
      "after",
      "\nExample:\n  voxtoken admin import ~/Downloads/key_private.json --service-account calls",
    );
  return addOperatorOptions(command).action(
    orExplain("not imported", (file: string, flags: Flags) => importKey(io, file, flags)),
  );
}

async function importKey(io: Io, file: string, flags: Flags): Promise<void> {
  const { policy, store, openKey } = await openOperator(io, flags);
  const serviceAccount = serviceAccountOf(policy, flags.serviceAccount);
  const { secret: name } = serviceAccount;
  const secret = await findSecret(store, name);
  const fromFile = file !== "-";
  const text = fromFile ? await readKeyFile(io, file) : await readStdin(io);
  const { key, account } = await proveKey(io, openKey, text, flags.serviceAccount);
  checkAccount(serviceAccount, key);

  let leftToDo: string[];
  const prompt = fromFile && io.stdin.isTerminal ? openPrompt(io) : undefined;
  try {
    await confirmAccount(account, flags, prompt);
    warnOfRotation(io, secret);
    const roles = await key.api.getKeyRoles(key.keyId);
    leftToDo = await storeKey(io, store, secret, { versionId: randomUUID(), value: text, roles });
    const hint = `\`voxtoken admin rollback ${flags.serviceAccount}\`, or import another key`;
    leftToDo.push(...(await checkStoredKey(io, key, hint)));
    if (fromFile && leftToDo.length === 0)
      leftToDo.push(...(await tryToDisposeOf(io, file, text, flags, prompt)));
    else if (fromFile) leftToDo.push(`${file} was kept.`);
  } finally {
    await prompt?.close();
  }
  io.stdout.write(`${flags.serviceAccount}: key ${key.keyId} of account ${account.account_id} is current\n`);
  reportLeftToDo(key.keyId, leftToDo);
}

async function readKeyFile(io: Io, file: string): Promise<string> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0 && process.platform !== "win32") {
      io.stderr.write(
        `Warning: other users of this machine can read ${file}. If someone may have read it, rotate the key after ` +
          "the import: `voxtoken admin rotate NAME`.\n",
      );
    }
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new CliError(`cannot read ${file}`, EXIT.usage, "give the path of the downloaded file", {
      cause,
    });
  }
}

/** Verifies that the text is a credentials file and that the platform accepts its key. */
async function proveKey(
  io: Io,
  openKey: OpenKey,
  text: string,
  name: string,
): Promise<{ key: AccountKey; account: Account }> {
  try {
    const key = await openKey(text);
    const account = await waitUntilKnown(io, key);
    const { accountId } = parseCredentials(text);
    if (account.account_id === accountId) return { key, account };
    throw new CliError(
      `the file names account ${accountId}, but the platform reports account ${account.account_id} for its key`,
      EXIT.failure,
      "the file was changed: create another key in the control panel",
    );
  } catch (error) {
    if (error instanceof CredentialsFileError) {
      const hint =
        error instanceof WrappedCredentialsError
          ? "jq '[.result? // .] | flatten | .[0]' FILE | " +
            `voxtoken admin import - --service-account ${name} --account-id ID; then delete FILE`
          : "use the unchanged file from the control panel (*_private.json); if it is damaged, create another key there";
      throw new CliError(`not a usable credentials file: ${error.message}`, EXIT.failure, hint);
    }
    if (isUnknownKey(error)) {
      const hint =
        "the key was deleted, or this machine's clock is wrong; create another key in the control panel and import it";
      throw new CliError(`the platform refuses this key: ${error.message}`, EXIT.failure, hint);
    }
    throw error;
  }
}

/** Waits up to a minute, because the platform may not know a new key yet. */
function waitUntilKnown(io: Io, key: AccountKey): Promise<Account> {
  let isWaiting = false;
  const mayPass = (error: unknown) => {
    if (!isNotKnownYet(error)) return false;
    if (!isWaiting)
      io.stderr.write("The platform does not know this key; trying again for up to a minute.\n");
    isWaiting = true;
    return true;
  };
  return settle(() => proveListed(key), mayPass, io);
}

async function confirmAccount(
  { account_id, account_email = "no address" }: Account,
  { accountId: expected }: Flags,
  prompt: Prompt | undefined,
): Promise<void> {
  if (expected !== undefined && expected !== account_id) {
    const hint = `if ${account_id} is right, give --account-id ${account_id}; otherwise the key is not yours: delete the file`;
    throw new CliError(`the key belongs to account ${account_id}, not ${expected}`, EXIT.failure, hint);
  }
  if (expected !== undefined) return;
  if (prompt === undefined) {
    const hint = `if this is the right account, give --account-id ${account_id}`;
    throw new CliError(`the key belongs to account ${account_id} (${account_email})`, EXIT.usage, hint);
  }
  if (
    !(await prompt.confirm(
      `The key belongs to account ${account_id} (${account_email}). Is this the right account?`,
    ))
  )
    throw new CliError("stopped, and nothing was changed", EXIT.failure);
}

/** The key is already current. A failure becomes a sentence for {@link reportLeftToDo}. */
async function tryToDisposeOf(
  io: Io,
  file: string,
  text: string,
  flags: Flags,
  prompt: Prompt | undefined,
): Promise<string[]> {
  try {
    await disposeOf(io, file, text, flags, prompt);
    return [];
  } catch (error) {
    return [`${file} was not overwritten and deleted: ${messageOf(error)}. Delete the key file.`];
  }
}

async function disposeOf(
  io: Io,
  file: string,
  text: string,
  { shred }: Flags,
  prompt: Prompt | undefined,
): Promise<void> {
  const wanted = shred ?? (await prompt?.confirm(`Overwrite and delete ${file}?`)) ?? false;
  if (!wanted) {
    io.stderr.write(`The key is still in ${file}. Delete the file and empty the bin.\n`);
    return;
  }
  const handle = await open(file, "r+");
  try {
    const { size } = await handle.stat();
    if ((await handle.readFile("utf8")) !== text) throw new Error("another file has taken its place");
    await handle.write(randomBytes(size), 0, size, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await unlink(file);
  io.stderr.write(
    `${file} is overwritten and deleted. An SSD or a backup may still have its content. ` +
      "After the next rotation and its grace, that content is useless.\n",
  );
}

/** An option's value: a Voximplant account id. */
export const accountId = wholeNumber(
  1,
  Number.MAX_SAFE_INTEGER,
  "a whole number, as the control panel shows it",
);
