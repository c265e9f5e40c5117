/**
 * Builds what npm publishes, into dist/client and dist/cli. Packages stay imports: they are the dependencies.
 *
 *     tsx scripts/build-package.ts [--no-types]
 *
 * `npm ci` runs it without types (by `prepare`), so that `npx voxtoken` works in a fresh clone. `npm pack` runs it with types
 * (`prepack`), and then without (`prepare`): the second run leaves the types of the first alone.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type BuildOptions } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  packages: "external",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
} satisfies BuildOptions;

async function buildClient(): Promise<void> {
  const entryPoints = ["lib/client/index.ts"];
  await build({ ...common, entryPoints, format: "esm", outfile: "dist/client/index.js" });
  await build({ ...common, entryPoints, format: "cjs", outfile: "dist/client/index.cjs" });
}

/** Split, so that the admin commands and the AWS SDK are read only by those who need them. */
async function buildCli(): Promise<void> {
  rmSync("dist/cli", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: { voxtoken: "lib/cli/main.ts" },
    format: "esm",
    splitting: true,
    outdir: "dist/cli",
  });
  chmodSync("dist/cli/voxtoken.js", 0o755);
}

/**
 * The declarations twice: TypeScript takes what a `require` resolves to for CommonJS only where it is named `.d.cts`, down to
 * the last file that it imports.
 */
function buildTypes(): void {
  rmSync("dist/client/types", { recursive: true, force: true });
  execFileSync("node_modules/.bin/tsc", ["--project", "tsconfig.package.json"], { stdio: "inherit" });
  const directory = "dist/client/types";
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

await Promise.all([buildClient(), buildCli()]);
if (!process.argv.includes("--no-types")) buildTypes();
