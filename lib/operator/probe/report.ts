import type { Outcome } from "./answer.ts";
import type { Question } from "./questions.ts";

export interface Row {
  readonly question: Question;
  readonly answer: Outcome;
}

const HEADER = ["QUESTION", "ANSWER", "SET IN GRANTS.YML"] as const;
/** With two spaces between the columns, a row is 80 characters wide. */
const WIDTHS = [27, 27, 22] as const;

export function table(rows: readonly Row[]): string {
  const body = rows.map(({ question, answer }) =>
    typeof answer === "string"
      ? [question.text, `not answered: ${answer}`, "-"]
      : [question.text, answer.answer, answer.set],
  );
  return [HEADER, ...body].map(lines).join("");
}

/** One row of the table. A long cell continues on the next line, indented. */
function lines(cells: readonly string[]): string {
  const wrapped = cells.map((cell, column) => wrap(cell, WIDTHS[column] ?? 0));
  const height = Math.max(...wrapped.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) => {
    const padded = wrapped.map((cell, column) => (cell[line] ?? "").padEnd(WIDTHS[column] ?? 0));
    return `${padded.join("  ").trimEnd()}\n`;
  }).join("");
}

function wrap(text: string, width: number): string[] {
  const wrapped: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      wrapped.push(line);
      line = ` ${word}`;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...wrapped, line];
}

/**
 * The report to share. It has no account, e-mail address, key or token. Instead of the platform's
 * URL, it says whether the URL is the default URL.
 */
export function json(
  rows: readonly Row[],
  run: {
    readonly startedAt: number;
    readonly isLive: boolean;
    readonly complete: boolean;
    readonly keysLeft: number;
  },
): string {
  const report = {
    probe: 1,
    date: new Date(run.startedAt).toISOString(),
    platform: run.isLive ? "api.voximplant.com" : "another host, such as a stand-in",
    complete: run.complete,
    keysLeft: run.keysLeft,
    answers: rows.map(({ question: { id, text }, answer }) =>
      typeof answer === "string"
        ? { id, question: text, answered: false, why: answer }
        : { id, question: text, answered: true, answer: answer.answer, set: answer.set, facts: answer.facts },
    ),
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}
