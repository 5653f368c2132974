/**
 * Wrong configurations, arguments and hosts, case by case (bad-input.cases.ts): the exact message, exit status 1, and nothing
 * changed. Other runtimes than tsrunc have texts of their own; for them status and host are checked.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readdirSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { cases } from "./bad-input.cases.js";
import type { Bundle, Context } from "./harness/context.js";

/** Every file below a folder with type, mode, owner and content, in words. */
function fingerprint(folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (!info) return;
    const content = info.isFile() ? createHash("sha1").update(readFileSync(path)).digest("hex") : "";
    found.push(`${path} ${info.mode.toString(8)} ${info.uid}:${info.gid} ${content}`);
    if (info.isDirectory()) for (const name of readdirSync(path).sort()) visit(`${path}/${name}`);
  };
  visit(folder);
  return found;
}

/** A message of the table with its placeholders filled in. */
function fill(message: string, c: Context, bundle: Bundle | undefined): string {
  const values: Record<string, string> = { "{id}": c.id, "{dir}": c.directory, "{root}": c.root, "{bundle}": bundle?.directory ?? "" };
  return message.replaceAll(/\{(id|dir|root|bundle)\}/g, (name) => values[name] ?? name);
}

for (const { name, prepare, message, status = 1 } of cases) {
  test(name, async (c) => {
    const { args, bundle, options } = await prepare(c);
    const watched = [bundle?.directory, c.root].filter((path) => path !== undefined);
    const before = watched.map(fingerprint);
    const rootExisted = existsSync(c.root);
    const result = await c.runtime(args, options);
    if (result.status === 0 && args.includes("create")) c.deleteLater(args.at(-1));
    if (isTsrunc) {
      assert.equal(result.status, status, describe(result));
      assert.equal(result.stderr, `${fill(message, c, bundle)}\n`);
      assert.equal(result.stdout, "");
    } else {
      assert.notEqual(result.status, 0, describe(result));
      assert.notEqual(result.stderr, "", "there is no message");
    }
    // A state root that was not there may be made; the rest stays as it was.
    const after = watched.map(fingerprint);
    if (!rootExisted) after[watched.indexOf(c.root)] = before[watched.indexOf(c.root)] ?? [];
    assert.deepEqual(after, before);
  });
}

test("there are at least sixty cases", async () => {
  assert.ok(cases.length >= 60, String(cases.length));
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
});
