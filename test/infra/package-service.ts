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
import { parseDocument } from "yaml";
import { sampleGrants, type Template } from "./describe.ts";

export interface Packaged {
  readonly template: Template;
  readonly templateFile: string;
  /** The zip of a function by its name, `vend-token`. */
  zip(name: string): Buffer;
}

const root = resolve(import.meta.dirname, "../..");
const files = ["package.json", "tsconfig.json"];
const folders = ["node_modules", "infra", "lib", "functions", "scripts"];

export interface Run {
  /** `package`, which is done without credentials, unless said otherwise. */
  readonly command?: "package" | "deploy";
  /** More of the command line. */
  readonly args?: readonly string[];
  /** Written into serverless.yml, below params. */
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
  { command = "package", args = [], environment, ...service }: Run,
): Promise<Packaged> {
  writeService(folder, service);
  const serverless = join(root, "node_modules/.bin/serverless");
  const env = environmentOf(folder, environment);
  await promisify(execFile)(serverless, [command, ...args], { cwd: folder, env });

  const out = join(folder, ".serverless");
  const templateFile = join(out, "cloudformation-template-update-stack.json");
  return {
    template: JSON.parse(readFileSync(templateFile, "utf8")) as Template,
    templateFile,
    zip: (name) => readFileSync(join(out, `${name}.zip`)),
  };
}

/** The folder of a user who has edited serverless.yml and grants.yml. */
export function writeService(
  folder: string,
  { params = {}, grants = sampleGrants }: Pick<Run, "params" | "grants">,
): void {
  mkdirSync(folder);
  for (const name of files) copyFileSync(join(root, name), join(folder, name));
  writeFileSync(join(folder, "serverless.yml"), serverlessYml(params));
  for (const name of folders) symlinkSync(join(root, name), join(folder, name));
  writeFileSync(join(folder, "grants.yml"), grants);
}

/** This process's environment without its AWS settings. */
export function environmentOf(home: string, environment: Run["environment"]): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  return {
    ...Object.fromEntries(inherited),
    HOME: home,
    AWS_EC2_METADATA_DISABLED: "true",
    ...environment,
  };
}

/** The repository's serverless.yml, as a user edits it. */
function serverlessYml(params: Readonly<Record<string, string>>): string {
  const document = parseDocument(readFileSync(join(root, "serverless.yml"), "utf8"), { logLevel: "silent" });
  for (const [name, value] of Object.entries(params)) document.setIn(["params", "dev", name], value);
  return document.toString();
}

/** The runs of one test file: `run()` makes one, `clean()` removes what they left. */
export function serverlessRuns() {
  const base = mkdtempSync(join(tmpdir(), "infra-test-"));
  let count = 0;
  return {
    run: (run: Run = {}) => runServerless(join(base, `service-${++count}`), run),
    /** The name of a folder that does not exist yet. */
    folder: () => join(base, `service-${++count}`),
    clean: () => {
      rmSync(base, { recursive: true, force: true });
    },
  };
}
