import type * as z from "zod";
import { didYouMean } from "./nearest.ts";
import type { Finding } from "./yaml-source.ts";
import type { Path } from "./yaml-value.ts";
import { fieldsAt } from "./schema.ts";

type Issue = z.core.$ZodIssue;

/** Turns zod's issues into sentences about the file that `value` was read from. */
export function schemaFindings(issues: readonly Issue[], value: unknown): Finding[] {
  return issues.flatMap((issue) => findingsOf(issue, issue.path as Path, value));
}

function findingsOf(issue: Issue, path: Path, root: unknown): Finding[] {
  const value = valueAt(root, path);
  if (issue.code === "unrecognized_keys") {
    const fields = fieldsAt(path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      onKey: true,
      message: `unknown field "${key}"${didYouMean(key, fields) || `: the fields here are ${fields.join(", ")}`}`,
    }));
  }
  if (issue.code === "invalid_key") {
    return issue.issues.map(({ message }) => ({
      path,
      onKey: true,
      message: `the name "${String(path.at(-1))}" ${message}`,
    }));
  }
  if (
    issue.code === "invalid_union" &&
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value)
  ) {
    // The value is a mapping, so only the errors of the union's alternative for mappings matter.
    const inner = issue.errors
      .flat()
      .filter((nested) => nested.path.length > 0 || nested.code === "unrecognized_keys");
    return inner.flatMap((nested) => findingsOf(nested, [...path, ...(nested.path as Path)], root));
  }
  if (value === undefined) {
    return [
      {
        path: path.slice(0, -1),
        message: `${ownerOf(path)} lacks ${String(path.at(-1))}, which ${issue.message}`,
      },
    ];
  }
  return [{ path, message: `${labelOf(path)} ${issue.message}, not ${show(value)}` }];
}

/** `maxTtlSeconds`, or `principals[1]` for an item of a list. */
function labelOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return "the file";
  return typeof last === "number" ? `${String(path.at(-2))}[${last}]` : last;
}

/** The mapping that lacks the field at this path. */
function ownerOf(path: Path): string {
  const owner = path.at(-2);
  if (owner === undefined) return "the file";
  return typeof owner === "string" ? owner : `the ${String(path.at(-3)).replace(/s$/, "")}`;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? (value as Record<string | number, unknown>)[key]
        : undefined,
    root,
  );
}

function show(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 100))}`;
  return `the ${typeof value} ${JSON.stringify(value)}`;
}
