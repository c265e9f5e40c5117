import { Command, Option } from "commander";

import type { ListedKey } from "../reconciliation/list-keys.ts";
import { colorsFor, type Io } from "../cli/io.ts";
import { addFunctionOptions, commandRunner, type FunctionFlags } from "./key-functions.ts";
import { addOperatorOptions, explain, openOperator, serviceAccountOf } from "./operator.ts";

interface Flags extends FunctionFlags {
  readonly output: "text" | "json";
  readonly acceptRoles?: string;
}

export function keysCommand(io: Io): Command {
  const command = new Command("keys")
    .description("the keys of the Voximplant accounts, and what manages each")
    .addOption(new Option("--output <format>", "how to print them").choices(["text", "json"]).default("text"))
    .option("--accept-roles <name>", "write down that the roles which this service account has now are right")
    .addHelpText(
      "after",
      "\nStates: current (signs tokens), pending (a rotation is under way), superseded (kept until nothing can use it),\n" +
        "orphan (left by a rotation that broke off), stray (bears our name, is in no version), unmanaged (as grants.yml says), unknown (nobody's), missing (a secret's\n" +
        "current key that the platform does not have: every token is refused).",
    );
  return addFunctionOptions(addOperatorOptions(command)).action(async (flags: Flags) => {
    try {
      const operator = await openOperator(io, flags);
      const run = commandRunner(io, flags, operator);
      if (flags.acceptRoles !== undefined) {
        const { name } = serviceAccountOf(operator.policy, flags.acceptRoles);
        const { acceptedRoles } = await run<{ acceptedRoles: string[] }>({
          command: "accept-roles",
          serviceAccount: name,
        });
        io.stderr.write(`Written down for ${name}: ${acceptedRoles.join(", ") || "no role"}.\n`);
        return;
      }
      const { keys } = await run<{ keys: ListedKey[] }>({ command: "list-keys" });
      io.stdout.write(flags.output === "json" ? `${JSON.stringify(keys, null, 2)}\n` : table(io, keys));
    } catch (error) {
      throw explain(error, "the keys cannot be listed");
    }
  });
}

function table(io: Io, keys: readonly ListedKey[]): string {
  const header = ["ACCOUNT", "KEY", "STATE", "SERVICE ACCOUNT", "AGE", "ROLES", "NAME"];
  const rows = keys.map((key) => [
    String(key.accountId),
    key.keyId,
    state(key),
    key.serviceAccount ?? "-",
    key.since === undefined ? "-" : age(io.now() - Date.parse(key.since)),
    key.roles.join(", ") || "-",
    printable(key.name ?? "-"),
  ]);
  const widths = header.map((title, column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? title).length)),
  );
  const colors = colorsFor(io, io.stdout);
  return [header, ...rows]
    .map((row, index) => {
      const line = row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd();
      const isWrong = ["unknown", "missing", "orphan", "stray"].includes(keys[index - 1]?.state ?? "");
      return `${isWrong ? colors.red(line) : line}\n`;
    })
    .join("");
}

function state({ state, retireAt }: ListedKey): string {
  return retireAt === undefined ? state : `${state} until ${retireAt.replace(/\.\d+Z$/, "Z")}`;
}

function age(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2 * 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** Whoever makes a key chooses its name: no control characters on an operator's terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
}
