import { resolve } from "node:path";
import { ESLint } from "eslint";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/**
 * The repository's own configuration. The rules that need types are left out: a planted file is on
 * no disk, so that the compiler does not know it.
 */
const OWN = /^(?:layers\/|no-restricted-(?:imports|properties|syntax)$)/;
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
    "declare module across folders",
    "lib/client/retry.ts",
    'declare module "../grants/policy.ts" { interface Policy { a: 1 } }',
    imports,
    "lib/client must not import lib/grants/policy.ts.",
  ],
  ...[
    'import { createRequire } from "node:module"; export const load = createRequire("/");',
    "const load = require; export const p = load('../grants/policy.ts');",
    'export const p = require.resolve("../grants/policy.ts");',
    'process.getBuiltinModule("node:module");',
    'new Worker(new URL("../grants/policy.ts", import.meta.url));',
  ].map((code): [string, string, string, string, string] => [
    `loading a module by another way: ${code}`,
    "lib/client/retry.ts",
    code,
    imports,
    "The path of an import must be written out, so that eslint.config.js can check it.",
  ]),
  [
    "the wire contract exports the server",
    "lib/http/wire.ts",
    'export { authorize } from "../grants/authorize.ts";',
    imports,
    "lib/http/wire.ts must not import lib/grants/authorize.ts. It may import nothing else of this repository.",
  ],
  [
    "the wire contract imports its own folder",
    "lib/http/wire.ts",
    'export { route } from "./route.ts";',
    imports,
    "lib/http/wire.ts must not import lib/http/route.ts.",
  ],
  [
    "the claims use the signing package",
    "lib/token/claims.ts",
    'import "jose";',
    imports,
    "lib/token/claims.ts must not use the package jose. It may use no package.",
  ],
  ...["lib/grants/clock.mts", "lib/grants/clock.cts", "lib/grants/clock.tsx", "lib/grants/clock.js"].map(
    (file): [string, string, string, string, string] => [
      "a file with another extension",
      file,
      'import "../client/exchange.ts";',
      imports,
      "lib/grants must not import lib/client/exchange.ts.",
    ],
  ),
  [
    "a new file with another extension",
    "lib/novelty.mts",
    "export const a = 1;",
    imports,
    "lib/novelty.mts is not in the table of layers.",
  ],
  [
    "a new folder with another extension",
    "lib/novelty/thing.mts",
    "export const a = 1;",
    imports,
    "lib/novelty is not in the table of layers.",
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
    "infra/ imports a script that may import everything",
    "infra/api.ts",
    'import "../scripts/chaos.ts";',
    imports,
    "infra must not import scripts/chaos.ts.",
  ],
  [
    "a script that infra/ imports exports local/",
    "scripts/load-policy.ts",
    'export { startStack } from "../local/stack.ts";',
    imports,
    "scripts/load-policy.ts must not import local/stack.ts. It may import lib.",
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
    ["new Date(...([] as []))", "Date"],
    ['new Intl.DateTimeFormat("en").format()', "Intl"],
    ['new Event("x").timeStamp', "Event"],
    ["AbortSignal.timeout(5)", "AbortSignal"],
    ["console.log(1)", "console"],
    ['new WebSocket("wss://example.com")', "WebSocket"],
    ["(1).toLocaleString()", "toLocaleString"],
    ["new Date(0).getHours()", "getHours"],
  ].flatMap(([expression = "", name = ""]) =>
    [
      ["lib/grants", "lib/grants/authorize.ts"],
      ["lib/caller", "lib/caller/caller.ts"],
      ["lib/token/claims.ts", "lib/token/claims.ts"],
      ["lib/epoch.ts", "lib/epoch.ts"],
    ].map(([layer = "", file = ""]): [string, string, string, string, string] => [
      `${expression} in a pure layer`,
      file,
      `export const value = ${expression};`,
      pure,
      `${layer} is pure: plain data in, a value out. Take as a parameter what ${name} would give.`,
    ]),
  ),
  ...[
    "let cached: string | undefined;",
    "const cached = new Map<string, string>();",
    "export const cached: Set<string> = new Set();",
    "const cached: Record<string, string> = {};",
    "const cached: string[] = [];",
  ].map((code): [string, string, string, string, string] => [
    `state of the module in a pure layer: ${code}`,
    "lib/grants/authorize.ts",
    code,
    pure,
    "lib/grants is pure: cached would keep state between calls.",
  ]),
  [
    "a comment that turns off a rule",
    "lib/client/retry.ts",
    '/* eslint layers/imports: "off" */',
    "parser",
    "'/* eslint layers/imports: \"off\" */' has no effect because you have 'noInlineConfig' setting in your config.",
  ],
  [
    "process.env below the composition roots",
    "lib/client/retry.ts",
    "export const a = process.env;",
    "no-restricted-properties",
    "'process.env' is restricted from being used. Take configuration as a parameter.",
  ],
  [
    "the environment through the global object",
    "lib/client/retry.ts",
    "const e = globalThis.process.env;",
    "no-restricted-properties",
    "'globalThis.process' is restricted from being used. Take configuration as a parameter.",
  ],
  [
    "the environment through node:process",
    "lib/client/retry.ts",
    'import { env as all } from "node:process";',
    "no-restricted-imports",
    "'node:process' import is restricted from being used. Take configuration as a parameter.",
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
  ...["bin/voxtoken.ts", "functions/vend-token.ts", "infra/api.ts", "local/start.ts"].flatMap((file) =>
    ['const a = process.env["A"] ?? "x";', 'const { A: a = "" } = process.env;'].map(
      (code): [string, string, string, string, string] => [
        `${code} in a composition root`,
        file,
        code,
        "no-restricted-syntax",
        "An empty variable counts as absent: use readVariable or readPath of lib/environment.ts.",
      ],
    ),
  ),
];

describe("eslint-layers refuses", () => {
  it.each(violations)("%s: %s", async (_what, file, code, rule, says) => {
    expect(await problemsOf(file, code)).toEqual([expect.stringContaining(`${rule}: ${says}`)]);
  });
});

describe("the table of layers", () => {
  type Table = Record<string, { folders: string[]; pure?: boolean }>;
  const table = async (): Promise<Table> => {
    const config = (await eslint.calculateConfigForFile(resolve(root, "lib/vend.ts"))) as {
      rules: { "layers/imports": [string, Table] };
    };
    return config.rules["layers/imports"][1];
  };
  const isOf = (layers: Table, name: string) => layers[name] ?? layers[`lib/${name}`];

  it("has an entry for each file that a layer lists", async () => {
    const layers = await table();
    const listed = Object.values(layers).flatMap(({ folders }) => folders);
    expect(listed.filter((name) => name.endsWith(".ts") && !isOf(layers, name))).toEqual([]);
  });

  it("lists only pure layers for a pure layer", async () => {
    const layers = await table();
    const listed = Object.values(layers).flatMap(({ folders, pure }) => (pure ? folders : []));
    expect(listed.filter((name) => !isOf(layers, name)?.pure)).toEqual([]);
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
    ["lib/grants/authorize.ts", "const a: ReadonlySet<string> = new Set(); const b: readonly string[] = [];"],
    ["lib/http/route.ts", 'import "./wire.ts";'],
    ["lib/caller/caller.ts", "export const a = [Date.parse('x'), Date.UTC(2026), Math.max(1, 2)];"],
    ["lib/caller/caller.ts", "export const a = (value: unknown): value is Date => value instanceof Date;"],
    ["lib/caller/caller.ts", "export const a = (Date: { now(): number }) => Date.now();"],
    ["lib/client/runtime.ts", "export const a = Date.now();"],
    ["local/stack.ts", 'import "../lib/vend.ts"; import "../scripts/bundle.ts"; import "./listen.ts";'],
    ["functions/vend-token.ts", 'import "../grants.yml"; import "../lib/vend.ts";'],
    ["local/start.ts", 'process.env["A"] ??= "true";'],
    ["test/vend.test.ts", 'import "../infra/template.ts"; import "../local/stack.ts";'],
  ])("in %s: %s", async (file, code) => {
    expect(await problemsOf(file, code)).toEqual([]);
  });
});
