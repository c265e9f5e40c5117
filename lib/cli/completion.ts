import { Argument, Command } from "commander";
import type { Io } from "./io.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** What may follow a command: its subcommands and long options. */
interface Words {
  /** `admin lint`; empty for voxtoken itself. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly description: string }[];
}

/**
 * Makes the script from the commands, so that it always matches them. It completes without Node.
 */
export function completionCommand(io: Io): Command {
  return new Command("completion")
    .description("print a completion script for your shell")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .addHelpText(
      "after",
      `
Examples:
  $ echo 'source <(voxtoken completion bash)' >> ~/.bashrc
  $ echo 'source <(voxtoken completion zsh)' >> ~/.zshrc       # after compinit
  $ voxtoken completion fish > ~/.config/fish/completions/voxtoken.fish`,
    )
    .action((shell: Shell, _flags: object, command: Command) => {
      const all = [...collect(command.parent ?? command, "")];
      io.stdout.write(shell === "fish" ? fishScript(all) : bashScript(all, shell));
    });
}

function* collect(command: Command, path: string): Generator<Words> {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  yield {
    path,
    words: [
      ...commands.map((child) => ({ word: child.name(), description: child.description() })),
      ...help.visibleOptions(command).map(({ long, description }) => ({ word: long ?? "", description })),
    ].filter(({ word }) => word !== ""),
  };
  for (const child of command.commands)
    yield* collect(child, path === "" ? child.name() : `${path} ${child.name()}`);
}

/** zsh runs bash's completion functions by bashcompinit. */
function bashScript(all: readonly Words[], shell: Shell): string {
  const cases = all.map(
    ({ path, words }) => `    "${path}") words="${words.map(({ word }) => word).join(" ")}" ;;`,
  );
  const paths = all.map(({ path }) => `"${path}"`).slice(1);
  return `# ${shell} completion for voxtoken; made by: voxtoken completion ${shell}
${shell === "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}_voxtoken() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word words i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${path:+$path }\${COMP_WORDS[i]}"
    case "$word" in
      ${paths.join("|")}) path="$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _voxtoken voxtoken
`;
}

function fishScript(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const condition = path === "" ? "__fish_use_subcommand" : seen(path);
    return words.map(({ word, description }) => {
      const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c voxtoken -n '${condition}' ${what} -d ${quote(description)}`;
    });
  });
  return `# fish completion for voxtoken; made by: voxtoken completion fish\n${lines.join("\n")}\n`;
}

function seen(path: string): string {
  return path
    .split(" ")
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join("; and ");
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
