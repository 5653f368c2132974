/**
 * What a request does not need may be missing: the working directory, the environment, files of /proc.
 */
import assert from "node:assert/strict";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import type { Context } from "./harness/context.js";
import type { Result } from "./harness/execute.js";

/** Runs the runtime in a working directory that was removed. */
async function withoutDirectory(c: Context, args: string[]): Promise<Result> {
  const gone = c.folder("gone");
  return (await c.startBelowShell(`cd ${gone} && rmdir ${gone} && exec "$@"`, args)).wait();
}

test("every command works in a working directory that was removed", async (c) => {
  const { directory } = c.bundle();
  c.deleteLater();
  for (const [status, ...args] of [
    [0, "create", "-b", directory, "--pid-file", `${c.directory}/pid`, c.id],
    [0, "state", c.id],
    [0, "start", c.id],
    [0, "list"],
    [0, "kill", c.id, "KILL"],
    [0, "delete", "-f", c.id],
    [0, "features"],
  ] as [number, ...string[]][]) {
    const result = await withoutDirectory(c, args);
    assert.equal(result.status, status, describe(result));
  }
});

test("run works in a working directory that was removed, with a bundle that is absolute or above it", async (c) => {
  const { directory } = c.bundle({ args: ["echo", "works"] });
  for (const bundle of [directory, `../${directory.split("/").at(-1)}`]) {
    const result = await withoutDirectory(c, ["run", "-b", bundle, c.id]);
    assert.equal(result.stdout, "works\n", describe(result));
  }
});

test("a bundle that is the removed working directory is an error that names config.json", async (c) => {
  const result = await withoutDirectory(c, ["run", c.id]);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /config\.json/);
});

test("run works without any environment", async (c) => {
  const bundle = c.bundle({ args: ["echo", "works"] });
  const result = await (await c.startBelow(["/usr/bin/env", "-i"], ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.stdout, "works\n", describe(result));
});

test("run works where /proc/sys is hidden", async (c) => {
  const bundle = c.bundle({ args: ["grep", "CapBnd", "/proc/self/status"] });
  const before = (await c.run(bundle)).stdout;
  const hidden = `mount -t tmpfs tmpfs /proc/sys && exec "$@"`;
  const result = await (
    await c.startBelow(["/usr/bin/unshare", "-m", "/bin/sh", "-c", hidden, "sh"], ["run", "-b", bundle.directory, c.id])
  ).wait();
  assert.match(before, /^CapBnd/);
  assert.equal(result.stdout, before, describe(result));
});
