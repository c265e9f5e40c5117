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
 * may use. A `pure` layer has no clock, no randomness, no process and no state.
 *
 * A single file that a layer lists is a layer too, with an entry of its own. Otherwise that file
 * could re-export what only its folder may import.
 *
 * scripts/eslint-layers.js checks it; test/lint/layers.test.ts shows what it refuses.
 */
const library = {
  caller: { folders: ["partitions.ts"], packages: [], pure: true },
  grants: {
    folders: ["caller", "epoch.ts", "http/wire.ts", "partitions.ts", "voximplant/method-name.ts"],
    packages: ["yaml", "zod", "fastest-levenshtein"],
    pure: true,
  },
  keys: { folders: ["epoch.ts"], packages: ["node:crypto", "zod", "@aws-sdk"] },
  token: { folders: ["epoch.ts", "keys"], packages: ["jose", "node:crypto"] },
  "token/claims.ts": { folders: ["epoch.ts", "http/wire.ts"], packages: [], pure: true },
  http: {
    folders: ["caller", "grants", "token", "outcome.ts", "voximplant/method-name.ts"],
    packages: ["zod"],
  },
  "http/wire.ts": { folders: [], packages: [], pure: true },
  audit: { folders: ["caller", "epoch.ts", "grants", "http", "keys", "token", "outcome.ts"], packages: [] },
  voximplant: { folders: ["epoch.ts"], packages: ["zod"] },
  "voximplant/api-url.ts": { folders: [], packages: [] },
  "voximplant/method-name.ts": { folders: [], packages: [], pure: true },
  "key-lifecycle": {
    folders: ["audit", "epoch.ts", "grants", "keys", "token", "voximplant"],
    packages: ["*"],
  },
  // rotation and reconciliation are siblings: neither imports the other.
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
  "epoch.ts": { folders: [], packages: [], pure: true },
  "environment.ts": { folders: [], packages: ["node:path"] },
  "partitions.ts": { folders: [], packages: [], pure: true },
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
  "client/credentials.ts": {
    folders: ["client/errors.ts", "client/sign.ts", "environment.ts"],
    packages: ["@aws-sdk", "@smithy", "node:util"],
  },
  "client/errors.ts": { folders: ["http/wire.ts"], packages: [] },
  "client/sign.ts": { folders: [], packages: ["@smithy"] },
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

/** The folders at the top. test/, bench/ and the other files of scripts/ may import everything. */
const top = {
  bin: {
    folders: ["lib/cli", "lib/environment.ts", "lib/operator", "lib/voximplant/api-url.ts"],
    packages: ["*"],
  },
  functions: { folders: ["grants.yml", "lib"], packages: ["*"] },
  infra: { folders: ["lib", "scripts/load-policy.ts", "scripts/package-bundles.ts"], packages: ["*"] },
  // Not infra/: the stand-ins must find faults of the template, so they share nothing with it.
  local: { folders: ["lib", "scripts/bundle.ts", "scripts/load-policy.ts"], packages: ["*"] },
  "scripts/bundle.ts": { folders: ["lib/grants", "scripts/bundled-packages.ts"], packages: ["*"] },
  "scripts/bundled-packages.ts": { folders: [], packages: ["*"] },
  "scripts/load-policy.ts": { folders: ["lib"], packages: ["*"] },
  "scripts/package-bundles.ts": {
    folders: ["scripts/bundle.ts", "scripts/bundled-packages.ts", "scripts/load-policy.ts"],
    packages: ["*"],
  },
};

const layers = {
  ...Object.fromEntries(Object.entries(library).map(([name, layer]) => [`lib/${name}`, layer])),
  ...top,
};

export default defineConfig(
  { ignores: ["dist/", "coverage/", "reports/", ".serverless/", ".local/", ".stryker-tmp/", "examples/"] },
  // A comment in a file must not turn off a rule of the repository.
  { linterOptions: { noInlineConfig: true } },
  { files: ["**/*.{ts,mts,cts,tsx}"], languageOptions: { parser } },
  {
    files: ["**/*.{ts,mts,cts,tsx,js,mjs,cjs,jsx}"],
    plugins: { layers: layerPlugin },
    rules: {
      "layers/imports": ["error", layers],
      "layers/pure": ["error", layers],
      // Comments end at 100 columns, except rows of tables. Prettier wraps the code.
      "max-len": [
        "error",
        { code: 1000, comments: 100, ignoreUrls: true, ignorePattern: "oxlint-disable|^ *\\* \\|" },
      ],
    },
  },
  {
    // The environment is read in functions/, the CLI's entry and local/. All code in lib/ takes its
    // configuration as a parameter.
    files: ["lib/**"],
    rules: {
      "no-restricted-properties": [
        "error",
        ...[
          ["process", "env"],
          ["globalThis", "process"],
          ["global", "process"],
        ].map(([object, property]) => ({ object, property, message: "Take configuration as a parameter." })),
      ],
      "no-restricted-imports": [
        "error",
        ...["process", "node:process"].map((name) => ({
          name,
          message: "Take configuration as a parameter.",
        })),
      ],
    },
  },
  {
    files: ["{bin,functions,infra,lib,local}/**"],
    ignores: ["lib/environment.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        ...[
          "MemberExpression[object.name=/^env(ironment)?$/]:not(AssignmentExpression > .left)",
          "MemberExpression[object.property.name='env']:not(AssignmentExpression > .left)",
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
