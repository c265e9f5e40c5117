/** Something wrong, or legal but suspicious, at one place of a grants file. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** `grants.yml:14:9: …`: the form that editors and terminals make a link of. */
export function formatProblem({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** The way from the root of a file to a value: keys and indices. */
export type Path = readonly (string | number)[];

/** A problem that is still to be given its line: at the value of `path`, or at its key. */
export interface Finding {
  readonly path: Path;
  readonly onKey?: boolean;
  readonly message: string;
}
