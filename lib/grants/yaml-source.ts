import { isAlias, isMap, isNode, isSeq, LineCounter, parseDocument, type Alias, type Node } from "yaml";
import type { Finding, Path } from "./problem.ts";
import { keyText, misread, startReading, valueOf } from "./yaml-value.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML text as plain data, and where in the text each value stands. */
export interface YamlSource {
  /** With holes (undefined) where a value could be misread. */
  readonly value: unknown;
  /** The text is not YAML: nothing else can be said about it. */
  readonly syntaxErrors: readonly (Position & { readonly message: string })[];
  /** It is YAML, but may mean something else than it seems to: the reasons for the holes. */
  readonly misreadings: readonly (Position & Pick<Finding, "path" | "message">)[];
  readonly locate: (at: Pick<Finding, "path" | "onKey">) => Position;
}

/** Reads YAML 1.2 without its traps: whatever one reader could take for something else is a finding. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  // Duplicate keys are found below, in linear time and in our own words.
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
    misread(reading, [], 0, "remove the %YAML directive: only YAML 1.2 is read here");
  }
  const value = contents ? valueOf(contents, [], reading) : null;
  const misreadings = reading.misreadings.map(({ offset, ...rest }) => ({ ...positionOf(offset), ...rest }));
  return { value, syntaxErrors, misreadings, locate };
}

/** Where the parser speaks to programmers, by its error code. */
const SYNTAX_MESSAGES: Readonly<Partial<Record<string, string>>> = {
  BAD_ALIAS: "a value that begins with * has to stand in quotes",
  BAD_SCALAR_START: "a value that begins with this character has to stand in quotes",
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
