import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { CliError, EXIT, type ExitStatus } from "./cli-error.ts";
import { colorsFor, type Io } from "./io.ts";

const userCommands: readonly ((io: Io) => Command)[] = [];

/** The whole command line. The admin commands are loaded only when asked for: they bring in Secrets Manager, YAML, zod. */
export function createProgram(io: Io): Command {
  const program = new Command("voxtoken")
    .description("Short-lived Voximplant tokens for AWS IAM principals.")
    .version(packageJson.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError(false)
    .configureOutput({
      writeOut: (text) => {
        io.stdout.write(text);
      },
      writeErr: (text) => {
        io.stderr.write(text);
      },
      // runProgram prints errors, all of them in the same way.
      outputError: () => undefined,
      getOutHasColors: () => colorsFor(io, io.stdout).isColorSupported,
      getErrHasColors: () => colorsFor(io, io.stderr).isColorSupported,
    });
  for (const command of userCommands) adopt(program, command(io));
  const admin = new Command("admin").description("for operators: grants, keys, rotation");
  adopt(program, admin);
  program.hook("preSubcommand", async (_program, command) => {
    if (command === admin) await addAdminCommands(io, admin);
  });
  return program;
}

async function addAdminCommands(io: Io, admin: Command): Promise<void> {
  const { adminCommands } = await import("./admin/index.ts");
  for (const command of adminCommands) adopt(admin, command(io));
}

/** `addCommand` does not hand the parent's settings down, as `command` does: without them a child would exit by itself. */
function adopt(parent: Command, child: Command): void {
  child.copyInheritedSettings(parent);
  for (const grandchild of child.commands) grandchild.copyInheritedSettings(child);
  parent.addCommand(child);
}

/**
 * Runs one command line to its end.
 *
 * @param args without the interpreter and the program's name
 * @returns the exit status
 */
export async function runProgram(args: readonly string[], io: Io): Promise<ExitStatus> {
  try {
    await createProgram(io).parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = asCliError(error);
    printError(failure, io);
    return failure.exitStatus;
  }
}

function printError({ message, hint }: CliError, io: Io): void {
  if (message === "") return;
  const colors = colorsFor(io, io.stderr);
  io.stderr.write(`${colors.red("voxtoken:")} ${oneLine(message)}\n`);
  if (hint !== undefined) io.stderr.write(`${colors.dim("hint:")} ${oneLine(hint)}\n`);
}

function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CommanderError) {
    // Bare `voxtoken` or `voxtoken admin`: commander has printed the help on stderr already.
    if (error.code === "commander.help") return new CliError("", EXIT.usage);
    const [message = "", ...suggestion] = error.message.replace(/^error: /, "").split("\n");
    const hint = suggestion.join(" ").replace(/^\(|\)$/g, "");
    return new CliError(message, EXIT.usage, hint || "voxtoken --help says what there is");
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CliError(`unexpected: ${message}`, EXIT.failure, undefined, { cause: error });
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, " ").trim();
}
