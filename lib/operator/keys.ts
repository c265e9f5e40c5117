import { Command, Option } from "commander";

import type { ListedKey } from "../reconciliation/list-keys.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { colorsFor, type Io, printableJson } from "../cli/io.ts";
import { addFunctionOptions, commandRunner, type FunctionFlags, LostAnswerError } from "./key-functions.ts";
import { addOperatorOptions, openOperator, orExplain, serviceAccountOf } from "./operator.ts";

interface Flags extends FunctionFlags {
  readonly output: "text" | "json";
  readonly acceptRoles?: string;
}

export function keysCommand(io: Io): Command {
  const command = new Command("keys")
    .description("list the keys of the Voximplant accounts, and what manages each")
    .addOption(new Option("--output <format>", "output format").choices(["text", "json"]).default("text"))
    .option("--accept-roles <name>", "record the present roles of this service account as the right ones")
    .addHelpText(
      "after",
      `
States, problems first:
  missing       current, but the platform refuses or does not list it
  unknown       no secret holds it
  undetermined  may be in a secret that cannot be read
  unlisted      current, but the platform did not list its account's keys
  none          the service account has no key yet
  orphan        left by an interrupted rotation; its private key is lost
  stray         named as this stack names keys, but in no secret
  current       signs tokens
  pending       a rotation is preparing it
  superseded    was current, or its rotation ended early; deleted after its grace
  unmanaged     listed under unmanagedKeys in grants.yml`,
    );
  return addFunctionOptions(addOperatorOptions(command)).action(
    orExplain("the keys cannot be listed", (flags: Flags) => listKeys(io, flags)),
  );
}

async function listKeys(io: Io, flags: Flags): Promise<void> {
  const operator = await openOperator(io, flags);
  const run = commandRunner(io, flags, operator);
  if (flags.acceptRoles !== undefined) {
    const { name } = serviceAccountOf(operator.policy, flags.acceptRoles);
    const { acceptedRoles } = await run<"accept-roles">({
      command: "accept-roles",
      serviceAccount: name,
    }).catch((cause: unknown) => {
      if (!(cause instanceof LostAnswerError)) throw cause;
      const message = `it is not known whether the roles were recorded: ${cause.message}`;
      throw new CliError(message, EXIT.failure, "run the command again", { cause });
    });
    io.stderr.write(`Recorded for ${name}: ${acceptedRoles.join(", ") || "no role"}.\n`);
    return;
  }
  const { keys, problems } = await run<"list-keys">({ command: "list-keys" });
  io.stdout.write(flags.output === "json" ? `${printableJson(keys, 2)}\n` : table(io, keys));
  const [first, ...more] = problems;
  if (first === undefined) return;
  for (const problem of more) io.stderr.write(`${problem}\n`);
  const hint = "do not delete an undetermined key: it may be in a secret that cannot be read";
  throw new CliError(`not everything could be examined: ${first}`, EXIT.failure, hint);
}

/** One row for each key, problems first. A row that is longer than 80 columns is cut. */
function table(io: Io, keys: readonly ListedKey[]): string {
  const header = ["STATE", "KEY", "AGE", "OWNER OR NAME"];
  const sorted = [...keys].sort((one, other) => severity(one) - severity(other));
  const rows = sorted.map((key) => [key.state, key.keyId ?? "(no key yet)", time(key, io.now()), owner(key)]);
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  const colors = colorsFor(io, io.stdout);
  return [header, ...rows]
    .map((row, index) => {
      const line = clip(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
      const key = sorted[index - 1];
      return `${key !== undefined && severity(key) < SOUND ? colors.red(line) : line}\n`;
    })
    .join("");
}

const DAY_MS = 86_400_000;
/** `Nov 24` */
const DAY = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", timeZone: "UTC" });

const ORDER = [
  "missing",
  "unknown",
  "undetermined",
  "unlisted",
  "none",
  "orphan",
  "stray",
  "current",
  "pending",
  "superseded",
  "unmanaged",
] as const satisfies readonly ListedKey["state"][];
const SOUND = ORDER.indexOf("current");

function severity({ state }: ListedKey): number {
  return ORDER.indexOf(state);
}

/**
 * The key's age. For a key that is to be deleted, the end of its grace instead: the time, or
 * the date if the end is more than a day away.
 */
function time({ since, retireAt }: ListedKey, now: number): string {
  if (retireAt !== undefined) {
    const isNear = Math.abs(Date.parse(retireAt) - now) < DAY_MS;
    return `until ${isNear ? `${retireAt.slice(11, 16)}Z` : DAY.format(new Date(retireAt))}`;
  }
  return since === undefined ? "-" : age(now - Date.parse(since));
}

/** The service account that uses the key; for a key that no secret holds, its name. */
function owner({ name, serviceAccount, accountId }: ListedKey): string {
  const called = name === null || name === "" ? `(account ${accountId ?? "?"})` : printable(name);
  return serviceAccount ?? called;
}

function clip(line: string): string {
  const text = line.trimEnd();
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function age(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2 * 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/**
 * Anyone who can create a key chooses its name, so control characters must not reach the terminal.
 */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
}
