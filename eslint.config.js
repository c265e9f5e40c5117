import js from "@eslint/js";
import tseslint from "typescript-eslint";

/**
 * Who may import whom, below lib/. A folder sees itself and the folders listed for it, nothing else.
 * `packages` lists the npm packages and node: modules it may use; a pure folder has none.
 */
const layers = {
  caller: { folders: [], packages: [] },
  grants: { folders: ["caller"], packages: ["yaml", "zod", "fastest-levenshtein"] },
  keys: { folders: [], packages: ["node:crypto", "zod", "@aws-sdk"] },
  token: { folders: ["keys"], packages: ["jose", "node:crypto"] },
  http: { folders: ["caller", "grants", "token", "outcome.ts"], packages: ["zod"] },
  audit: { folders: ["caller", "grants", "http", "keys", "token", "outcome.ts"], packages: [] },
  voximplant: { folders: [], packages: ["zod"] },
  "key-lifecycle": { folders: ["audit", "grants", "keys", "token", "voximplant"], packages: ["*"] },
  // Siblings: neither imports the other.
  rotation: { folders: ["audit", "grants", "key-lifecycle", "keys", "voximplant"], packages: ["*"] },
  reconciliation: { folders: ["audit", "grants", "key-lifecycle", "keys", "voximplant"], packages: ["*"] },
  // What callers install: of the server, only the wire contract.
  client: { folders: ["environment.ts", "http/wire.ts", "voximplant"], packages: ["*"] },
  cli: {
    folders: ["../package.json", "client", "environment.ts", "http/wire.ts", "voximplant"],
    packages: ["*"],
  },
  // `voxtoken admin`: the operator's side, which does know the server.
  operator: {
    folders: [
      "caller",
      "cli",
      "configuration.ts",
      "environment.ts",
      "grants",
      "key-lifecycle",
      "keys",
      "reconciliation",
      "voximplant",
    ],
    packages: ["*"],
  },
};

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** `up` leads from a file to lib/: "../", or "../../" where the file stands in a folder of its own. */
const layerRule = (folder, files, up) => {
  const { folders, packages } = layers[folder];
  const allowed = folders.map((name) => (/\.\w+$/.test(name) ? `${escape(name)}$` : `${escape(name)}/`));
  const patterns = [
    {
      regex: `^${escape(up)}${allowed.length > 0 ? `(?!${allowed.join("|")})` : ""}`,
      message: `lib/${folder} may import ${folders.join(", ") || "nothing outside itself"}; see eslint.config.js.`,
    },
  ];
  if (!packages.includes("*")) {
    const names = packages.map((name) => `${escape(name)}(?:$|/)`);
    patterns.push({
      regex: names.length > 0 ? `^(?!\\.|${names.join("|")})` : "^(?!\\.)",
      message: `lib/${folder} may use ${packages.join(", ") || "no package"}; see eslint.config.js.`,
    });
  }
  return { files, rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns }] } };
};

const layerRules = Object.keys(layers).flatMap((folder) => [
  layerRule(folder, [`lib/${folder}/*.ts`], "../"),
  layerRule(folder, [`lib/${folder}/*/*.ts`], "../../"),
]);

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "reports/", ".serverless/", ".local/", ".stryker-tmp/", "examples/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // `import()` types are the only way to name a type inside an ambient module.
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
    },
  },
  ...layerRules,
  {
    // The environment is read in functions/, the CLI's entry and local/; below that, configuration is a parameter.
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
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: { globals: { Buffer: "readonly", console: "readonly", process: "readonly" } },
  },
);
