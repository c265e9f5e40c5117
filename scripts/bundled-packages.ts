import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

/** An npm package with code in a bundle. */
export interface BundledPackage {
  /** Relative to the root: `node_modules/zod`. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** Of its code in the bundle. */
  readonly bytes: number;
}

/**
 * The npm packages of some outputs of esbuild, sorted by folder. The paths are relative to the
 * root.
 */
export function bundledPackages(outputs: readonly Metafile["outputs"][string][]): BundledPackage[] {
  const bytes = new Map<string, number>();
  for (const [file, { bytesInOutput }] of outputs.flatMap(({ inputs }) => Object.entries(inputs))) {
    // A namespace of a plugin may stand before the path.
    const [, folder] = /^(?:[\w-]+:)?((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
    if (folder !== undefined) bytes.set(folder, (bytes.get(folder) ?? 0) + bytesInOutput);
  }
  return [...bytes.keys()].sort().map((folder) => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
      "name" | "version" | "license",
      string
    >;
    const { name, version, license } = manifest;
    return { folder, name, version, license, bytes: bytes.get(folder) ?? 0 };
  });
}
