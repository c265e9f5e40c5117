import { resolve } from "node:path";
import { ESLint } from "eslint";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/**
 * The repository's own configuration. The rules that need types are left out: a planted file is on
 * no disk, so that the compiler does not know it.
 */
const OWN = /^(?:layers\/|no-restricted-(?:properties|syntax)$)/;
const eslint = new ESLint({
  cwd: root,
  ruleFilter: ({ ruleId }) => OWN.test(ruleId),
  overrideConfig: { languageOptions: { parserOptions: { project: null } } },
});

async function problemsOf(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: resolve(root, file) });
  return (result?.messages ?? []).map(({ ruleId, message }) => `${ruleId ?? "parser"}: ${message}`);
}

const imports = "layers/imports";
const pure = "layers/pure";

/** What passed the linter once, or would let a layer reach what it must not. */
const violations: [what: string, file: string, code: string, rule: string, says: string][] = [
  [
    "a file directly in lib/ imports infra/",
    "lib/vend.ts",
    'import { template } from "../infra/template.ts";\nexport const t = template;',
    imports,
    "lib/vend.ts must not import infra/template.ts. It may import audit, caller, grants, http, outcome.ts, request-handler.ts, token.",
  ],
  [
    "lib/configuration.ts imports local/",
    "lib/configuration.ts",
    'import { startStack } from "../local/stack.ts"; startStack();',
    imports,
    "lib/configuration.ts must not import local/stack.ts. It may import environment.ts, partitions.ts, voximplant/api-url.ts.",
  ],
  [
    "lib/configuration.ts imports a folder of lib/ that it is not listed for",
    "lib/configuration.ts",
    'export { jsonLog } from "./audit/log.ts";',
    imports,
    "lib/configuration.ts must not import lib/audit/log.ts.",
  ],
  [
    "lib/environment.ts uses a package that it is not listed for",
    "lib/environment.ts",
    'import * as z from "zod";',
    imports,
    "lib/environment.ts must not use the package zod. It may use node:path.",
  ],
  [
    "import() across folders",
    "lib/grants/authorize.ts",
    'export const load = () => import("../client/index.ts");',
    imports,
    "lib/grants must not import lib/client/index.ts. It may import caller, epoch.ts, http/wire.ts, partitions.ts, voximplant/method-name.ts.",
  ],
  [
    "import() with a template text",
    "lib/client/retry.ts",
    "export const load = () => import(`../grants/policy.ts`);",
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  [
    "import() of a computed path",
    "lib/client/retry.ts",
    "export const load = (name: string) => import(name);",
    imports,
    "The path of an import must be written out, so that eslint.config.js can check it.",
  ],
  [
    "the type import() across folders",
    "lib/client/retry.ts",
    'export type P = import("../grants/policy.ts").Policy;',
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  [
    "import type across folders",
    "lib/client/retry.ts",
    'import type { Policy } from "../grants/policy.ts"; export type P = Policy;',
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  [
    "export from across folders",
    "lib/voximplant/call.ts",
    'export * from "../keys/signing-key.ts";',
    imports,
    "lib/voximplant must not import lib/keys/signing-key.ts. It may import epoch.ts.",
  ],
  [
    "require across folders",
    "lib/client/retry.ts",
    'export const p = require("../grants/policy.ts");',
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  [
    "import = require() across folders",
    "lib/client/retry.ts",
    'import p = require("../grants/policy.ts"); export { p };',
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  [
    "a path that leaves its folder and comes back through lib/",
    "lib/client/deep/retry.ts",
    'import "../../../lib/grants/policy.ts";',
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  [
    "the package by its own name",
    "lib/grants/authorize.ts",
    'import "voxtoken";',
    imports,
    "lib/grants must not use the package voxtoken.",
  ],
  [
    "siblings import each other",
    "lib/rotation/handler.ts",
    'import "../reconciliation/handler.ts";',
    imports,
    "lib/rotation must not import lib/reconciliation/handler.ts.",
  ],
  [
    "a new folder below lib/",
    "lib/novelty/thing.ts",
    "export const a = 1;",
    imports,
    "lib/novelty is not in the table of layers. List in eslint.config.js what it may import.",
  ],
  [
    "a new file directly in lib/",
    "lib/novelty.ts",
    "export const a = 1;",
    imports,
    "lib/novelty.ts is not in the table of layers.",
  ],
  [
    "local/ imports infra/",
    "local/gateway/answer.ts",
    'import { gatewayResponses } from "../../infra/gateway-responses.ts"; void gatewayResponses;',
    imports,
    "local must not import infra/gateway-responses.ts.",
  ],
  [
    "local/ imports test/",
    "local/stack.ts",
    'import "../test/fakes/clock.ts";',
    imports,
    "local must not import test/fakes/clock.ts.",
  ],
  [
    "infra/ imports local/",
    "infra/api.ts",
    'import "../local/stack.ts";',
    imports,
    "infra must not import local/",
  ],
  [
    "infra/ requires local/",
    "infra/serverless.cjs",
    'require("../local/stack.ts");',
    imports,
    "infra must not import",
  ],
  [
    "a function imports local/",
    "functions/vend-token.ts",
    'import "../local/stack.ts";',
    imports,
    "functions must not import local/stack.ts.",
  ],
  [
    "node:crypto in a pure folder",
    "lib/caller/caller.ts",
    'import "node:crypto";',
    imports,
    "lib/caller must not use the package node:crypto.",
  ],
  [
    "node:crypto in a pure folder",
    "lib/grants/parse.ts",
    'import { randomUUID } from "crypto"; randomUUID();',
    imports,
    "lib/grants must not use the package crypto.",
  ],
  ...[
    ["Date.now()", "Date"],
    ["new Date()", "Date"],
    ["Date()", "Date"],
    ["[1].map(Date.now)", "Date"],
    ["(({ now }) => now())(Date)", "Date"],
    ["new globalThis.Date()", "globalThis"],
    ["Math.random()", "Math"],
    ['Math["random"]()', "Math"],
    ["(({ random }) => random())(Math)", "Math"],
    ["performance.now()", "performance"],
    ["crypto.randomUUID()", "crypto"],
    ["process.hrtime()", "process"],
    ["setTimeout(() => undefined, 1)", "setTimeout"],
    ['fetch("https://example.com")', "fetch"],
  ].flatMap(([expression = "", name = ""]) =>
    ["lib/grants/authorize.ts", "lib/caller/caller.ts"].map(
      (file): [string, string, string, string, string] => [
        `${expression} in a pure folder`,
        file,
        `export const value = ${expression};`,
        pure,
        `${file.slice(0, file.lastIndexOf("/"))} is pure: plain data in, a value out. Take what ${name} would give as a parameter.`,
      ],
    ),
  ),
  [
    "process.env below the composition roots",
    "lib/client/retry.ts",
    "export const a = process.env;",
    "no-restricted-properties",
    "'process.env' is restricted from being used. Take configuration as a parameter.",
  ],
  ...['io.env["A"]', "io.env.A", 'env["A"]', "environment.A"].map(
    (code): [string, string, string, string, string] => [
      `${code} read without the one reader`,
      "lib/cli/io.ts",
      `export const a = ${code};`,
      "no-restricted-syntax",
      "An empty variable counts as absent: use readVariable or readPath of lib/environment.ts.",
    ],
  ),
];

describe("eslint-layers refuses", () => {
  it.each(violations)("%s: %s", async (_what, file, code, rule, says) => {
    expect(await problemsOf(file, code)).toEqual([expect.stringContaining(`${rule}: ${says}`)]);
  });
});

describe("eslint-layers allows", () => {
  it.each([
    ["lib/vend.ts", 'import "./audit/log.ts"; import "./outcome.ts";'],
    ["lib/configuration.ts", 'import "./voximplant/api-url.ts"; import "zod/mini";'],
    ["lib/grants/authorize.ts", 'import "./policy.ts"; import "../caller/caller.ts"; import "zod";'],
    ["lib/grants/deep/authorize.ts", 'import "../policy.ts"; import "../../caller/caller.ts";'],
    ["lib/client/retry.ts", 'export const load = () => import("../voximplant/call.ts");'],
    [
      "lib/caller/caller.ts",
      "export const a = (text: string, at: number) => [new Date(text), new Date(at)];",
    ],
    ["lib/caller/caller.ts", "export const a = [Date.parse('x'), Date.UTC(2026), Math.max(1, 2)];"],
    ["lib/caller/caller.ts", "export const a = (value: unknown): value is Date => value instanceof Date;"],
    ["lib/caller/caller.ts", "export const a = (Date: { now(): number }) => Date.now();"],
    ["lib/client/runtime.ts", "export const a = Date.now();"],
    ["local/stack.ts", 'import "../lib/vend.ts"; import "../scripts/bundle.ts"; import "./listen.ts";'],
    ["functions/vend-token.ts", 'import "../grants.yml"; import "../lib/vend.ts";'],
    ["test/vend.test.ts", 'import "../infra/template.ts"; import "../local/stack.ts";'],
  ])("in %s: %s", async (file, code) => {
    expect(await problemsOf(file, code)).toEqual([]);
  });
});
