import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import t from "tap";

/** Returns oxlint's output for a file with this path and text under the project's rules. */
function lint(path: string, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "tsrunc-lint-"));
  try {
    cpSync(".oxlintrc.json", join(directory, ".oxlintrc.json"));
    mkdirSync(join(directory, dirname(path)), { recursive: true });
    writeFileSync(join(directory, path), text);
    return spawnSync(resolve("node_modules/.bin/oxlint"), [path], { cwd: directory, encoding: "utf8" }).stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const CASES: { rule: string; path: string; text: string; says: string }[] = [
  {
    rule: "runtime imports no node:",
    path: "src/runtime/a.ts",
    text: 'import "node:fs";',
    says: "Only src/hosts/node*.ts may import Node.js",
  },
  {
    rule: "runtime imports no ffi-rs",
    path: "src/runtime/a.ts",
    text: 'import "ffi-rs";',
    says: "Only src/hosts/node*.ts may import Node.js",
  },
  { rule: "runtime imports no node: later", path: "src/runtime/a.ts", text: 'await import("node:fs");', says: "Only src/hosts/node*.ts" },
  { rule: "runtime re-exports no node:", path: "src/runtime/a.ts", text: 'export * from "node:fs";', says: "Only src/hosts/node*.ts" },
  { rule: "cli imports no node:", path: "src/cli/a.ts", text: 'import "node:fs";', says: "Only src/hosts/node*.ts may import Node.js" },
  { rule: "the static host imports no node:", path: "src/hosts/embedded.ts", text: 'import "node:fs";', says: "Only src/hosts/node*.ts" },
  { rule: "runtime does not know cli", path: "src/runtime/a.ts", text: 'import "../cli/main.js";', says: "cli -> runtime <- shim" },
  { rule: "cli does not know shim", path: "src/cli/a.ts", text: 'import "../shim/task.js";', says: "cli -> runtime <- shim" },
  { rule: "runtime does not know its host", path: "src/runtime/a.ts", text: 'import "../hosts/node.js";', says: "Only src/hosts knows" },
  { rule: "cli does not know its host", path: "src/cli/a.ts", text: 'import "../hosts/embedded.js";', says: "Only src/hosts knows" },
  {
    rule: "a plan asks nobody",
    path: "src/runtime/plan/a.ts",
    text: 'import { ask } from "../native.js";\nask();',
    says: "This part is pure",
  },
  {
    rule: "a check asks nobody",
    path: "src/runtime/spec/check.ts",
    text: 'import { ask } from "../native.js";\nask();',
    says: "This part is pure",
  },
  {
    rule: "a status asks nobody",
    path: "src/runtime/container/status.ts",
    text: 'import { lock } from "./record.js";\nlock();',
    says: "This part is pure",
  },
  { rule: "the core has no process", path: "src/runtime/a.ts", text: "export const pid = process.pid;", says: "Not part of ECMAScript" },
  { rule: "the core has no console", path: "src/cli/a.ts", text: "console.log(1);", says: "Not part of ECMAScript" },
  {
    rule: "the core has no globalThis",
    path: "src/runtime/a.ts",
    text: "export const x: unknown = globalThis;",
    says: "only one engine has",
  },
  { rule: "the core has no Date", path: "src/runtime/a.ts", text: "export const now = new Date();", says: "The static host leaves it out" },
];

for (const { rule, path, text, says } of CASES) {
  t.test(`lint: ${rule}`, async (t) => t.match(lint(path, text), says));
}

t.test("lint: what is allowed passes", async (t) => {
  t.match(lint("src/runtime/a.ts", 'import type { Door } from "../door.js";\nexport type A = Door;'), /Found 0 warnings and 0 errors/);
  t.match(
    lint("src/hosts/node.ts", 'import { readFileSync } from "node:fs";\nexport const read = readFileSync;'),
    /Found 0 warnings and 0 errors/,
  );
});

/** The source files in a directory with their text, without tests and their fixtures. */
function sources(directory: string): { file: string; text: string }[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const code = names.filter((name) => !/\.test\.ts$|(^|\/)(fixtures|testing)\//.test(name));
  return code.map((name) => ({ file: `${directory}/${name}`, text: readFileSync(join(directory, name), "utf8") }));
}

t.test("lint: nothing outside of src/hosts imports node: or ffi-rs", async (t) => {
  const importers = sources("src").filter(({ text }) => /from "(node:|ffi-rs)/.test(text));
  t.ok(
    importers.some(({ file }) => file === "src/hosts/node.ts"),
    "the search finds imports",
  );
  t.strictSame(
    importers.map(({ file }) => file).filter((file) => !/^src\/hosts\/(node|library)/.test(file)),
    [],
  );
});

t.test("lint: the core has no async functions: the static host leaves promises out", async (t) => {
  const core = [...sources("src/runtime"), ...sources("src/cli")];
  t.ok(core.length > 100, `${core.length} files were searched`);
  const lines = core.flatMap(({ file, text }) => text.split("\n").map((line) => `${file}: ${line}`));
  t.strictSame(
    lines.filter((line) => /\b(async|await)\b/.test(line) && !line.includes("mount-option")),
    [],
  );
});
