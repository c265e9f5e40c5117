import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../lib/http/wire.ts";

const root = resolve(import.meta.dirname, "../..");
const text = await readFile(join(root, "docs/clients.md"), "utf8");
const examples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);

/** What the compiler says of a piece of code that stands in the repository's root and imports the package by its name. */
function problemsOf(code: string): string[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  // Unbuilt, the package's types are its sources.
  options.paths = { voxtoken: [join(root, "lib/client/index.ts")] };
  const file = join(root, "example-of-docs-clients.mts");
  const disk = ts.createCompilerHost(options);
  const isExample = (name: string) => resolve(name) === file;
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (name) => isExample(name) || disk.fileExists(name),
    readFile: (name) => (isExample(name) ? code : disk.readFile(name)),
    getSourceFile: (name, language) =>
      isExample(name) ? ts.createSourceFile(name, code, language) : disk.getSourceFile(name, language),
  };
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

describe("docs/clients.md", () => {
  it("has examples", () => {
    expect(examples.length).toBeGreaterThanOrEqual(5);
  });

  it.each(examples.map((code) => [code.split("\n")[0], code]))("compiles: %s", (_first, code) => {
    expect(problemsOf(code)).toEqual([]);
  });

  it("the check finds what does not compile", () => {
    const wrong = 'import { createTokenProvider } from "voxtoken"; createTokenProvider({ url: 5 });';
    expect(problemsOf(wrong)).not.toEqual([]);
  });

  it("names every code of TokenError", async () => {
    const errors = await readFile(join(root, "lib/client/errors.ts"), "utf8");
    const union = (source: string, name: string) =>
      [
        ...(
          /export type NAME =(.*?);\n/s.exec(
            source.replace(`export type ${name} `, "export type NAME "),
          )?.[1] ?? ""
        ).matchAll(/"(\w+)"/g),
      ].map(([, code]) => code);
    const codes = [...ERROR_CODES, ...union(errors, "TokenErrorCode")];
    expect(codes.length).toBeGreaterThan(15);
    for (const code of codes) expect(text).toContain(`\`${code ?? ""}\``);
  });
});
