// Bundles the TypeScript core for each host:
//
//   bundle.mjs static   build/scripts/*.js     the program for QuickJS (native/engine)
//   bundle.mjs node     build/sea/program.js   the program for the single executable (scripts/build-sea)
//   bundle.mjs lib      build/lib/*.js         the npm library

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** @type {import("esbuild").BuildOptions} */
const common = {
  bundle: true,
  write: false,
  minifySyntax: true,
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
  define: { TSRUNC_VERSION: JSON.stringify(version), TSRUNC_COMMIT: JSON.stringify(commit()) },
};

/** Each bundle is an expression whose value is the exports of its entry point. */
async function bundleStatic() {
  const { outputFiles } = await build({
    ...common,
    // The core has what most calls need. The other bundles are loaded on demand: rare commands, and the `LazyParts` of src/door.ts.
    entryPoints: {
      core: "src/hosts/embedded.ts",
      "late-commands": "src/cli/late-commands.ts",
      careful: "src/runtime/careful.ts",
      rare: "src/runtime/rare.ts",
      seccomp: "src/runtime/plan/seccomp.ts",
      warnings: "src/runtime/warnings.ts",
      systemd: "src/runtime/plan/systemd.ts",
    },
    outdir: "build/scripts",
    // Smaller bytecode loads faster.
    minify: true,
    format: "cjs",
    platform: "neutral",
    mainFields: ["module", "main"],
    banner: { js: "(() => { const module = { exports: {} };" },
    footer: { js: "return module.exports; })()" },
  });
  // scripts/build embeds every script in this folder, so remove stale ones.
  const made = new Set(outputFiles.map(({ path }) => basename(path)));
  if (existsSync("build/scripts")) {
    for (const name of readdirSync("build/scripts")) if (name.endsWith(".js") && !made.has(name)) rmSync(`build/scripts/${name}`);
  }
  return outputFiles;
}

async function bundleNode() {
  const { outputFiles } = await build({
    ...common,
    entryPoints: ["src/hosts/node-program.ts"],
    outfile: "build/sea/program.js",
    format: "cjs",
    platform: "node",
    alias: { "@yuuang/ffi-rs-linux-x64-gnu": "./src/hosts/node-addon.ts" },
    // ffi-rs's packages for other platforms: never loaded.
    external: ["@yuuang/*", "./ffi-rs.*.node"],
    // ffi-rs makes a diagnostic report to find out whether the C library is musl, which takes 3 ms. This Node is linked to glibc.
    define: { ...common.define, "process.report": "GLIBC" },
    banner: { js: 'const GLIBC = { getReport: () => ({ header: { glibcVersionRuntime: "2" } }) };' },
  });
  return outputFiles;
}

async function bundleLibrary() {
  const { outputFiles } = await build({
    ...common,
    entryPoints: ["src/hosts/library.ts"],
    outfile: "build/lib/hosts/library.js",
    format: "esm",
    platform: "node",
    packages: "external",
  });
  return outputFiles;
}

/** The current commit, with `-dirty` if the tree has changes; `unknown` outside of git. */
function commit() {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

const targets = { static: bundleStatic, node: bundleNode, lib: bundleLibrary };
const bundle = targets[process.argv[2]];
if (!bundle) {
  console.error(`usage: scripts/bundle.mjs ${Object.keys(targets).join("|")}`);
  process.exit(1);
}
for (const { path, text } of await bundle()) {
  mkdirSync(dirname(path), { recursive: true });
  // Keep the timestamp of an unchanged file, so that its dependents are not rebuilt.
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}
