import {
  isAlias,
  isMap,
  isNode,
  isSeq,
  Lexer,
  LineCounter,
  parseDocument,
  type Alias,
  type Node,
} from "yaml";
import { keyText, misread, type Path, startReading, valueOf } from "./yaml-value.ts";

/** A problem without its line. It is at the value at `path`, or at the key if `onKey` is true. */
export interface Finding {
  readonly path: Path;
  readonly onKey?: boolean;
  readonly message: string;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML text as plain data, with the place of each value in the text. */
export interface YamlSource {
  /** Undefined in place of each value that could be misread. */
  readonly value: unknown;
  /** If the text is not YAML, there are no other findings than these. */
  readonly syntaxErrors: readonly (Position & { readonly message: string })[];
  /** Values that another YAML reader could read differently. */
  readonly misreadings: readonly (Position & Pick<Finding, "path" | "message">)[];
  readonly locate: (at: Pick<Finding, "path" | "onKey">) => Position;
}

/** Reads YAML 1.2. A value that two readers could read differently is a finding. */
export function readYaml(text: string): YamlSource {
  const unreadable = [...unreadableCharacters(text), ...tooDeep(text)];
  if (unreadable.length > 0) return notYaml(unreadable);
  return readDocument(text);
}

function notYaml(syntaxErrors: YamlSource["syntaxErrors"]): YamlSource {
  return { value: undefined, syntaxErrors, misreadings: [], locate: () => ({ line: 1, column: 1 }) };
}

/** Errors left by editors and git, for which a YAML parser would give a misleading message. */
function unreadableCharacters(text: string): YamlSource["syntaxErrors"] {
  if (text.includes("\0")) {
    return [{ line: 1, column: 1, message: "not UTF-8 text (UTF-16?): save the file as UTF-8" }];
  }
  return text.split("\n").flatMap((line, index) => {
    const at = (column: number, message: string) => [{ line: index + 1, column, message }];
    if (/^(?:<{7}|={7}|>{7}|\|{7})(?:[ \r]|$)/.test(line)) {
      return at(1, "a merge conflict is not resolved: keep one of the two versions");
    }
    const space = line.replace(/(^|\s)#.*$/, "$1").search(/[\u00a0\u2007\u202f]/);
    return space < 0 ? [] : at(space + 1, "a no-break space: replace it by a space");
  });
}

/** A grants file has six levels. */
const MAX_DEPTH = 50;

/**
 * The first line that is nested too deeply. The parser is recursive, and V8 ends the process if a
 * regular expression is compiled when the stack is almost full. So a deep file is refused before it
 * is parsed. Depth counts brackets, levels of indentation, and `- - -` on one line.
 */
function tooDeep(text: string): YamlSource["syntaxErrors"] {
  const brackets = deepestBrackets(text);
  const indentations: number[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*#/.test(line)) continue;
    const start = /^(?:[\s?:-](?=\s|$|[\s?:-]\s))*/.exec(line)?.[0] ?? "";
    const indentation = line.search(/\S/);
    while (indentation >= 0 && (indentations.at(-1) ?? -1) >= indentation) indentations.pop();
    if (indentation >= 0) indentations.push(indentation);
    const indicators = start.replace(/\s/g, "").length;
    if ((brackets.get(index) ?? 0) + indentations.length + indicators > MAX_DEPTH) {
      return [{ line: index + 1, column: 1, message: `nested more than ${MAX_DEPTH} levels deep` }];
    }
  }
  return [];
}

/** The mark with which the lexer announces the text of a scalar. */
const SCALAR = "\u001f";

/**
 * The greatest depth of brackets on a line, by the number of the line. The first line is 0. The
 * lexer of the parser tells a bracket from one in quotes or in a comment, and is not recursive.
 */
function deepestBrackets(text: string): ReadonlyMap<number, number> {
  const deepest = new Map<number, number>();
  let depth = 0;
  let line = 0;
  let isScalar = false;
  for (const token of new Lexer().lex(text)) {
    if (!isScalar && (token === "[" || token === "{")) depth += 1;
    deepest.set(line, Math.max(depth, deepest.get(line) ?? 0));
    if (!isScalar && (token === "]" || token === "}")) depth -= 1;
    line += token.split("\n").length - 1;
    isScalar = token === SCALAR;
  }
  return deepest;
}

function readDocument(text: string): YamlSource {
  const lines = new LineCounter();
  // Duplicate keys are found below: in linear time, and with a message of our own.
  const { contents, errors, directives } = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const reading = startReading();
  const locate: YamlSource["locate"] = ({ path, onKey }) =>
    positionOf(offsetOf(contents, path, onKey ?? false, reading.targets));

  const syntaxErrors = errors.map(({ code, message, pos }) => ({
    ...positionOf(pos[0]),
    message: SYNTAX_MESSAGES[code] ?? message,
  }));
  if (syntaxErrors.length > 0) return { value: undefined, syntaxErrors, misreadings: [], locate };

  if (directives.yaml.explicit === true && directives.yaml.version !== "1.2") {
    misread(reading, [], 0, "remove the %YAML directive: only YAML 1.2 is supported");
  }
  const value = contents ? valueOf(contents, [], reading) : null;
  const misreadings = reading.misreadings.map(({ offset, ...rest }) => ({ ...positionOf(offset), ...rest }));
  return { value, syntaxErrors, misreadings, locate };
}

/** By error code: our messages in place of the parser's, which are written for programmers. */
const SYNTAX_MESSAGES: Readonly<Partial<Record<string, string>>> = {
  BAD_ALIAS: "put a value that begins with * in quotes",
  BAD_SCALAR_START: "put a value that begins with this character in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "cannot be read: is the indentation uneven, or does a value with a colon and a space in it lack quotes?",
  MULTILINE_IMPLICIT_KEY: "cannot be read: is a space missing behind a colon, or the indentation uneven?",
  MULTIPLE_DOCS: "a second document begins here: remove the `---`",
  TAB_AS_INDENT: "a tab: indent with spaces",
};

function offsetOf(root: Node | null, path: Path, onKey: boolean, targets: ReadonlyMap<Alias, Node>): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  path.forEach((step, depth) => {
    const parent = isAlias(node) ? targets.get(node) : node;
    node = undefined;
    if (isSeq(parent)) node = parent.items[Number(step)];
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => keyText(key) === step);
      if (isNode(pair?.key)) offset = pair.key.range?.[0] ?? offset;
      if (!onKey || depth < path.length - 1) node = pair?.value;
    }
    if (isNode(node)) offset = node.range?.[0] ?? offset;
  });
  return offset;
}
