// Bundles the core for the static host: one script for the program and one for each command, so that a command loads only
// what it needs. Each is an expression whose value is its exports; native/engine/build.rs compiles it to bytecode.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

const OUT = "build/scripts";
const COMMANDS = "src/cli/commands";

const commands = readdirSync(COMMANDS).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

const { outputFiles } = await build({
  entryPoints: {
    main: "src/host/embedded.ts",
    careful: "src/runtime/careful.ts",
    ...Object.fromEntries(commands.map((name) => [`command-${basename(name, ".ts")}`, join(COMMANDS, name)])),
  },
  outdir: OUT,
  write: false,
  bundle: true,
  format: "cjs",
  target: "es2022",
  platform: "neutral",
  mainFields: ["module", "main"],
  minifySyntax: true,
  legalComments: "none",
  define: { TSRUNC_VERSION: JSON.stringify(version), TSRUNC_COMMIT: JSON.stringify(commit()) },
  banner: { js: "(() => { const module = { exports: {} };" },
  footer: { js: "return module.exports; })()" },
  logLevel: "warning",
});

// A file that did not change keeps its time, and cargo has nothing to do.
mkdirSync(OUT, { recursive: true });
const made = new Set(outputFiles.map(({ path }) => basename(path)));
for (const name of readdirSync(OUT)) if (!made.has(name)) rmSync(join(OUT, name));
for (const { path, text } of outputFiles) {
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

/** The commit that is checked out, marked when the tree has changes; `unknown` outside of git. */
function commit() {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
