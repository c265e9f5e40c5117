import { constants } from "node:fs";
import { access, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { Command } from "commander";

import { managementApiUrl } from "../../cli/api.ts";
import { CliError, EXIT } from "../../cli/cli-error.ts";
import type { Io } from "../../cli/io.ts";
import { whileWaiting } from "../../cli/spinner.ts";
import { CredentialsFileError, parseCredentials } from "../../keys/credentials-file.ts";
import { importSigningKey, type SigningKey } from "../../keys/signing-key.ts";
import { MANAGEMENT_API_URL } from "../../voximplant/api-url.ts";
import type { Connection } from "../../voximplant/call.ts";
import { accountId } from "../import.ts";
import { explain } from "../operator.ts";
import { readStdin } from "../prompt.ts";
import { ask, describe, NoAnswerError, type Reply } from "./ask.ts";
import { type Step, steps } from "./questions.ts";
import { json, type Row, table } from "./report.ts";
import { plainClaims, sign, type Signer } from "./signer.ts";
import { type LeftKey, openThrowAwayKeys, type ThrowAwayKeys } from "./throw-away-keys.ts";
import type { Probe } from "./with-key.ts";

interface Flags {
  readonly credentials: string;
  readonly out?: string;
  readonly fill?: boolean;
  readonly child?: number;
}

export function probeCommand(io: Io): Command {
  return new Command("probe")
    .description(
      "ask the live platform what is not documented, with throw-away keys that are deleted afterwards",
    )
    .requiredOption("--credentials <file>", "a credentials file of the account, or - for stdin")
    .option("--out <file>", "write the answers as JSON too, without account, e-mail address, key or token")
    .option("--fill", "find the limit of keys: make keys until the account is full, then delete them")
    .option("--child <id>", "a child account to try (default: the first of GetChildrenAccounts)", accountId)
    .addHelpText(
      "after",
      "\nIt changes throw-away keys only, named vtv-probe-…, and deletes them in every case, also on Ctrl-C. What a run" +
        "\nthat was killed left behind, the next run deletes first. Takes one to three minutes; run one at a time.\n" +
        "\nExit status: 0 all was asked and the keys are deleted, 1 failure or keys are left, 2 wrong usage.\n" +
        "\nExamples:\n  voxtoken admin probe --credentials ~/Downloads/key_private.json --out probe.json" +
        "\n  VOXIMPLANT_API_URL=http://127.0.0.1:8789/platform_api voxtoken admin probe --credentials key.json",
    )
    .action(async (flags: Flags) => {
      try {
        await probePlatform(io, flags);
      } catch (error) {
        throw explain(error, "the platform could not be probed");
      }
    });
}

async function probePlatform(io: Io, flags: Flags): Promise<void> {
  const url = managementApiUrl(io);
  if (flags.out !== undefined) await checkOut(flags.out);
  const signingKey = await readKey(io, flags.credentials);
  const connection: Connection = {
    url,
    fetch: io.fetch,
    now: io.now,
    sleep: io.sleep,
    random: Math.random,
  };
  const interrupts = onInterrupts(io);
  try {
    const startedAt = io.now();
    const given = await proveGivenKey(connection, signingKey, interrupts.work);
    const keys = openThrowAwayKeys(connection, given);
    let rows: Row[];
    let left: LeftKey[];
    try {
      await removeLeftovers(io, keys, interrupts.work);
      rows = await askAll(io, {
        connection,
        given,
        keys,
        signal: interrupts.work,
        fill: flags.fill === true,
        child: flags.child,
      });
    } finally {
      left = await whileWaiting(io, "deleting the throw-away keys", () => keys.cleanUp(interrupts.cleanUp));
      if (left.length > 0) io.stderr.write(leftText(left));
    }
    io.stdout.write(table(rows));
    const complete = !interrupts.work.aborted;
    if (flags.out !== undefined) {
      const run = { startedAt, isLive: url === MANAGEMENT_API_URL, complete, keysLeft: left.length };
      await writeFile(flags.out, json(rows, run), { mode: 0o600, flag: "wx" });
    }
    conclude(io, rows, left, keys, complete);
  } finally {
    interrupts.end();
  }
}

/** Before anything is made: a run takes minutes, and evidence of an earlier one is not replaced. */
async function checkOut(file: string): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (exists)
    throw new CliError(`${file} exists already`, EXIT.usage, "name another file, or remove this one");
  try {
    await access(dirname(resolve(file)), constants.W_OK);
  } catch (cause) {
    throw new CliError(`cannot write ${file}`, EXIT.usage, "name a file in a folder that you may write to", {
      cause,
    });
  }
}

async function readKey(io: Io, file: string): Promise<SigningKey> {
  const text =
    file === "-"
      ? await readStdin(io)
      : await readFile(file, "utf8").catch((cause: unknown) => {
          const hint = "name the file that the control panel gave (*_private.json), or - for stdin";
          throw new CliError(`cannot read ${file}`, EXIT.usage, hint, { cause });
        });
  try {
    return await importSigningKey(parseCredentials(text));
  } catch (error) {
    if (!(error instanceof CredentialsFileError)) throw error;
    const hint = "take the file as the control panel gave it (*_private.json)";
    throw new CliError(`this is no usable credentials file: ${error.message}`, EXIT.failure, hint);
  }
}

/** The first interrupt ends the questions, the second one the deletion of keys too. */
function onInterrupts(io: Io) {
  const work = new AbortController();
  const cleanUp = new AbortController();
  const end = io.onInterrupt?.(() => {
    if (work.signal.aborted) {
      cleanUp.abort();
      return;
    }
    work.abort();
    io.stderr.write(
      "\nInterrupted: deleting the throw-away keys. Once more, and they are left as they are.\n",
    );
  });
  return { work: work.signal, cleanUp: cleanUp.signal, end: () => end?.() };
}

/**
 * Whether the given key works at all, and with which form of `iss`: every other call depends on it.
 */
async function proveGivenKey(
  connection: Connection,
  signingKey: SigningKey,
  signal: AbortSignal,
): Promise<Signer> {
  let refusal: Reply | undefined;
  for (const iss of [signingKey.accountId, String(signingKey.accountId)]) {
    const signer = { signingKey, iss };
    const token = await sign(signer, plainClaims(iss, connection.now()));
    const reply = await ask(connection, token, "GetAccountInfo", {}, { signal });
    if (reply.accepted) return signer;
    refusal ??= reply;
  }
  const why = refusal === undefined ? "" : ` (${describe(refusal)})`;
  const hint = "the key has been deleted, or this machine's clock is wrong; take another key of the account";
  throw new CliError(`the platform refuses the given key${why}`, EXIT.failure, hint);
}

async function removeLeftovers(io: Io, keys: ThrowAwayKeys, signal: AbortSignal): Promise<void> {
  try {
    const { removed } = await whileWaiting(io, "looking for keys of an earlier run", () =>
      keys.removeLeftovers(signal),
    );
    if (removed > 0) {
      io.stderr.write(`Deleted ${count(removed, "throw-away key")} that an earlier run left behind.\n`);
    }
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    io.stderr.write(`Warning: what an earlier run may have left behind cannot be found: ${error.message}.\n`);
  }
}

async function askAll(io: Io, probe: Probe): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [index, step] of steps.entries()) {
    const progress = `${index + 1}/${steps.length} ${step.doing}`;
    const answers = probe.signal.aborted
      ? "interrupted"
      : await whileWaiting(io, progress, () => answersOf(step, probe));
    for (const [position, question] of step.questions.entries()) {
      const answer = typeof answers === "string" ? answers : (answers[position] ?? "no answer");
      rows.push({ question, answer: answer instanceof NoAnswerError ? answer.message : answer });
    }
  }
  return rows;
}

/**
 * A question that fails does not end the run. The text of an error that is not ours may hold
 * anything: it is left out.
 */
async function answersOf(step: Step, probe: Probe): Promise<Awaited<ReturnType<Step["run"]>> | string> {
  try {
    return await step.run(probe);
  } catch (error) {
    if (error instanceof NoAnswerError) return error.message;
    return `unexpected ${error instanceof Error ? error.name : "error"}`;
  }
}

function leftText(left: readonly LeftKey[]): string {
  return left
    .map(
      ({ keyId, name, why }) => `Key ${keyId ?? "of unknown id"}, named ${name}, may still exist: ${why}.\n`,
    )
    .join("");
}

function conclude(
  io: Io,
  rows: readonly Row[],
  left: readonly LeftKey[],
  keys: ThrowAwayKeys,
  complete: boolean,
): void {
  const unanswered = rows.filter(({ answer }) => typeof answer === "string").length;
  if (left.length > 0) {
    const ids = left.map(({ keyId, name }) => keyId ?? name).join(", ");
    const hint = "run the command again, which deletes them, or delete them in the control panel";
    throw new CliError(`${count(left.length, "throw-away key")} may still exist: ${ids}`, EXIT.failure, hint);
  }
  io.stderr.write(
    `${count(keys.count(), "CreateKey call")}; no throw-away key is left. ` +
      `${rows.length - unanswered} of ${rows.length} questions are answered.\n`,
  );
  if (!complete) throw new CliError("interrupted; the throw-away keys are deleted", EXIT.failure);
  const shape = rows.find(({ question }) => question.id === "create_key_result");
  if (typeof shape?.answer === "string") {
    const hint = "give a credentials file whose key may call CreateKey, or make room for a key";
    throw new CliError(`no throw-away key could be made: ${shape.answer}`, EXIT.failure, hint);
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
