import type { Io } from "../../lib/cli/io.ts";
import { runProgram } from "../../lib/cli/program.ts";
import { operatorCommands } from "../../lib/operator/commands.ts";

/** Runs one command line as bin/voxtoken.ts does. Returns the exit status. */
export function runVoxtoken(args: readonly string[], io: Io): Promise<number> {
  return runProgram(args, io, () => Promise.resolve(operatorCommands));
}
