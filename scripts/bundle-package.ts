import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";
import packageJson from "../package.json" with { type: "json" };
import { type BundledPackage, bundledPackages } from "./bundled-packages.ts";

/**
 * The dependencies stay imports, so that users of the package can update them: the AWS SDK's
 * credentials, signing and transport. Everything else is bundled, including the models of two AWS
 * services, so that a program which needs only the client installs nothing for the command line.
 */
const patchable = Object.keys(packageJson.dependencies);

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  external: patchable.flatMap((name) => [name, `${name}/*`]),
  // CommonJS builds would call `require`, which an ES module does not have.
  mainFields: ["module", "main"],
  // Node loads smaller files faster. Names stay, so that a stack trace can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
} satisfies BuildOptions;

/** Some packages have only a CommonJS build, which calls `require` for Node's own modules. */
const requireForEsm =
  'import { createRequire as createRequireHere } from "node:module"; const require = createRequireHere(import.meta.url);';

/**
 * Builds the client, for `import` and for `require`, and the command line. The command line is
 * split into files, so that the admin commands and the AWS SDK are loaded only when they are
 * needed. Also writes the licences of all bundled packages.
 *
 * @returns those packages
 */
export async function bundlePackage(): Promise<BundledPackage[]> {
  rmSync("dist/cli", { recursive: true, force: true });
  const client = { ...common, entryPoints: ["lib/client/index.ts"] };
  const cli = { ...common, entryPoints: { voxtoken: "bin/voxtoken.ts" } };
  const builds = await Promise.all([
    build({ ...client, format: "esm", outfile: "dist/client/index.js" }),
    // Jest cannot run `import()` in CommonJS without a flag of Node's.
    build({
      ...client,
      format: "cjs",
      supported: { "dynamic-import": false },
      outfile: "dist/client/index.cjs",
    }),
    build({
      ...cli,
      format: "esm",
      splitting: true,
      outdir: "dist/cli",
      banner: { js: requireForEsm },
      plugins: [zodOfItsOwn],
    }),
  ]);
  chmodSync("dist/cli/voxtoken.js", 0o755);
  const packages = bundledPackages(builds.flatMap(({ metafile }) => Object.values(metafile.outputs)));
  writeFileSync("dist/THIRD-PARTY-LICENSES.txt", licences(packages));
  return packages;
}

/**
 * Bundles `zod` as a second copy, apart from the one of `zod/mini`. Only the admin commands import
 * `zod`, and they need nearly all of it. With one copy, esbuild would put all of zod into the file
 * that every command loads, and a token from the cache would take a tenth longer.
 */
const zodOfItsOwn: Plugin = {
  name: "zod-of-its-own",
  setup(build) {
    const namespace = "zod-of-its-own";
    const own = (path: string) => ({ path, namespace, sideEffects: false });
    build.onResolve({ filter: /^zod$/ }, () => own("node_modules/zod/index.js"));
    build.onResolve({ filter: /^\./, namespace }, ({ path, importer }) => own(join(dirname(importer), path)));
    build.onLoad({ filter: /./, namespace }, ({ path }) => ({ contents: readFileSync(path, "utf8") }));
  },
};

function licences(packages: readonly BundledPackage[]): string {
  const sections = packages.map(({ folder, name, version, license }) => {
    const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|notice|copying)/i.test(file));
    if (files.length === 0) throw new Error(`${folder} has no licence file to publish with its code.`);
    const texts = files.sort().map((file) => readFileSync(join(folder, file), "utf8").trim());
    return [`${name} ${version} (${license})`, ...texts].join("\n\n");
  });
  const heading = "The files of this package hold code of the following packages.";
  return `${[heading, ...sections].join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

/**
 * Writes the client's declarations twice. TypeScript reads the declarations of a `require` as
 * CommonJS only if they, and every file that they import, are named `.d.cts`.
 */
export function emitTypes(): void {
  const directory = "dist/client/types";
  rmSync(directory, { recursive: true, force: true });
  execFileSync("node_modules/typescript-7/bin/tsc", ["--project", "tsconfig.package.json"], {
    stdio: "inherit",
  });
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    const file = join(directory, name);
    const text = readFileSync(file, "utf8");
    const importing = (extension: string) =>
      text.replace(/(from |import\()"(\.[^"]+)\.ts"/g, `$1"$2.${extension}"`);
    writeFileSync(file, importing("js"));
    writeFileSync(file.replace(/\.ts$/, ".cts"), importing("cjs"));
  }
}
