import { dirname, relative, resolve, sep } from "node:path";

/**
 * The rules behind the table of layers in eslint.config.js. They look at each way to import:
 * `import`, `export … from`, `import()`, the type `import("…")`, `require`, `import x = require`
 * and `declare module`, types included. What loads a module by another way is an error.
 *
 * A layer is a folder (`lib/grants`, `local`), one file directly in lib/ (`lib/vend.ts`), or a
 * file with its own entry (`lib/http/wire.ts`). A name in `folders` is the path of a folder, or of
 * a file if it has an extension. A layer of lib/ names the paths below lib/ without `lib/`.
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
    const layer = layerOf(file, table);
    const entry = table[layer];
    if (entry === undefined) {
      // A folder at the top that the table does not name (test/, scripts/) may import everything.
      if (!layer.startsWith("lib/")) return {};
      return { Program: (node) => context.report({ node, messageId: "unlisted", data: { layer } }) };
    }

    const refuse = (node) => {
      // Only local/ loads what has no fixed place: the built functions.
      if (layer !== "local") context.report({ node, messageId: "computed" });
    };
    const check = (node) => {
      const specifier = textOf(node);
      // node:module has createRequire(), whose calls cannot be told from those of other functions.
      if (specifier === undefined || /^(?:node:)?module$/.test(specifier)) {
        refuse(node);
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
      if (isBelow(target, layer)) return;
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
      "TSModuleDeclaration[id.type='Literal']": ({ id }) => check(id),
      "Identifier[name='require']": (node) => {
        const { parent } = node;
        if (parent.type === "CallExpression" && parent.callee === node) check(parent.arguments[0]);
        else refuse(node);
      },
      "Identifier[name='getBuiltinModule']": refuse,
      // In `new URL("…", import.meta.url)`, it gives a worker the path of any file.
      "MetaProperty[meta.name='import']": (node) => layer.startsWith("lib/") && refuse(node),
    };
  },
};

/** The globals that are allowed in a pure layer, and in which uses. */
const allowed = {
  ...Object.fromEntries(
    [
      ...["Array", "Boolean", "Error", "Infinity", "JSON", "Map", "NaN", "Number", "Object", "RegExp"],
      ...["Set", "String", "undefined"],
    ].map((name) => [name, () => true]),
  ),
  Date: (use) =>
    (use.type === "NewExpression" && use.arguments.length > 0 && use.arguments[0].type !== "SpreadElement") ||
    isMember(use, (name) => name === "UTC" || name === "parse") ||
    (use.type === "BinaryExpression" && use.operator === "instanceof"),
  Math: (use) => isMember(use, (name) => name !== "random"),
};

/** Methods whose result depends on the machine's language or time zone. */
const LOCAL_METHODS = /^(?:toLocale\w*|localeCompare|get(?:Date|Day|FullYear|Hours|Month|TimezoneOffset))$/;

/** No clock, no randomness, no process, no state: the same data always gives the same value. */
const pure = {
  meta: {
    type: "problem",
    schema: [{ type: "object" }],
    messages: {
      impure: "{{layer}} is pure: plain data in, a value out. Take as a parameter what {{name}} would give.",
      state: "{{layer}} is pure: {{name}} would keep state between calls. Use a const, typed read-only.",
    },
  },
  create(context) {
    const table = context.options[0];
    const layer = layerOf(pathFrom(context.cwd, context.filename), table);
    if (table[layer]?.pure !== true) return {};

    const report = (node, name) => context.report({ node, messageId: "impure", data: { layer, name } });
    return {
      "Program:exit": (node) => {
        const scope = context.sourceCode.getScope(node);
        const undeclared = scope.variables.filter(({ defs }) => defs.length === 0);
        const references = [...scope.through, ...undeclared.flatMap(({ references }) => references)];
        for (const { identifier, isValueReference } of references) {
          const { name, parent } = identifier;
          if (isValueReference === false) continue;
          if (Object.hasOwn(allowed, name) && allowed[name](parent)) continue;
          report(identifier, name);
        }
      },
      "MemberExpression > Identifier.property": (node) => {
        if (LOCAL_METHODS.test(node.name)) report(node, node.name);
      },
      VariableDeclarator: (node) => {
        const isOfModule = context.sourceCode.getScope(node).variableScope.type === "module";
        if (!isOfModule || (node.parent.kind === "const" && !isMutable(node))) return;
        const { name = "a pattern" } = node.id;
        context.report({ node, messageId: "state", data: { layer, name } });
      },
    };
  },
};

/** A Map, a Set, or an empty literal to be filled, whose type lets it change. */
function isMutable({ id, init }) {
  const type = id.typeAnnotation?.typeAnnotation;
  if (/^Readonly/.test(type?.typeName?.name) || type?.operator === "readonly") return false;
  if (init?.type === "NewExpression") return /^(?:Map|Set)$/.test(init.callee.name);
  return (init?.properties ?? init?.elements)?.length === 0;
}

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
 * The layer of a file: the file itself if it has an entry or is directly in lib/, else its folder
 * (`lib/grants`, `local`).
 */
function layerOf(path, table) {
  if (Object.hasOwn(table, path)) return path;
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
