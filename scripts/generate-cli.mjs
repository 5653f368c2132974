#!/usr/bin/env node
// Generates docs/cli.md and the man pages in docs/man from the command table (src/cli/table). A unit test
// (src/cli/documents.test.ts) fails when they are out of date.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { build } from "esbuild";

process.chdir(new URL("..", import.meta.url).pathname);

const { outputFiles } = await build({ entryPoints: ["src/cli/documents.ts"], bundle: true, write: false, format: "esm" });
const { TEST_LISTS, documents } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

const lists = Object.fromEntries(Object.entries(TEST_LISTS).map(([name, path]) => [name, readFileSync(path, "utf8")]));
const generated = documents(lists);
mkdirSync("docs/man", { recursive: true });
for (const name of readdirSync("docs/man")) if (!(`docs/man/${name}` in generated)) rmSync(`docs/man/${name}`);
for (const [path, text] of Object.entries(generated)) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
