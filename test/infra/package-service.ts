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
import { sampleGrants } from "./describe.ts";

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
const files = ["serverless.yml", "package.json", "tsconfig.json"];
const folders = ["node_modules", "infra", "lib", "functions", "scripts"];

export interface Run {
  /** `package`, which is done without credentials, unless said otherwise. */
  readonly command?: "package" | "deploy";
  readonly params?: Readonly<Record<string, string>>;
  /** The sample, unless said otherwise. */
  readonly grants?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Runs `serverless` as a user would, in a folder that shows the repository's files and has a
 * `.serverless/` of its own: test files run side by side.
 */
async function runServerless(
  folder: string,
  { command = "package", params = {}, grants = sampleGrants, environment }: Run,
): Promise<Packaged> {
  mkdirSync(folder);
  for (const name of files) copyFileSync(join(root, name), join(folder, name));
  for (const name of folders) symlinkSync(join(root, name), join(folder, name));
  writeFileSync(join(folder, "grants.yml"), grants);
  const given = Object.entries(params).map(([name, value]) => `--param=${name}=${value}`);
  const serverless = join(root, "node_modules/.bin/serverless");
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  const env = {
    ...Object.fromEntries(inherited),
    HOME: folder,
    AWS_EC2_METADATA_DISABLED: "true",
    ...environment,
  };
  await promisify(execFile)(serverless, [command, ...given], { cwd: folder, env });

  const out = join(folder, ".serverless");
  const templateFile = join(out, "cloudformation-template-update-stack.json");
  return {
    template: JSON.parse(readFileSync(templateFile, "utf8")) as Template,
    templateFile,
    zip: (name) => readFileSync(join(out, `${name}.zip`)),
  };
}

/** The runs of one test file: `run()` makes one, `clean()` removes what they left. */
export function serverlessRuns() {
  const base = mkdtempSync(join(tmpdir(), "infra-test-"));
  let count = 0;
  return {
    run: (run: Run = {}) => runServerless(join(base, `service-${++count}`), run),
    clean: () => {
      rmSync(base, { recursive: true, force: true });
    },
  };
}
