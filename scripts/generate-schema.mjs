#!/usr/bin/env node
// Generates src/runtime/spec/generated/ from the OCI JSON schemas in schema/.
//
//   scripts/generate-schema.mjs           writes everything
//   scripts/generate-schema.mjs --check   writes nothing; exit status 1 names each file that is not up to date
//
// | file                       | in git | what it is                                                               |
// |----------------------------|--------|--------------------------------------------------------------------------|
// | spec-types.ts              | yes    | the TypeScript types of config.json                                      |
// | validate-config-fast.js    | no     | only whether the file is valid: every create and run loads it, so small  |
// | validate-config-report.js  | no     | all faults; loaded only if the fast one rejects the file                 |
// | validate-{features,state}-report.js | no | all faults of the documents that tsrunc prints; for tests           |
// | validate-*.d.ts            | no     | the types of the validators                                              |
//
// The validators are ajv's standalone code as ES modules without imports. Since they are not in git, `--check` skips
// those that have not been built.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import AjvDraft04 from "ajv-draft-04";
import ajvStandalone from "ajv/dist/standalone/index.js";
import * as esbuild from "esbuild";
import { compile as compileTypes } from "json-schema-to-typescript";
import * as prettier from "prettier";
import ts from "typescript";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
const schemaDirectory = join(repository, "schema");
const outputDirectory = join(repository, "src/runtime/spec/generated");
const otherPlatforms = ["solaris", "windows", "vm", "zos", "freebsd"];

// --- the schema, as one document -----------------------------------------------------------------

/** Prefixes for definitions of other platforms whose names clash with those of Linux. */
const prefixes = { "defs-freebsd.json": "FreeBSD", "defs-windows.json": "Windows", "defs-zos.json": "ZOS" };

/** Names for the platforms' top-level definitions, in the style of the specification's Go types. */
const platformNames = { linux: "Linux", solaris: "Solaris", windows: "Windows", vm: "VM", zos: "ZOS", freebsd: "FreeBSD" };

const readSchema = (file) => JSON.parse(readFileSync(join(schemaDirectory, file), "utf8"));

/**
 * Reads a schema and everything it refers to into one document with `#/definitions/Name` references, so that
 * ajv compiles each definition once and the generated types get the names of the definitions.
 */
function bundleSchema(entry) {
  const definitions = {};
  const origins = new Map();

  const nameOf = (file, pointer) => {
    const last = pointer.split("/").at(-1);
    return platformNames[last] ?? (prefixes[file] ?? "") + last;
  };

  const resolveReference = (file, reference) => {
    const [otherFile, fragment] = reference.split("#");
    const target = otherFile || file;
    // defs.json (1.3.0) has one "#definitions/uint32" without the slash.
    const pointer = fragment.startsWith("/") ? fragment : `/${fragment}`;
    const schema = pointer
      .slice(1)
      .split("/")
      .reduce((node, key) => node[key], readSchema(target));
    if (schema === undefined) throw new Error(`resolve "${reference}" in "${file}": no such definition`);
    // Resolve aliases such as Env -> ArrayOfStrings: each would cost a validation function.
    if (schema.$ref !== undefined && schema.properties === undefined) return resolveReference(target, schema.$ref);
    const name = nameOf(target, pointer);
    const origin = `${target}#${pointer}`;
    if ((origins.get(name) ?? origin) !== origin) throw new Error(`name "${origin}" "${name}": taken by "${origins.get(name)}"`);
    if (!origins.has(name)) {
      origins.set(name, origin); // before the visit, because definitions can be recursive
      definitions[name] = visit(target, schema);
    }
    return name;
  };

  const visit = (file, node) => {
    if (Array.isArray(node)) return node.map((item) => visit(file, item));
    if (node === null || typeof node !== "object") return node;
    // Replace `anyOf` by its only branch, for one error instead of two.
    if (node.anyOf?.length === 1) return visit(file, node.anyOf[0]);
    if (typeof node.$ref === "string") return { $ref: `#/definitions/${resolveReference(file, node.$ref)}` };
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, visit(file, value)]));
  };

  const { $schema: _schema, description: _description, ...root } = readSchema(entry);
  return { ...visit(entry, root), definitions };
}

/** Changes the schema where this runtime must accept more, or where an equivalent form is shorter. */
function amend(schema) {
  const { definitions } = schema;
  // containerd's CRI plugin writes "rslave" and "rshared", moby "rprivate"; every runtime accepts them.
  definitions.RootfsPropagation?.enum.push("rprivate", "rshared", "rslave", "runbindable");
  // podman writes a device's complete st_mode; rules/devices.ts checks its upper bits.
  if (definitions.FileMode) definitions.FileMode.maximum = 0o177777;
  // patternProperties ".{1,}" excludes only the empty key; in the specification the type is a map of strings.
  if (definitions.mapStringString) {
    definitions.mapStringString = { type: "object", additionalProperties: { type: "string" } };
  }
  return schema;
}

/** Removes seccomp from the fast validator: the careful one checks each profile the first time, and later runs use the cached result. */
function withoutSeccomp(schema) {
  const { properties } = schema.definitions.Linux;
  if (properties.seccomp === undefined) throw new Error("remove seccomp: the schema has it elsewhere");
  delete properties.seccomp;
  return schema;
}

/** Rejects the sections of other platforms without a look at their contents: tsrunc refuses such a configuration anyway. */
function rejectOtherPlatforms(schema) {
  for (const platform of otherPlatforms) schema.properties[platform] = { not: {} };
  return schema;
}

// --- validators ----------------------------------------------------------------------------------

/** Returns ajv's standalone code for a schema, which reports every fault without message texts. Draft 4's loose keywords need `strict: false`. */
function reportingCode(schema) {
  const ajv = new AjvDraft04({
    strict: false,
    allErrors: true,
    messages: false,
    unicodeRegExp: false,
    strictNumbers: true, // 1e999 parses to Infinity
    inlineRefs: false, // makes the smallest fast validator, as measured
    logger: false,
    code: { source: true, esm: true, optimize: 2 },
  });
  const standalone = ajvStandalone.default ?? ajvStandalone;
  return standalone(ajv, ajv.compile(schema));
}

/**
 * Turns reporting code into code that returns false at the first fault and builds no error object.
 * With `allErrors`, ajv counts each fault by `errors++` (or adds a callee's count) and continues. This replaces the count by `return false`
 * and removes the code that builds the report. If ajv generates another pattern, one of its variables stays, and `assertNoReport` throws.
 */
function withoutReport(code) {
  const bookkeeping = new Set(["vErrors", "errors", "instancePath", "rootData", "parentData", "parentDataProperty"]);
  const isBookkeeping = (node) => node !== undefined && ts.isIdentifier(node) && (bookkeeping.has(node.text) || /^err\d+$/.test(node.text));
  const isErrorsProperty = (node) => ts.isPropertyAccessExpression(node) && node.name.text === "errors";
  const { factory } = ts;

  const statement = (node) => {
    if (ts.isVariableStatement(node)) {
      const kept = node.declarationList.declarations.filter((declaration) => !isBookkeeping(declaration.name));
      return kept.length === 0 ? undefined : node;
    }
    if (ts.isIfStatement(node) && ts.isBinaryExpression(node.expression) && isBookkeeping(node.expression.left)) return undefined;
    if (ts.isReturnStatement(node) && node.expression && ts.isBinaryExpression(node.expression) && isBookkeeping(node.expression.left)) {
      return factory.createReturnStatement(factory.createTrue());
    }
    if (!ts.isExpressionStatement(node)) return node;
    const { expression } = node;
    if (ts.isPostfixUnaryExpression(expression) && isBookkeeping(expression.operand))
      return factory.createReturnStatement(factory.createFalse());
    if (!ts.isBinaryExpression(expression)) return node;
    if (isErrorsProperty(expression.left)) return undefined;
    if (!isBookkeeping(expression.left)) return node;
    return expression.left.text === "errors" ? factory.createReturnStatement(factory.createFalse()) : undefined;
  };

  const transformer = (context) => {
    const visit = (node) => {
      const replaced = ts.isStatement(node) ? statement(node) : node;
      if (replaced === undefined) return undefined;
      if (ts.isFunctionDeclaration(replaced)) {
        const { modifiers, name, parameters, body } = replaced;
        return factory.createFunctionDeclaration(
          modifiers,
          undefined,
          name,
          undefined,
          parameters.slice(0, 1),
          undefined,
          ts.visitNode(body, visit),
        );
      }
      if (ts.isCallExpression(replaced) && ts.isIdentifier(replaced.expression) && /^validate\d+$/.test(replaced.expression.text)) {
        return factory.createCallExpression(replaced.expression, undefined, [ts.visitNode(replaced.arguments[0], visit)]);
      }
      // A literal is shorter than the constructor call.
      if (ts.isNewExpression(replaced) && replaced.expression.getText?.() === "RegExp") {
        return factory.createRegularExpressionLiteral(new RegExp(replaced.arguments[0].text).toString());
      }
      return ts.visitEachChild(replaced, visit, context);
    };
    return (file) => ts.visitEachChild(file, visit, context);
  };

  const file = ts.createSourceFile("validate.js", code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  const { transformed } = ts.transform(file, [transformer]);
  return ts.createPrinter({ removeComments: true }).printFile(transformed[0]);
}

function assertNoReport(code) {
  const left = /\b(v?[eE]rrors|instancePath|rootData|parentData\w*|err\d+|_errs\d*|RegExp)\b/.exec(code);
  if (left !== null) throw new Error(`strip the report from ajv's code: found "${left[0]}": the schema has a new kind of keyword`);
  return code;
}

/**
 * Replaces the type tests that ajv writes out in full by calls of a helper, which saves an eighth of the size. Also rejects integers that a
 * double cannot hold exactly, so that the careful validator reads such a configuration again.
 */
function shortenTypeTests(code) {
  const helper = 'function isObject(data) {\n    return data !== null && typeof data == "object" && !Array.isArray(data);\n}\n';
  const short =
    helper +
    code
      .replace(/(\w+) && typeof \1 == "object" && !Array\.isArray\(\1\)/g, "isObject($1)")
      .replace(/\(\(typeof (\w+) == "number"\) && \(!\(\1 % 1\) && !isNaN\(\1\)\)\) && \(isFinite\(\1\)\)/g, "Number.isSafeInteger($1)")
      // The integer test always precedes the bounds, because the schema has no other numbers (`assertIntegersOnly`).
      .replace(/\(typeof (\w+) == "number"\) && \(isFinite\(\1\)\)/g, "true")
      .replace(/ \|\| isNaN\(\w+\)/g, "");
  if (/isNaN|isFinite|% 1/.test(short)) throw new Error("shorten type tests: ajv generates another form");
  return short;
}

function assertIntegersOnly(schema) {
  if (JSON.stringify(schema).includes('"type":"number"'))
    throw new Error("shorten number tests: the schema has a number that is not an integer");
  return schema;
}

/** Merges equal functions: ajv compiles a definition again for each schema resource that refers to it. */
function mergeEqualFunctions(code) {
  for (;;) {
    const known = new Map();
    const same = new Map();
    const pieces = code.split(/^(?=function validate\d+\()/m);
    const kept = pieces.filter((piece) => {
      const [, name, rest] = /^function (validate\d+)(\([\s\S]*?^\}$)/m.exec(piece) ?? [];
      if (name === undefined) return true;
      if (!known.has(rest)) {
        known.set(rest, name);
        return true;
      }
      same.set(name, known.get(rest));
      return piece.slice(piece.indexOf(rest) + rest.length).trim() !== "";
    });
    if (same.size === 0) return code;
    code = kept.join("").replace(/\bvalidate\d+\b/g, (name) => same.get(name) ?? name);
  }
}

async function minify(code) {
  const result = await esbuild.build({
    stdin: { contents: code, resolveDir: repository },
    bundle: true, // includes the parts of ajv's run-time library that the code requires
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    legalComments: "none",
    logLevel: "error",
  });
  const text = result.outputFiles[0].text;
  if (/\bimport\b|\brequire\(/.test(text)) throw new Error("bundle a validator: an import is left");
  return text;
}

// ajv exports the function twice; keep only the default export.
const defaultExportOnly = (code) => code.replace("export const validate = ", "const validate = ");

const buildReport = async (entry) => minify(defaultExportOnly(reportingCode(amend(bundleSchema(entry)))));

async function buildFast(entry) {
  const schema = assertIntegersOnly(withoutSeccomp(rejectOtherPlatforms(amend(bundleSchema(entry)))));
  return minify(assertNoReport(mergeEqualFunctions(shortenTypeTests(withoutReport(defaultExportOnly(reportingCode(schema)))))));
}

// --- types ---------------------------------------------------------------------------------------

/** Type names for objects that the schema defines inline: pointer -> name. */
const namedObjects = {
  "properties/root": "Root",
  "properties/hooks": "Hooks",
  "properties/process": "Process",
  "properties/process/properties/user": "User",
  "properties/process/properties/consoleSize": "ConsoleSize",
  "properties/process/properties/capabilities": "Capabilities",
  "properties/process/properties/rlimits/items": "Rlimit",
  "definitions/Linux/properties/resources": "Resources",
  "definitions/Linux/properties/resources/properties/memory": "MemoryResources",
  "definitions/Linux/properties/resources/properties/cpu": "CpuResources",
  "definitions/Linux/properties/resources/properties/pids": "PidsResources",
  "definitions/Linux/properties/resources/properties/blockIO": "BlockIoResources",
  "definitions/Linux/properties/resources/properties/hugepageLimits/items": "HugepageLimit",
  "definitions/Linux/properties/resources/properties/network": "NetworkResources",
  "definitions/Linux/properties/seccomp": "Seccomp",
};

/** The TypeScript types of scalar definitions; 64-bit integers can be bigint. */
const scalarTypes = { FilePath: "string", ociVersion: "string", mapStringString: "{ [key: string]: string }", FileMode: "number" };
for (const bits of ["int8", "int16", "int32", "uint8", "uint16", "uint32"]) scalarTypes[bits] = "number";
for (const bits of ["int64", "uint64"]) scalarTypes[bits] = "Integer64";

const typesHeader = `// Generated by scripts/generate-schema.mjs from schema/ (OCI runtime-spec VERSION); do not edit.

/**
 * An int64 or uint64 of the configuration: a number where a double holds it exactly, a bigint beyond 2^53.
 * Compare with \`<\` and \`>\` as they are; convert with \`BigInt(value)\` before arithmetic.
 */
export type Integer64 = number | bigint;

`;

async function buildTypes(entry, name) {
  const schema = amend(bundleSchema(entry));
  for (const platform of otherPlatforms)
    schema.properties[platform] = { tsType: "unknown", description: "Another platform's section: refused." };
  for (const [pointer, title] of Object.entries(namedObjects)) {
    const object = pointer.split("/").reduce((node, key) => node?.[key], schema);
    if (object?.type !== "object") throw new Error(`name "${pointer}": no object there`);
    object.title = title;
  }

  const inlineScalars = (node) => {
    if (node === null || typeof node !== "object") return node;
    const scalar = scalarTypes[node.$ref?.replace("#/definitions/", "")];
    if (scalar !== undefined) return { tsType: scalar };
    return Array.isArray(node)
      ? node.map(inlineScalars)
      : Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inlineScalars(value)]));
  };

  const types = await compileTypes(inlineScalars(schema), name, {
    additionalProperties: false, // nothing reads extensions
    bannerComment: "",
    ignoreMinAndMaxItems: true, // no tuple types: the validator checks the lengths
    unreachableDefinitions: false,
    format: false,
  });
  const version = readFileSync(join(schemaDirectory, "VERSION"), "utf8").trim();
  const filepath = join(outputDirectory, "spec-types.ts");
  const style = { printWidth: 140, ...(await prettier.resolveConfig(filepath)) };
  return prettier.format(typesHeader.replace("VERSION", version) + types, { ...style, filepath });
}

const validatorTypes = {
  fast: `/**
 * True where the document fits the schema and has no integer beyond 2^53 (outside of extensions). Builds no report. Does not look at
 * \`linux.seccomp\`.
 * False for what fits but needs a closer look: such integers, and sections of other platforms.
 */
export default function validate(document: unknown): boolean;
`,
  report: `import type { ReportValidator } from "../schema-faults.js";
/** True where the document fits the schema; otherwise \`errors\` holds every fault until the next call. */
declare const validate: ReportValidator;
export default validate;
`,
};

// --- main ----------------------------------------------------------------------------------------

const generatedHeader = "// Generated by scripts/generate-schema.mjs; do not edit.\n";

/** The files to generate, and whether they are in git. */
const outputs = [
  { file: "spec-types.ts", committed: true, build: () => buildTypes("config-schema.json", "Spec") },
  { file: "validate-config-fast.js", committed: false, build: () => buildFast("config-schema.json") },
  { file: "validate-config-fast.d.ts", committed: false, build: () => generatedHeader + validatorTypes.fast },
  ...["config", "features", "state"].flatMap((kind) => [
    { file: `validate-${kind}-report.js`, committed: false, build: () => buildReport(`${kind}-schema.json`) },
    { file: `validate-${kind}-report.d.ts`, committed: false, build: () => generatedHeader + validatorTypes.report },
  ]),
];

async function main(argv) {
  if (argv.some((argument) => argument !== "--check")) throw new Error(`read arguments "${argv.join(" ")}": only --check is known`);
  const check = argv.includes("--check");
  if (!check) mkdirSync(outputDirectory, { recursive: true });
  const stale = [];
  for (const { file, committed, build } of outputs) {
    const path = join(outputDirectory, file);
    if (check && !committed && !existsSync(path)) continue;
    const content = await build();
    if (existsSync(path) && readFileSync(path, "utf8") === content) continue;
    if (check) stale.push(file);
    else writeFileSync(path, content);
  }
  for (const file of stale)
    console.error(`generate-schema: src/runtime/spec/generated/${file} is not up to date: run scripts/generate-schema.mjs`);
  return stale.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
