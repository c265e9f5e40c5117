import { isAlias, isMap, isNode, isScalar, isSeq, type Alias, type Node, type Pair, type Scalar } from "yaml";
import type { Path } from "./problem.ts";

/** Aliases save writing a list twice. A file in which they stand for more values than this is an attack or a mistake. */
const MAX_ALIASED_VALUES = 100_000;

/** Anchored values are read once and shared, so that a file is read in linear time whatever its aliases do. */
export interface Reading {
  readonly misreadings: { readonly path: Path; readonly offset: number; readonly message: string }[];
  readonly anchors: Map<string, { readonly node: Node; value?: unknown; values?: number }>;
  /** What each alias stands for. */
  readonly targets: Map<Alias, Node>;
  /** Values so far, those that aliases stand for included. */
  values: number;
  aliased: number;
}

export function startReading(): Reading {
  return { misreadings: [], anchors: new Map(), targets: new Map(), values: 0, aliased: 0 };
}

/** Leaves a hole where the value would be. */
export function misread(reading: Reading, path: Path, at: Node | number, message: string): unknown {
  reading.misreadings.push({ path, offset: typeof at === "number" ? at : (at.range?.[0] ?? 0), message });
  return undefined;
}

/** The plain data of a node. Objects come from entries, so that no key can reach a prototype. */
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
    return misread(reading, path, node, `remove the tag ${tag}: tags are not read here`);
  }
  if (isScalar(node)) return scalarValue(node, path, reading);
  if (isSeq<Node>(node)) return node.items.map((item, i) => valueOf(item, [...path, i], reading));
  if (isMap<unknown, Node | null>(node)) return mapValue(node.items, path, reading);
  return undefined;
}

function aliasedValue(alias: Alias, path: Path, reading: Reading): unknown {
  const wrong = (message: string) => misread(reading, path, alias, message);
  const target = reading.anchors.get(alias.source);
  if (!target) return wrong(`no anchor &${alias.source}: a value that begins with * has to stand in quotes`);
  if (target.values === undefined) return wrong(`the anchor &${alias.source} contains itself`);
  const wasWithin = reading.aliased <= MAX_ALIASED_VALUES;
  reading.values += target.values;
  reading.aliased += target.values;
  if (reading.aliased > MAX_ALIASED_VALUES) {
    return wasWithin
      ? wrong(`the aliases of this file stand for more than ${MAX_ALIASED_VALUES} values: write them out`)
      : undefined;
  }
  reading.targets.set(alias, target.node);
  return target.value;
}

function scalarValue(node: Scalar, path: Path, reading: Reading): unknown {
  const trap = trapOf(node);
  return trap === undefined ? node.value : misread(reading, path, node, trap);
}

/** What YAML 1.1, still the more common, takes for a boolean. */
const BOOLEAN_ELSEWHERE = /^(?:y|n|yes|no|on|off)$/i;

function trapOf({ value, source, type }: Scalar): string | undefined {
  if (type === "PLAIN" && typeof value === "string" && BOOLEAN_ELSEWHERE.test(value)) {
    return `${value} is a boolean to some readers of YAML: put it in quotes if it is text`;
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
  if (name === "<<") return "merge keys (<<) are not read here: write the fields out";
  if (name === "__proto__") return "__proto__ is not a name that anything may have here";
  if (known.has(name)) return `"${name}" stands twice in this mapping, and only one can count: remove one`;
  return isScalar(key) ? trapOf(key) : undefined;
}

/** How a key is called in a path; one that is not text is called by its text in the file. */
export function keyText(key: unknown): string {
  if (isScalar(key)) return typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
  return String(key);
}
