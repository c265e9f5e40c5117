import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";

import { build, type Plugin } from "esbuild";

import type { Policy } from "../lib/grants/policy.ts";
import { type BundledPackage, bundledPackages } from "./bundled-packages.ts";

const root = resolve(import.meta.dirname, "..");

interface Bundle {
  /** Absolute path. */
  readonly file: string;
  readonly bytes: number;
  readonly packages: readonly BundledPackage[];
}

/**
 * Bundles each function of functions/ to `<out>/<name>/index.mjs`, with its source map beside it
 * and the policy inside. The same input gives the same bytes, in whatever folder it is built.
 */
export async function bundleFunctions(policy: Policy, out: string): Promise<Bundle[]> {
  const names = (await readdir(join(root, "functions")))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .map((file) => basename(file, ".ts"));
  // Source maps name the sources relative to the output. So esbuild gets one fixed folder: with
  // `out`, the same sources would give different bytes in different folders.
  const outdir = join(root, "dist", "functions");
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => ({ in: join("functions", `${name}.ts`), out: join(name, "index") })),
    outdir,
    write: false,
    // The zip has no package.json, so only the extension marks the file as ESM, which top-level
    // await requires.
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    // The SDK's CommonJS builds call require("node:https"), which an ES module does not have.
    mainFields: ["module", "main"],
    minify: true,
    sourcemap: "linked",
    legalComments: "none",
    metafile: true,
    plugins: [embedPolicy(policy), credentialsFromEnvironment, withoutEventStreams, versionsAlone],
  });
  const inOut = (file: string) => join(out, relative(outdir, resolve(root, file)));
  for (const { path, contents } of outputFiles) {
    await mkdir(dirname(inOut(path)), { recursive: true });
    await writeFile(inOut(path), contents);
  }
  return Object.entries(metafile.outputs)
    .filter(([file]) => file.endsWith(".mjs"))
    .map(([file, output]) => ({
      file: inOut(file),
      bytes: output.bytes,
      packages: bundledPackages([output]),
    }));
}

/**
 * Lambda gives credentials in environment variables and nowhere else. The SDK's default provider
 * also looks into files, SSO and instance metadata, which is a third of a bundle.
 */
const credentialsFromEnvironment: Plugin = {
  name: "credentials-from-environment",
  setup(build) {
    const filter = /^@aws-sdk\/credential-provider-node$/;
    build.onResolve({ filter }, ({ path }) => ({ path, namespace: "credentials" }));
    build.onLoad({ filter, namespace: "credentials" }, () => ({
      contents: 'export { fromEnv as defaultProvider } from "@aws-sdk/credential-provider-env";',
      resolveDir: root,
    }));
  },
};

/**
 * The functions call no operation that streams events. The SDK imports its module for event streams
 * dynamically, so esbuild would wrap every module that it shares with the rest of the bundle. That
 * adds a tenth to the bundle and to its start.
 */
const withoutEventStreams: Plugin = {
  name: "without-event-streams",
  setup(build) {
    const filter = /^@smithy\/core\/event-streams$/;
    // The Lambda client also imports the module statically. That import stays.
    build.onResolve({ filter }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path, namespace: "event-streams" } : undefined,
    );
    build.onLoad({ filter, namespace: "event-streams" }, () => ({ contents: "export {};" }));
  },
};

/** The SDK imports its whole package.json, to send its version. */
const versionsAlone: Plugin = {
  name: "versions-alone",
  setup(build) {
    build.onLoad({ filter: /node_modules\/@aws-sdk\/[^/]+\/package\.json$/ }, async ({ path }) => {
      const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

/** Resolves `import policy from "../grants.yml"` to the policy. */
function embedPolicy(policy: Policy): Plugin {
  return {
    name: "embed-policy",
    setup(build) {
      build.onResolve({ filter: /\/grants\.yml$/ }, () => ({ path: "grants.yml", namespace: "policy" }));
      build.onLoad({ filter: /./, namespace: "policy" }, () => ({
        contents: JSON.stringify(policy),
        loader: "json",
      }));
    },
  };
}
