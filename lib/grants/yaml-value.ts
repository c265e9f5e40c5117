import { isAlias, isMap, isNode, isScalar, isSeq, type Alias, type Node, type Pair, type Scalar } from "yaml";

/** The way from the root of a file to a value: keys and indices. */
export type Path = readonly (string | number)[];

/**
 * Aliases are for lists that repeat. A file whose aliases expand to more values than this is an
 * attack or a mistake.
 */
const MAX_ALIASED_VALUES = 100_000;

/** State while reading. Anchored values are read once and shared, so reading takes linear time. */
export interface Reading {
  readonly misreadings: { readonly path: Path; readonly offset: number; readonly message: string }[];
  readonly anchors: Map<string, { readonly node: Node; value?: unknown; values?: number }>;
  /** The node that each alias refers to. */
  readonly targets: Map<Alias, Node>;
  /** Values so far, including those behind aliases. */
  values: number;
  aliased: number;
}

export function startReading(): Reading {
  return { misreadings: [], anchors: new Map(), targets: new Map(), values: 0, aliased: 0 };
}

/** Records a misreading, and gives undefined in place of the value. */
export function misread(reading: Reading, path: Path, at: Node | number, message: string): unknown {
  reading.misreadings.push({ path, offset: typeof at === "number" ? at : (at.range?.[0] ?? 0), message });
  return undefined;
}

/** The plain data of a node. `Object.fromEntries` makes the objects, so no key sets a prototype. */
export function valueOf(node: Node, path: Path, reading: Reading): unknown {
  if (isAlias(node)) return aliasedValue(node, path, reading);
  const before = reading.values++;
  const anchor = { node };
  if ("anchor" in node && node.anchor) reading.anchors.set(node.anchor, anchor);
  const value = ownValue(node, path, reading);
  Object.assign(anchor, { value, values: reading.values - before });
  return value;
}

function ownValue(node: Exclude<Node, Alias>, path: Path, reading: Reading): unknown {
  if ("tag" in node && node.tag) {
    const tag = node.tag.replace("tag:yaml.org,2002:", "!!");
    return misread(reading, path, node, `remove the tag ${tag}: tags are not supported`);
  }
  if (isScalar(node)) return scalarValue(node, path, reading);
  if (isSeq<Node>(node)) return node.items.map((item, i) => valueOf(item, [...path, i], reading));
  if (isMap<unknown, Node | null>(node)) return mapValue(node.items, path, reading);
  return undefined;
}

function aliasedValue(alias: Alias, path: Path, reading: Reading): unknown {
  const wrong = (message: string) => misread(reading, path, alias, message);
  const target = reading.anchors.get(alias.source);
  if (!target) return wrong(`no anchor &${alias.source}: if this is text, put it in quotes`);
  if (target.values === undefined) return wrong(`the anchor &${alias.source} contains itself`);
  const wasWithin = reading.aliased <= MAX_ALIASED_VALUES;
  reading.values += target.values;
  reading.aliased += target.values;
  if (reading.aliased > MAX_ALIASED_VALUES) {
    return wasWithin
      ? wrong(`the aliases of this file expand to more than ${MAX_ALIASED_VALUES} values: write them out`)
      : undefined;
  }
  reading.targets.set(alias, target.node);
  return target.value;
}

function scalarValue(node: Scalar, path: Path, reading: Reading): unknown {
  const trap = trapOf(node);
  return trap === undefined ? node.value : misread(reading, path, node, trap);
}

/** Booleans in YAML 1.1, which many readers still use. */
const BOOLEAN_ELSEWHERE = /^(?:y|n|yes|no|on|off)$/i;

function trapOf({ value, source, type }: Scalar): string | undefined {
  if (type === "PLAIN" && typeof value === "string" && BOOLEAN_ELSEWHERE.test(value)) {
    return `${value} is a boolean for some YAML readers: put it in quotes if it is text`;
  }
  if (typeof value !== "number") return undefined;
  const written = source ?? String(value);
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(written) && Math.abs(value) <= Number.MAX_SAFE_INTEGER)
    return undefined;
  return `${written} would be read as ${value}: write a plain decimal number, or put it in quotes if it is text`;
}

function mapValue(pairs: readonly Pair<unknown, Node | null>[], path: Path, reading: Reading): object {
  const entries = new Map<string, unknown>();
  for (const { key, value } of pairs) {
    const keyPath = [...path, keyText(key)];
    const trap = keyTrap(key, entries);
    if (trap !== undefined) misread(reading, keyPath, isNode(key) ? key : 0, trap);
    else entries.set(keyText(key), value ? valueOf(value, keyPath, reading) : null);
  }
  return Object.fromEntries(entries);
}

function keyTrap(key: unknown, known: ReadonlyMap<string, unknown>): string | undefined {
  const name = isScalar(key) ? key.value : undefined;
  if (typeof name !== "string") return `the key ${keyText(key)} is not text: put it in quotes`;
  if (name === "<<") return "merge keys (<<) are not supported: write the fields out";
  if (name === "__proto__") return "__proto__ is not allowed as a name";
  if (known.has(name)) return `"${name}" appears twice in this mapping: remove one`;
  return isScalar(key) ? trapOf(key) : undefined;
}

/** The name of a key in a path. A key that is not text has its source text as its name. */
export function keyText(key: unknown): string {
  if (isScalar(key)) return typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
  return String(key);
}
