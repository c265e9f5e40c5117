import parser from "@typescript-eslint/parser";
import { defineConfig } from "eslint/config";
import { layerPlugin } from "./scripts/eslint-layers.js";

/*
 * The rules of this repository. The general ones are in .oxlintrc.json: Oxlint checks them, with
 * types, in a tenth of the time.
 */

/**
 * Which layer may import which. A layer is a folder below lib/, a file directly in lib/, or a
 * folder at the top. It sees itself and what is listed for it, nothing else; a folder or a file of
 * lib/ that is not listed is an error. `packages` lists the npm packages and node: modules that it
 * may use. scripts/eslint-layers.js checks it; test/lint/layers.test.ts shows what it refuses.
 */
const library = {
  caller: { folders: ["partitions.ts"], packages: [] },
  grants: {
    folders: ["caller", "epoch.ts", "http/wire.ts", "partitions.ts", "voximplant/method-name.ts"],
    packages: ["yaml", "zod", "fastest-levenshtein"],
  },
  keys: { folders: ["epoch.ts"], packages: ["node:crypto", "zod", "@aws-sdk"] },
  token: { folders: ["epoch.ts", "http/wire.ts", "keys"], packages: ["jose", "node:crypto"] },
  http: {
    folders: ["caller", "grants", "token", "outcome.ts", "voximplant/method-name.ts"],
    packages: ["zod"],
  },
  audit: { folders: ["caller", "epoch.ts", "grants", "http", "keys", "token", "outcome.ts"], packages: [] },
  voximplant: { folders: ["epoch.ts"], packages: ["zod"] },
  "key-lifecycle": {
    folders: ["audit", "epoch.ts", "grants", "keys", "token", "voximplant"],
    packages: ["*"],
  },
  // Siblings: neither imports the other.
  rotation: {
    folders: ["audit", "epoch.ts", "grants", "key-lifecycle", "keys", "voximplant"],
    packages: ["*"],
  },
  reconciliation: {
    folders: ["audit", "epoch.ts", "grants", "key-lifecycle", "keys", "voximplant"],
    packages: ["*"],
  },
  "configuration.ts": {
    folders: ["environment.ts", "partitions.ts", "voximplant/api-url.ts"],
    packages: ["zod"],
  },
  "epoch.ts": { folders: [], packages: [] },
  "environment.ts": { folders: [], packages: ["node:path"] },
  "partitions.ts": { folders: [], packages: [] },
  "outcome.ts": { folders: ["caller", "grants", "keys", "token", "voximplant"], packages: [] },
  "request-handler.ts": {
    folders: ["audit", "caller", "epoch.ts", "grants", "http", "keys", "outcome.ts"],
    packages: [],
  },
  "vend.ts": {
    folders: ["audit", "caller", "grants", "http", "outcome.ts", "request-handler.ts", "token"],
    packages: [],
  },
  "call.ts": {
    folders: [
      "audit",
      "caller",
      "grants",
      "http",
      "keys",
      "outcome.ts",
      "request-handler.ts",
      "token",
      "voximplant",
    ],
    packages: [],
  },
  // Callers install these. From the server, they may import only the wire contract.
  client: {
    folders: ["package.json", "environment.ts", "http/wire.ts", "partitions.ts", "voximplant"],
    packages: ["*"],
  },
  serve: { folders: ["client", "http/wire.ts", "voximplant"], packages: ["*"] },
  cli: {
    folders: ["package.json", "client", "environment.ts", "http/wire.ts", "serve", "voximplant"],
    packages: ["*"],
  },
  // `voxtoken admin`, which may import the server.
  operator: {
    folders: [
      "caller",
      "cli",
      "client/credentials.ts",
      "configuration.ts",
      "environment.ts",
      "grants",
      "http/wire.ts",
      "key-lifecycle",
      "keys",
      "outcome.ts",
      "reconciliation",
      "voximplant",
    ],
    packages: ["*"],
  },
};

/** The folders at the top. test/, bench/ and scripts/ may import everything. */
const top = {
  bin: {
    folders: ["lib/cli", "lib/environment.ts", "lib/operator", "lib/voximplant/api-url.ts"],
    packages: ["*"],
  },
  functions: { folders: ["grants.yml", "lib"], packages: ["*"] },
  infra: { folders: ["lib", "scripts"], packages: ["*"] },
  // Not infra/: the stand-ins must find faults of the template, so they share nothing with it.
  local: { folders: ["lib", "scripts"], packages: ["*"] },
};

const layers = {
  ...Object.fromEntries(Object.entries(library).map(([name, layer]) => [`lib/${name}`, layer])),
  ...top,
};

const pureFolders = ["lib/caller/", "lib/grants/"];

export default defineConfig(
  { ignores: ["dist/", "coverage/", "reports/", ".serverless/", ".local/", ".stryker-tmp/", "examples/"] },
  { files: ["**/*.ts"], languageOptions: { parser } },
  {
    files: ["**/*.{ts,js,mjs,cjs}"],
    plugins: { layers: layerPlugin },
    rules: {
      "layers/imports": ["error", layers],
      // Comments end at 100 columns, except rows of tables. Prettier wraps the code.
      "max-len": [
        "error",
        { code: 1000, comments: 100, ignoreUrls: true, ignorePattern: "oxlint-disable|^ *\\* \\|" },
      ],
    },
  },
  {
    files: pureFolders.map((folder) => `${folder}**/*.ts`),
    rules: { "layers/pure": "error" },
  },
  {
    // The environment is read in functions/, the CLI's entry and local/; below that, configuration
    // is a parameter.
    files: ["lib/**/*.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        { object: "process", property: "env", message: "Take configuration as a parameter." },
      ],
    },
  },
  {
    files: ["lib/**/*.ts", "local/settings.ts"],
    ignores: ["lib/environment.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        ...[
          "MemberExpression[object.name=/^env(ironment)?$/]",
          "MemberExpression[object.property.name='env']",
          "VariableDeclarator[id.type='ObjectPattern'][init.name=/^env(ironment)?$/]",
          "VariableDeclarator[id.type='ObjectPattern'][init.property.name='env']",
        ].map((selector) => ({
          selector,
          message: "An empty variable counts as absent: use readVariable or readPath of lib/environment.ts.",
        })),
      ],
    },
  },
);
