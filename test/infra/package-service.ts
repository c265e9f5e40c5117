import { execFile } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Output, Resource } from "../../infra/cloudformation.ts";

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, Output>>;
}

export interface Packaged {
  readonly template: Template;
  readonly templateFile: string;
  /** The zip of a function by its name, `vend-token`. */
  zip(name: string): Buffer;
}

const root = resolve(import.meta.dirname, "../..");
const files = ["serverless.yml", "grants.yml", "package.json", "tsconfig.json"];
const folders = ["node_modules", "infra", "lib", "functions", "scripts"];

/**
 * Runs `serverless package` as a user would, without credentials, in a folder that shows the repository's files and
 * has a `.serverless/` of its own: test files run side by side. Removed by the caller, see {@link packagings}.
 */
async function packageService(
  folder: string,
  { params = {}, grants }: { params?: Readonly<Record<string, string>>; grants?: string },
): Promise<Packaged> {
  mkdirSync(folder);
  for (const name of files) copyFileSync(join(root, name), join(folder, name));
  for (const name of folders) symlinkSync(join(root, name), join(folder, name));
  if (grants !== undefined) writeFileSync(join(folder, "grants.yml"), grants);
  const given = Object.entries(params).map(([name, value]) => `--param=${name}=${value}`);
  const serverless = join(root, "node_modules/.bin/serverless");
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  const env = { ...Object.fromEntries(inherited), HOME: folder, AWS_EC2_METADATA_DISABLED: "true" };
  await promisify(execFile)(serverless, ["package", ...given], { cwd: folder, env });

  const out = join(folder, ".serverless");
  const templateFile = join(out, "cloudformation-template-update-stack.json");
  return {
    template: JSON.parse(readFileSync(templateFile, "utf8")) as Template,
    templateFile,
    zip: (name) => readFileSync(join(out, `${name}.zip`)),
  };
}

/** Packagings of one test file: `package()` makes one, `clean()` removes them all. */
export function packagings() {
  const base = mkdtempSync(join(tmpdir(), "infra-test-"));
  let count = 0;
  return {
    package: (options: Parameters<typeof packageService>[1] = {}) =>
      packageService(join(base, `service-${++count}`), options),
    clean: () => {
      rmSync(base, { recursive: true, force: true });
    },
  };
}
