import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../lib/http/wire.ts";
import { examplesIn } from "../fakes/examples.ts";

const root = resolve(import.meta.dirname, "../..");
const text = await readFile(join(root, "docs/clients.md"), "utf8");
const examples = examplesIn(text, "ts");
const wrong = 'import { createTokenProvider } from "voxtoken"; createTokenProvider({ url: 5 });';

// In this repository, so that the examples find the built package by its name, and what they
// import.
await mkdir(join(root, "dist/test"), { recursive: true });
const folder = await mkdtemp(join(root, "dist/test/docs-clients-"));
afterAll(() => rm(folder, { recursive: true }));

const fileOf = (code: string) => `example-${[...examples, wrong].indexOf(code)}.mts`;
/** What the compiler says of all pieces of code: it runs once. */
const problems = await compile([...examples, wrong]);

async function compile(pieces: readonly string[]): Promise<string[]> {
  for (const code of pieces) await writeFile(join(folder, fileOf(code)), code);
  // Stricter than what a program's own configuration asks for.
  const compilerOptions = { noPropertyAccessFromIndexSignature: false };
  const files = pieces.map(fileOf);
  const project = JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, files });
  await writeFile(join(folder, "tsconfig.json"), project);
  const tsc = join(root, "node_modules/typescript-7/bin/tsc");
  return new Promise((done) => {
    execFile(tsc, ["--project", folder, "--pretty", "false"], (_failed, out) => {
      done(out.split("\n"));
    });
  });
}

const problemsOf = (code: string) => problems.filter((line) => line.includes(fileOf(code)));

describe("docs/clients.md", () => {
  it("contains examples", () => {
    expect(examples.length).toBeGreaterThanOrEqual(5);
  });

  it.each(examples.map((code) => [code.split("\n")[0], code]))(
    "has an example that compiles: %s",
    (_first, code) => {
      expect(problemsOf(code)).toEqual([]);
    },
  );

  it("would fail this test if an example did not compile", () => {
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
