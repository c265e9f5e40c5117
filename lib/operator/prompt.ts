import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";

/**
 * Asks on stderr and reads the answers from stdin, line by line. Close it: an open stdin keeps the
 * process running.
 */
export interface Prompt {
  ask(question: string): Promise<string>;
  /** The terminal does not show what is typed. */
  askHidden(question: string): Promise<string>;
  /** Whether the answer was `y` or `yes`. */
  confirm(question: string): Promise<boolean>;
  close(): Promise<void>;
}

const CTRL_C = "\u0003";
/** A character and the backspace that erases it. A backspace never erases the end of a line. */
const ERASED = /[^\u007f\b\r\n][\u007f\b]/u;
const BACKSPACES = /[\u007f\b]/g;

export function openPrompt({ stdin, stderr }: Io): Prompt {
  const chunks = stdin[Symbol.asyncIterator]();
  let typed = "";

  async function readLine(): Promise<string> {
    for (;;) {
      const [line, rest] = splitLine(typed);
      if (rest !== undefined) {
        typed = rest;
        return line;
      }
      const chunk = await chunks.next();
      if (chunk.done === true) {
        typed = "";
        return line;
      }
      typed += chunk.value.toString();
      if (typed.includes(CTRL_C)) throw new CliError("interrupted", EXIT.failure);
      while (ERASED.test(typed)) typed = typed.replace(ERASED, "");
      typed = typed.replace(BACKSPACES, "");
    }
  }

  async function ask(question: string): Promise<string> {
    stderr.write(question);
    return (await readLine()).trim();
  }

  return {
    ask,
    async askHidden(question) {
      stdin.setEcho?.(false);
      try {
        return await ask(question);
      } finally {
        stdin.setEcho?.(true);
        stderr.write("\n");
      }
    },
    confirm: async (question) => /^y(es)?$/i.test(await ask(`${question} [y/N] `)),
    close: async () => {
      await chunks.return?.();
    },
  };
}

/**
 * Asks for confirmation on the terminal.
 *
 * @param flag the option that confirms without a terminal
 * @throws CliError there is no terminal, or the answer is not yes
 */
export async function confirmOrStop(io: Io, question: string, flag: string): Promise<void> {
  if (!io.stdin.isTerminal) throw new CliError("no terminal to ask on", EXIT.usage, `add ${flag}`);
  const prompt = openPrompt(io);
  try {
    if (await prompt.confirm(question)) return;
  } finally {
    await prompt.close();
  }
  throw new CliError("stopped, and nothing was changed", EXIT.failure);
}

function splitLine(text: string): [line: string, rest: string | undefined] {
  const end = /\r\n|\r|\n/.exec(text);
  return end === null ? [text, undefined] : [text.slice(0, end.index), text.slice(end.index + end[0].length)];
}

/** Reads all of stdin, for a command in a pipe. */
export async function readStdin({ stdin }: Io): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
