import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../lib/http/wire.ts";

const root = resolve(import.meta.dirname, "../..");
const text = await readFile(join(root, "docs/clients.md"), "utf8");
const examples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);

const wrong = 'import { createTokenProvider } from "voxtoken"; createTokenProvider({ url: 5 });';
/** Pieces of code by the file that each seems to stand in, in the repository's root. */
const files = new Map(
  [...examples, wrong].map((code, index) => [join(root, `example-${index}-of-docs-clients.mts`), code]),
);

/** One program for all of them: the types of the package are read once. */
const program = (() => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  // Unbuilt, the package's types are its sources.
  // Stricter than what a program's own configuration asks for.
  options.noPropertyAccessFromIndexSignature = false;
  options.paths = { voxtoken: [join(root, "lib/client/index.ts")] };
  const disk = ts.createCompilerHost(options);
  return ts.createProgram([...files.keys()], options, {
    ...disk,
    fileExists: (name) => files.has(resolve(name)) || disk.fileExists(name),
    readFile: (name) => files.get(resolve(name)) ?? disk.readFile(name),
    getSourceFile: (name, language) => {
      const code = files.get(resolve(name));
      return code === undefined
        ? disk.getSourceFile(name, language)
        : ts.createSourceFile(name, code, language);
    },
  });
})();

/** What the compiler says of one piece of code. */
function problemsOf(code: string): string[] {
  const [name = ""] = [...files].find(([, text]) => text === code) ?? [];
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(name))
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
