import { dirname, relative, resolve, sep } from "node:path";

/**
 * The rules behind the table of layers in eslint.config.js. They look at each way to import:
 * `import`, `export … from`, `import()`, the type `import("…")`, `require` and `import x =
 * require`, types included.
 *
 * A layer is a folder (`lib/grants`, `local`) or one file directly in lib/ (`lib/vend.ts`). An
 * entry of the table is a folder, or a file where it has an extension; below lib/ it stands without
 * `lib/`.
 */
const imports = {
  meta: {
    type: "problem",
    schema: [{ type: "object" }],
    messages: {
      unlisted: "{{layer}} is not in the table of layers. List in eslint.config.js what it may import.",
      folder: "{{layer}} must not import {{target}}. It may import {{allowed}}. See eslint.config.js.",
      package: "{{layer}} must not use the package {{target}}. It may use {{allowed}}. See eslint.config.js.",
      computed: "The path of an import must be written out, so that eslint.config.js can check it.",
    },
  },
  create(context) {
    const table = context.options[0];
    const root = context.cwd;
    const file = pathFrom(root, context.filename);
    const layer = layerOf(file);
    const entry = table[layer];
    if (entry === undefined) {
      // A folder at the top that the table does not name (test/, scripts/) may import everything.
      if (!layer.startsWith("lib/")) return {};
      return { Program: (node) => context.report({ node, messageId: "unlisted", data: { layer } }) };
    }

    const check = (node) => {
      const specifier = textOf(node);
      if (specifier === undefined) {
        // Only local/ loads what has no fixed place: the built functions.
        if (layer !== "local") context.report({ node, messageId: "computed" });
      } else if (specifier.startsWith(".")) {
        checkFile(node, specifier);
      } else if (
        isOwnName(specifier) ||
        !entry.packages.some((name) => name === "*" || isBelow(specifier, name))
      ) {
        report(node, "package", specifier, entry.packages, "no package");
      }
    };
    const checkFile = (node, specifier) => {
      const target = pathFrom(root, resolve(dirname(context.filename), specifier));
      if (layerOf(target) === layer) return;
      if (entry.folders.some((name) => isBelow(target, name) || isBelow(target, `lib/${name}`))) return;
      report(node, "folder", target, entry.folders, "nothing else of this repository");
    };
    const report = (node, messageId, target, names, none) => {
      context.report({ node, messageId, data: { layer, target, allowed: names.join(", ") || none } });
    };
    return {
      ImportDeclaration: ({ source }) => check(source),
      ExportNamedDeclaration: ({ source }) => source && check(source),
      ExportAllDeclaration: ({ source }) => check(source),
      ImportExpression: ({ source }) => check(source),
      TSImportType: ({ source }) => check(source),
      TSExternalModuleReference: ({ expression }) => check(expression),
      "CallExpression[callee.name='require']": ({ arguments: [argument] }) => check(argument),
    };
  },
};

/** The uses of a global that are allowed in a pure folder. Undefined: none. */
const harmless = {
  Date: (use) =>
    (use.type === "NewExpression" && use.arguments.length > 0) ||
    isMember(use, (name) => name === "UTC" || name === "parse") ||
    (use.type === "BinaryExpression" && use.operator === "instanceof"),
  Math: (use) => isMember(use, (name) => name !== "random"),
  ...Object.fromEntries(
    [
      ...["crypto", "fetch", "global", "globalThis", "performance", "process", "queueMicrotask", "require"],
      ...["setImmediate", "setInterval", "setTimeout", "Temporal"],
    ].map((name) => [name, undefined]),
  ),
};

/** No clock, no randomness, no process: given the same data, a pure folder gives the same value. */
const pure = {
  meta: {
    type: "problem",
    schema: [],
    messages: {
      impure: "{{layer}} is pure: plain data in, a value out. Take what {{name}} would give as a parameter.",
    },
  },
  create(context) {
    const layer = layerOf(pathFrom(context.cwd, context.filename));
    return {
      "Program:exit": (node) => {
        const scope = context.sourceCode.getScope(node);
        const undeclared = scope.variables.filter(({ defs }) => defs.length === 0);
        const references = [...scope.through, ...undeclared.flatMap(({ references }) => references)];
        for (const { identifier, isValueReference } of references) {
          const { name, parent } = identifier;
          if (isValueReference === false || !Object.hasOwn(harmless, name)) continue;
          if (harmless[name]?.(parent) === true) continue;
          context.report({ node: identifier, messageId: "impure", data: { layer, name } });
        }
      },
    };
  },
};

function isMember({ type, computed, property }, allows) {
  return type === "MemberExpression" && !computed && allows(property.name);
}

function textOf(node) {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type === "TemplateLiteral" && node.expressions.length === 0) return node.quasis[0].value.cooked;
  return undefined;
}

function pathFrom(root, file) {
  return relative(root, file).split(sep).join("/");
}

/**
 * `lib/grants` of lib/grants/parse.ts, `lib/vend.ts` of itself, `local` of local/gateway/server.ts.
 */
function layerOf(path) {
  const [top = "", below] = path.split("/");
  return top === "lib" ? `lib/${below}` : top;
}

function isBelow(path, name) {
  return path === name || path.startsWith(`${name}/`);
}

/** An import of this package by its own name would avoid every other rule. */
function isOwnName(specifier) {
  return isBelow(specifier, "voxtoken") || specifier.startsWith("#");
}

export const layerPlugin = { rules: { imports, pure } };
