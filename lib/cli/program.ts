import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { apiCommand } from "./api.ts";
import { callCommand } from "./call.ts";
import { type CliError, EXIT } from "./cli-error.ts";
import { completionCommand } from "./completion.ts";
import { doctorCommand } from "./doctor.ts";
import { execCommand } from "./exec.ts";
import { asCliError } from "./failure.ts";
import { colorsFor, type Io, oneLine } from "./io.ts";
import { serveCommand } from "./serve.ts";
import { tokenCommand } from "./token.ts";
import { whoamiCommand } from "./whoami.ts";

const userCommands: readonly ((io: Io) => Command)[] = [
  tokenCommand,
  execCommand,
  apiCommand,
  callCommand,
  serveCommand,
  whoamiCommand,
  doctorCommand,
  completionCommand,
];

/** Loads the commands of `voxtoken admin` on demand: they import Secrets Manager, YAML and zod. */
export type LoadOperatorCommands = () => Promise<readonly ((io: Io) => Command)[]>;

/** Creates the whole command line. bin/voxtoken.ts passes the commands of `voxtoken admin`. */
export function createProgram(io: Io, loadOperatorCommands: LoadOperatorCommands): Command {
  const program = new Command("voxtoken")
    .description("Short-lived Voximplant tokens for AWS IAM principals.")
    .version(packageJson.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpText(
      "after",
      `
To begin with:
  $ export VOXTOKEN_URL=https://….execute-api.eu-west-1.amazonaws.com/prod
  $ voxtoken whoami                            # who you are, what you may have
  $ voxtoken api call-history GetAccountInfo   # call a method
  $ voxtoken exec call-history -- ./report.sh  # run a program with a token
  $ voxtoken doctor                            # if any of these fails

Ask the owner of the vendor for the url. npm start prints a local stack's url.
AWS credentials are found in the same order as by the AWS CLI.

Exit status: 0 done, 1 failure, 2 wrong usage, 3 denied. Errors go to stderr.`,
    )
    .configureHelp({ subcommandTerm: (command) => command.name() })
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
      getOutHelpWidth: () => 80,
      getErrHelpWidth: () => 80,
      getOutHasColors: () => colorsFor(io, io.stdout).isColorSupported,
      getErrHasColors: () => colorsFor(io, io.stderr).isColorSupported,
    });
  for (const command of userCommands) adopt(program, command(io));
  const admin = new Command("admin").description("for operators: grants, keys, rotation");
  adopt(program, admin);
  program.hook("preSubcommand", async (_program, command) => {
    if (command !== admin && command.name() !== "completion") return;
    for (const operatorCommand of await loadOperatorCommands()) adopt(admin, operatorCommand(io));
  });
  return program;
}

/**
 * `addCommand` does not copy the parent's settings. Without them, wrong usage of a subcommand would
 * end the process.
 */
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
export async function runProgram(
  args: readonly string[],
  io: Io,
  loadOperatorCommands: LoadOperatorCommands,
): Promise<number> {
  const program = createProgram(io, loadOperatorCommands);
  try {
    await program.parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = asCliError(error);
    printError({ message: failure.message, hint: failure.hint ?? usageHint(program, args, failure) }, io);
    return failure.exitStatus;
  }
}

/** For wrong usage: the command that prints the help, or the syntax of exec. */
function usageHint(program: Command, args: readonly string[], failure: CliError): string | undefined {
  if (!(failure.cause instanceof CommanderError)) return undefined;
  const [name, ...rest] = args;
  if (name === "exec") {
    // The options of COMMAND are passed to it only if `--` comes before COMMAND. Otherwise voxtoken
    // reads them as its own.
    const [first, second] = rest.filter((word) => word !== "--");
    return rest[0] === "--" || first === undefined || first.startsWith("-")
      ? "voxtoken exec SERVICE-ACCOUNT -- COMMAND …"
      : `voxtoken exec ${first} -- ${second ?? "COMMAND"} …`;
  }
  const path = ["voxtoken"];
  let command: Command | undefined = program;
  for (const word of args) {
    command = command.commands.find((one) => one.name() === word);
    if (command === undefined) break;
    path.push(word);
  }
  return `${path.join(" ")} --help`;
}

function printError({ message, hint }: Pick<CliError, "message" | "hint">, io: Io): void {
  if (message === "") return;
  const colors = colorsFor(io, io.stderr);
  io.stderr.write(`${colors.red("voxtoken:")} ${oneLine(message)}\n`);
  if (hint !== undefined) io.stderr.write(`${colors.dim("hint:")} ${oneLine(hint)}\n`);
}
