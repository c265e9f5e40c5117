import { constants } from "node:fs";
import { access, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { Command } from "commander";

import { CliError, EXIT } from "../../cli/cli-error.ts";
import type { Io } from "../../cli/io.ts";
import { whileWaiting } from "../../cli/spinner.ts";
import { CredentialsFileError, parseCredentials } from "../../keys/credentials-file.ts";
import { importSigningKey, type SigningKey } from "../../keys/signing-key.ts";
import { MANAGEMENT_API_URL } from "../../voximplant/api-url.ts";
import type { Connection } from "../../voximplant/connection.ts";
import { accountId } from "../import.ts";
import { connectionOf, orExplain } from "../operator.ts";
import { readStdin } from "../prompt.ts";
import type { Outcome } from "./answer.ts";
import { describe, NoAnswerError, type Reply } from "./ask.ts";
import { type Step, steps } from "./questions.ts";
import { json, type Row, table } from "./report.ts";
import { askAs, type Signer } from "./signer.ts";
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
    .description("test undocumented behaviour of the live platform with throw-away keys")
    .requiredOption("--credentials <file>", "a credentials file of the account, or - for stdin")
    .option("--out <file>", "write the answers as JSON too, without account, e-mail address, key or token")
    .option("--fill", "find the limit of keys: create keys until the account is full, then delete them")
    .option("--child <id>", "the child account to try (default: the first of GetChildrenAccounts)", accountId)
    .addHelpText(
      "after",
      `
It changes only throw-away keys, named vtv-probe-…, and always deletes them,
also on Ctrl-C. If a run is killed, the next run first deletes the keys of the
killed run. A run takes one to three minutes. Run only one at a time.

Exit status: 0 all questions were asked (key_limit only with --fill) and the
keys are deleted, 1 failure or keys are left, 2 wrong usage.

Examples:
  voxtoken admin probe --credentials ~/key_private.json --out probe.json
  VOXIMPLANT_API_URL=http://127.0.0.1:8789/platform_api \\
    voxtoken admin probe --credentials key.json`,
    )
    .action(orExplain("the platform could not be probed", (flags: Flags) => probePlatform(io, flags)));
}

async function probePlatform(io: Io, flags: Flags): Promise<void> {
  const connection = connectionOf(io);
  if (flags.out !== undefined) await checkOut(flags.out);
  const signingKey = await readKey(io, flags.credentials);
  const interrupts = onInterrupts(io);
  try {
    const startedAt = io.now();
    const given = await proveGivenKey(connection, signingKey, interrupts.work);
    const keys = openThrowAwayKeys(connection, given);
    let rows: Row[];
    let left: readonly LeftKey[];
    try {
      await removeLeftovers(io, keys, interrupts.work);
      const { fill = false, child } = flags;
      rows = await askAll(io, { connection, given, keys, signal: interrupts.work, fill, child });
    } finally {
      left = await whileWaiting(io, "deleting the throw-away keys", () => keys.cleanUp(interrupts.cleanUp));
      for (const { keyId = "of unknown id", name, why } of left)
        io.stderr.write(`Key ${keyId}, named ${name}, may still exist: ${why}.\n`);
    }
    io.stdout.write(table(rows));
    const complete = !interrupts.work.aborted;
    if (flags.out !== undefined) {
      const isLive = connection.url === MANAGEMENT_API_URL;
      const run = { startedAt, isLive, complete, keysLeft: left.length };
      await writeFile(flags.out, json(rows, run), { mode: 0o600, flag: "wx" });
    }
    conclude(io, rows, left, keys, complete);
  } finally {
    interrupts.end();
  }
}

/**
 * Checks the output file first, because a run takes minutes. An existing report is never replaced.
 */
async function checkOut(file: string): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (exists)
    throw new CliError(`${file} exists already`, EXIT.usage, "give another file, or remove this one");
  try {
    await access(dirname(resolve(file)), constants.W_OK);
  } catch (cause) {
    throw new CliError(`cannot write ${file}`, EXIT.usage, "give a file in a folder that you may write to", {
      cause,
    });
  }
}

async function readKey(io: Io, file: string): Promise<SigningKey> {
  const text =
    file === "-"
      ? await readStdin(io)
      : await readFile(file, "utf8").catch((cause: unknown) => {
          const hint = "give the file from the control panel (*_private.json), or - for stdin";
          throw new CliError(`cannot read ${file}`, EXIT.usage, hint, { cause });
        });
  try {
    return await importSigningKey(parseCredentials(text));
  } catch (error) {
    if (!(error instanceof CredentialsFileError)) throw error;
    const hint = "use the unchanged file from the control panel (*_private.json)";
    throw new CliError(`not a usable credentials file: ${error.message}`, EXIT.failure, hint);
  }
}

/** The first interrupt ends the questions. The second one also ends the deletion of keys. */
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
      "\nInterrupted: deleting the throw-away keys. Interrupt again to leave them as they are.\n",
    );
  });
  return { work: work.signal, cleanUp: cleanUp.signal, end: () => end?.() };
}

/**
 * Finds the form of `iss` with which the platform accepts the given key. Every call depends on it.
 */
async function proveGivenKey(
  connection: Connection,
  signingKey: SigningKey,
  signal: AbortSignal,
): Promise<Signer> {
  let refusal: Reply | undefined;
  for (const iss of [signingKey.accountId, String(signingKey.accountId)]) {
    const signer = { signingKey, iss };
    const reply = await askAs(signer, connection, "GetAccountInfo", {}, { signal });
    if (reply.accepted) return signer;
    refusal ??= reply;
  }
  const why = refusal === undefined ? "" : ` (${describe(refusal)})`;
  const hint = "the key was deleted, or this machine's clock is wrong; use another key of the account";
  throw new CliError(`the platform refuses the given key${why}`, EXIT.failure, hint);
}

async function removeLeftovers(io: Io, keys: ThrowAwayKeys, signal: AbortSignal): Promise<void> {
  try {
    const work = () => keys.removeLeftovers(signal);
    const removed = await whileWaiting(io, "looking for keys of an earlier run", work);
    if (removed > 0)
      io.stderr.write(`Deleted ${count(removed, "throw-away key")} that an earlier run left behind.\n`);
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    io.stderr.write(`Warning: cannot look for keys of an earlier run: ${error.message}.\n`);
  }
}

async function askAll(io: Io, probe: Probe): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [index, step] of steps.entries()) {
    const progress = `${index + 1}/${steps.length} ${step.doing}`;
    const outcomes = await whileWaiting(io, progress, () => outcomesOf(step, probe));
    rows.push(...step.questions.map((question, at) => ({ question, answer: outcomes[at] ?? "no answer" })));
  }
  return rows;
}

/**
 * A question that fails does not end the run. The text of an unexpected error is omitted, because
 * it may contain anything.
 */
async function outcomesOf(step: Step, probe: Probe): Promise<readonly Outcome[]> {
  const all = (why: string) => step.questions.map(() => why);
  if (probe.signal.aborted) return all("interrupted");
  try {
    return await step.run(probe);
  } catch (error) {
    if (error instanceof NoAnswerError) return all(error.message);
    return all(`unexpected ${error instanceof Error ? error.name : "error"}`);
  }
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
    const hint = "use a key that may call CreateKey, or delete a key if the account is full";
    throw new CliError(`no throw-away key could be used: ${shape.answer}`, EXIT.failure, hint);
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
