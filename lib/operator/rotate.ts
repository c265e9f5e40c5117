import { RotateSecretCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { Command } from "commander";

import { isRefusedByAws } from "../key-lifecycle/aws-refusal.ts";
import {
  type SecretState,
  type SecretStore,
  unfinishedVersion,
  versionWith,
} from "../key-lifecycle/secret-store.ts";
import { READ_LAG_MS, readUntil } from "../key-lifecycle/settle.ts";
import { isSupersededVersion } from "../key-lifecycle/snapshot.ts";
import { dropPending } from "../key-lifecycle/store-current.ts";
import { messageOf } from "../reconciliation/finding.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { wholeNumber } from "../cli/whole-number.ts";
import { addFunctionOptions, type FunctionFlags } from "./key-functions.ts";
import {
  addOperatorOptions,
  deploymentOf,
  isMarkedForDeletion,
  openOperator,
  orExplain,
  serviceAccountOf,
} from "./operator.ts";
import { confirmOrStop } from "./prompt.ts";
import { REPLACEMENT_SECONDS, revoke } from "./revoke.ts";
import { findSecret } from "./store-key.ts";

interface Flags extends FunctionFlags {
  readonly now?: boolean;
  readonly revoke?: boolean;
  readonly timeout?: number;
}

const WAIT_SECONDS = 300;

export function rotateCommand(io: Io): Command {
  const command = new Command("rotate")
    .description("rotate a service account's key, and wait until it is done")
    .argument("<service-account>", "as grants.yml names it")
    .option("--now", "do not ask for confirmation")
    .option("--revoke", "for a leak: the same as `voxtoken admin revoke`")
    .option(
      "--timeout <seconds>",
      `stop waiting after this time; the rotation continues (default: ${WAIT_SECONDS})`,
      wholeNumber(1, 86_400, "a whole number of seconds"),
    )
    .addHelpText(
      "after",
      `
Safe to repeat: a rotation that stopped is continued. The old key works until
its grace is over. If it has leaked, use \`voxtoken admin revoke\` instead.`,
    );
  return addFunctionOptions(addOperatorOptions(command)).action(
    orExplain("not rotated", (name: string, flags: Flags) => rotate(io, name, flags)),
  );
}

async function rotate(io: Io, name: string, flags: Flags): Promise<void> {
  if (flags.revoke === true) {
    const { now: yes, timeout = REPLACEMENT_SECONDS, ...rest } = flags;
    await revoke(io, name, { ...rest, timeout: Math.min(timeout, 300), ...(yes !== undefined && { yes }) });
    return;
  }
  const operator = await openOperator(io, flags);
  const serviceAccount = serviceAccountOf(operator.policy, name);
  const secret = await findSecret(operator.store, serviceAccount.secret);
  if (versionWith("AWSCURRENT", secret) === undefined) {
    const hint = `\`voxtoken admin import FILE --service-account ${name}\`, or \`bootstrap\``;
    throw new CliError(`secret ${secret.name} holds no key yet`, EXIT.failure, hint);
  }
  if (flags.now !== true) await confirmOrStop(io, `Replace the key of ${name}?`, "--now");

  await dropSuperseded(io, operator.store, secret);
  const versionId = await start(io, operator.secretsManager, operator.store, secret);
  await follow(io, operator.store, secret, versionId, flags);
  io.stdout.write(`${name}: version ${versionId} of secret ${secret.name} is current\n`);
  io.stderr.write(
    "The old key works until its grace is over. Then reconciliation deletes it.\n" +
      "If it has leaked, revoke it now. `voxtoken admin keys` shows its id:\n" +
      `  voxtoken admin revoke ${name} --key KEY_ID\n`,
  );
}

/**
 * Takes AWSPENDING off a version that an import or a rollback has superseded. Otherwise Secrets
 * Manager continues with that version instead of starting a rotation.
 */
async function dropSuperseded(io: Io, store: SecretStore, secret: SecretState): Promise<void> {
  const pending = versionWith("AWSPENDING", secret);
  if (pending === undefined) return;
  const versions = new Map(
    (await store.listVersions(secret.arn)).map(({ versionId, createdAt }) => [versionId, createdAt]),
  );
  if (isSupersededVersion(pending, secret, (id) => versions.get(id)))
    await dropPending(store, secret.arn, io);
}

/**
 * Starts a rotation, or continues one that stopped. Returns the version that is to become current.
 */
async function start(
  io: Io,
  client: SecretsManagerClient,
  store: SecretStore,
  secret: SecretState,
): Promise<string> {
  try {
    const { VersionId } = await client.send(new RotateSecretCommand({ SecretId: secret.arn }));
    if (VersionId !== undefined) {
      io.stderr.write(`Rotation of ${secret.name} started: version ${VersionId}.\n`);
      return VersionId;
    }
  } catch (error) {
    if (isMarkedForDeletion(error)) throw error;
    if (!(error instanceof Error) || error.name !== "InvalidRequestException")
      throw isRefusedByAws(error) ? error : notKnown(error);
    if (!/previous rotation/i.test(error.message)) {
      const hint =
        "the secret needs a rotation function: " +
        "set rotate: all in serverless.yml and deploy (docs/deploy.md)";
      throw new CliError(error.message, EXIT.failure, hint, { cause: error });
    }
    const state = await readUntil(
      () => store.describe(secret.arn),
      (read) => unfinishedVersion(read) !== undefined,
      io,
    );
    const pending = unfinishedVersion(state);
    if (pending === undefined) throw notKnown(error);
    io.stderr.write(`A rotation of ${secret.name} had stopped. It continues with version ${pending}.\n`);
    return pending;
  }
  throw new CliError(
    "Secrets Manager did not name the version that is to become current",
    EXIT.failure,
    "try again",
  );
}

/** The rotation may have started, and it continues without this command. */
function notKnown(cause: unknown): CliError {
  const hint =
    "`voxtoken admin keys` shows the current key and a pending one; to continue a rotation that stopped, run this again";
  return new CliError(
    `it is not known whether the key was rotated: ${messageOf(cause)}`,
    EXIT.failure,
    hint,
    { cause },
  );
}

async function follow(
  io: Io,
  store: SecretStore,
  secret: SecretState,
  versionId: string,
  flags: Flags,
): Promise<void> {
  const { timeout = WAIT_SECONDS } = flags;
  const hint = `the log /aws/lambda/${deploymentOf(io, flags)}-rotate-key says why. It is safe to run this again`;
  const tell = (text: string) => {
    if (io.stderr.isTerminal) io.stderr.write(text);
  };
  const begun = io.now();
  let waited = 0;
  let wasPending = false;
  // Counts the time slept too, so that the loop ends even if the clock stands still.
  while (Math.max(io.now() - begun, waited) < timeout * 1000) {
    const state = await store.describe(secret.arn).catch((error: unknown) => {
      throw notKnown(error);
    });
    const labels = state.stages.get(versionId);
    if (labels?.has("AWSCURRENT") === true) {
      tell("\n");
      return;
    }
    const isPending = labels?.has("AWSPENDING") === true;
    wasPending ||= isPending;
    // The first reads may return the labels from before the rotation.
    if (!isPending && (wasPending || waited > READ_LAG_MS)) {
      const message = `the rotation was abandoned: version ${versionId} is no longer pending`;
      throw new CliError(message, EXIT.failure, hint);
    }
    tell(`\r${Math.round(waited / 1000)} s: creating and testing the new key …`);
    await io.sleep(POLL_MS);
    waited += POLL_MS;
  }
  throw new CliError(`the rotation has not ended after ${timeout} s`, EXIT.failure, hint);
}

const POLL_MS = 2_000;
