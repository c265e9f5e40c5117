import { Help } from "commander";

const COLUMNS = 80;

/** Text in 80 columns unless one word is longer; the lines after the first are indented. */
export function wrap(text: string, indentation: number): string {
  return new Help().boxWrap(text, COLUMNS - indentation).replaceAll("\n", `\n${" ".repeat(indentation)}`);
}

/** Wraps each line. A line keeps its own indentation, and continues two columns further right. */
export function wrapLines(lines: readonly string[], indentation: number): string[] {
  return lines.map((line) => {
    const text = line.trimStart();
    const margin = indentation + line.length - text.length;
    return `${" ".repeat(margin)}${wrap(text, margin + 2)}`;
  });
}
