/**
 * runtime.md, Lifecycle: the order of events.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { absent, configRefused, createRefused } from "./black-box.js";
import { sentence } from "./sentence.js";
import { describe } from "../../test/integration/harness/execute.js";
import type { Bundle, Context } from "../../test/integration/harness/context.js";
import type { Hook, HookName } from "../../test/integration/harness/config.js";

/** A hook that appends its name to the file `log` in the test's folder, which the container has at the same path. */
function loggingHook(c: Context, name: HookName, status = 0): Hook {
  return { path: "/bin/sh", args: ["sh", "-c", `echo ${name} >>${c.directory}/log; exit ${status}`] };
}

function bundleWithHooks(c: Context, hooks: Partial<Record<HookName, Hook[]>>, args = ["true"]): Bundle {
  return c.bundle({
    args,
    config: (config) => {
      config.hooks = hooks;
      config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
    },
  });
}

function log(c: Context): string[] {
  return existsSync(`${c.directory}/log`) ? readFileSync(`${c.directory}/log`, "utf8").trim().split("\n") : [];
}

sentence(
  { "runtime.md > Lifecycle": [1, 3, 4] },
  "create makes the environment of the configuration and does not run the program",
  async (c) => {
    const bundle = c.bundle({
      args: ["touch", "/ran"],
      config: (config) => config.mounts.push({ destination: "/made", type: "tmpfs", source: "tmpfs" }),
    });
    await c.create(bundle);
    const { pid } = await c.state();
    assert.match(readFileSync(`/proc/${pid}/mountinfo`, "utf8"), / \/made /);
    assert.equal(existsSync(`${bundle.rootfs}/ran`), false);
  },
);

sentence({ "runtime.md > Lifecycle": [2] }, "an environment that cannot be created is an error", async (c) => {
  await configRefused(c, (config) => (config.root.path = "no-such-rootfs"));
});

sentence({ "runtime.md > Lifecycle": [5] }, "changes of config.json after create have no effect", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "echo before >/which; exec sleep 100"] });
  await c.create(bundle);
  writeFileSync(`${bundle.directory}/config.json`, JSON.stringify({ ociVersion: "1.0.0", process: { args: ["false"], cwd: "/" } }));
  await c.ok(["start", c.id]);
  assert.equal(await c.fileText(`${bundle.rootfs}/which`), "before\n");
});

for (const [name, ordinals] of [
  ["prestart", [6]],
  ["createRuntime", [8]],
  ["createContainer", [10]],
] as const) {
  sentence({ "runtime.md > Lifecycle": ordinals }, `${name} hooks are called by create`, async (c) => {
    await c.create(bundleWithHooks(c, { [name]: [loggingHook(c, name)] }));
    assert.deepEqual(log(c), [name]);
  });
}

for (const [name, ordinals] of [
  ["startContainer", [12]],
  ["poststart", [15]],
] as const) {
  sentence({ "runtime.md > Lifecycle": ordinals }, `${name} hooks are called by start`, async (c) => {
    await c.create(bundleWithHooks(c, { [name]: [loggingHook(c, name)] }, ["sleep", "100"]));
    assert.deepEqual(log(c), []);
    await c.ok(["start", c.id]);
    assert.deepEqual(log(c), [name]);
  });
}

for (const [name, ordinals] of [
  ["prestart", [7]],
  ["createRuntime", [9]],
  ["createContainer", [11]],
] as const) {
  sentence(
    { "runtime.md > Lifecycle": ordinals },
    `a failing ${name} hook is an error, ends the container and goes on with its end and the poststop hooks`,
    async (c) => {
      await createRefused(
        c,
        bundleWithHooks(c, { [name]: [loggingHook(c, name, 1)], poststop: [loggingHook(c, "poststop")] }, ["touch", "/ran"]),
      );
      assert.deepEqual(log(c), [name, "poststop"]);
    },
  );
}

for (const [name, ordinals] of [
  ["startContainer", [13]],
  ["poststart", [16]],
] as const) {
  sentence(
    { "runtime.md > Lifecycle": ordinals },
    `a failing ${name} hook is an error of start, ends the container and goes on with its end and the poststop hooks`,
    async (c) => {
      const bundle = bundleWithHooks(c, { [name]: [loggingHook(c, name, 1)], poststop: [loggingHook(c, "poststop")] }, ["sleep", "100"]);
      await c.create(bundle);
      const { pid } = await c.state();
      const result = await c.runtime(["start", c.id]);
      assert.notEqual(result.status, 0, describe(result));
      await c.exitOf(pid);
      // The runtime may delete the container by itself, or leave that to `delete`. Either way the container is stopped, and the hook runs once.
      const state = await c.runtime(["state", c.id]);
      if (state.status === 0) {
        assert.equal((JSON.parse(state.stdout) as { status: string }).status, "stopped");
        await c.ok(["delete", c.id]);
      }
      assert.deepEqual(log(c), [name, "poststop"]);
      await absent(c);
    },
  );
}

sentence({ "runtime.md > Lifecycle": [18] }, "poststop hooks are called by delete", async (c) => {
  await c.createAndStart(bundleWithHooks(c, { poststop: [loggingHook(c, "poststop")] }));
  await c.status("stopped");
  assert.deepEqual(log(c), []);
  await c.ok(["delete", c.id]);
  assert.deepEqual(log(c), ["poststop"]);
});

sentence(
  { "runtime.md > Lifecycle": [19] },
  "a failing poststop hook is a warning: the other hooks are called and the container is gone",
  async (c) => {
    await c.createAndStart(bundleWithHooks(c, { poststop: [loggingHook(c, "poststop", 1), loggingHook(c, "poststop")] }));
    await c.status("stopped");
    await c.ok(["delete", c.id]);
    assert.deepEqual(log(c), ["poststop", "poststop"]);
    await absent(c);
  },
);
