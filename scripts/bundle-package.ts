import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type BuildOptions } from "esbuild";

/** Packages stay imports: they are the dependencies of what is published. */
const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  packages: "external",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
} satisfies BuildOptions;

/**
 * Builds the client, for `import` and for `require`, and the command line, which is split so that the admin commands and the AWS SDK
 * are read only by those who need them.
 */
export async function bundlePackage(): Promise<void> {
  rmSync("dist/cli", { recursive: true, force: true });
  const client = { ...common, entryPoints: ["lib/client/index.ts"] };
  const cli = { ...common, entryPoints: { voxtoken: "bin/voxtoken.ts" } };
  await Promise.all([
    build({ ...client, format: "esm", outfile: "dist/client/index.js" }),
    build({ ...client, format: "cjs", outfile: "dist/client/index.cjs" }),
    build({ ...cli, format: "esm", splitting: true, outdir: "dist/cli" }),
  ]);
  chmodSync("dist/cli/voxtoken.js", 0o755);
}

/**
 * Writes the client's declarations, twice: TypeScript takes what a `require` resolves to for CommonJS only where it is named
 * `.d.cts`, down to the last file that it imports.
 */
export function emitTypes(): void {
  const directory = "dist/client/types";
  rmSync(directory, { recursive: true, force: true });
  execFileSync("node_modules/.bin/tsc", ["--project", "tsconfig.package.json"], { stdio: "inherit" });
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
