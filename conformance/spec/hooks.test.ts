/**
 * config.md, POSIX-platform Hooks: where hooks run, in which order, and with which input.
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { configRefused } from "./black-box.js";
import { sentence } from "./sentence.js";
import { binaries } from "../../test/integration/harness/environment.js";
import type { Bundle, Context } from "../../test/integration/harness/context.js";
import type { Hook, HookName } from "../../test/integration/harness/config.js";

const hookNames: HookName[] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
const section = "config.md > POSIX-platform Hooks";

interface Place {
  name: HookName;
  /** The namespace in which the runtime looks up the program, and the one in which it runs. */
  path: "runtime" | "container";
  runs: "runtime" | "container";
  pathAt: Record<string, number[]>;
  runsAt: Record<string, number[]>;
}

const places: Place[] = [
  {
    name: "prestart",
    path: "runtime",
    runs: "runtime",
    pathAt: { [section]: [4], "config.md > Prestart": [3] },
    runsAt: { [section]: [5], "config.md > Prestart": [4] },
  },
  {
    name: "createRuntime",
    path: "runtime",
    runs: "runtime",
    pathAt: { [section]: [9], "config.md > CreateRuntime Hooks": [2] },
    runsAt: { [section]: [10], "config.md > CreateRuntime Hooks": [3] },
  },
  {
    name: "createContainer",
    path: "runtime",
    runs: "container",
    pathAt: { [section]: [11], "config.md > CreateContainer Hooks": [3] },
    runsAt: { [section]: [12], "config.md > CreateContainer Hooks": [4] },
  },
  {
    name: "startContainer",
    path: "container",
    runs: "container",
    pathAt: { [section]: [13], "config.md > StartContainer Hooks": [2] },
    runsAt: { [section]: [14], "config.md > StartContainer Hooks": [3] },
  },
  {
    name: "poststart",
    path: "runtime",
    runs: "runtime",
    pathAt: { [section]: [15], "config.md > Poststart": [2] },
    runsAt: { [section]: [16], "config.md > Poststart": [3] },
  },
  {
    name: "poststop",
    path: "runtime",
    runs: "runtime",
    pathAt: { [section]: [17], "config.md > Poststop": [2] },
    runsAt: { [section]: [18], "config.md > Poststop": [3] },
  },
];

function shell(line: string): Hook {
  return { path: "/bin/sh", args: ["sh", "-c", line] };
}

/** Makes a bundle with hooks, and with the test's folder bound to its own path in the container. */
function bundleWithHooks(c: Context, hooks: Partial<Record<HookName, Hook[]>>, args = ["sleep", "100"]): Bundle {
  return c.bundle({
    args,
    config: (config) => {
      config.hooks = hooks;
      config.annotations = { "org.example.key": "value" };
      config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
    },
  });
}

/** Runs a container's whole lifecycle, from create to delete. */
async function runLifecycle(c: Context, bundle: Bundle): Promise<void> {
  await c.createAndStart(bundle);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  await c.ok(["delete", c.id]);
}

for (const { name, path, pathAt, runs, runsAt } of places) {
  sentence(pathAt, `the path of ${name} hooks is one of the ${path}`, async (c) => {
    // The host and the container have different programs at the same path, which report where the runtime found them.
    const program = `${c.directory}/hook`;
    writeFileSync(program, "#!/bin/sh\necho runtime >$1\n", { mode: 0o755 });
    const inContainer = c.folder("container");
    writeFileSync(`${inContainer}/hook`, "#!/bin/sh\necho container >$1\n", { mode: 0o755 });
    const output = c.folder("output");
    const bundle = c.bundle({
      args: ["sleep", "100"],
      config: (config) => {
        config.mounts.push({ destination: c.directory, type: "bind", source: inContainer, options: ["bind"] });
        config.mounts.push({ destination: output, type: "bind", source: output, options: ["bind"] });
        config.hooks = { [name]: [{ path: program, args: ["hook", `${output}/found`] }] };
      },
    });
    await runLifecycle(c, bundle);
    assert.equal(readFileSync(`${output}/found`, "utf8"), `${path}\n`);
  });

  sentence(runsAt, `${name} hooks run in the namespaces of the ${runs}`, async (c) => {
    const hook = shell(`readlink /proc/self/ns/mnt >${c.directory}/mnt; readlink /proc/self/ns/uts >${c.directory}/uts`);
    const bundle = bundleWithHooks(c, { [name]: [hook] });
    copyFileSync(`${binaries}/probe`, `${c.directory}/probe`);
    await c.createAndStart(bundle);
    const { pid } = await c.state();
    const container = ["mnt", "uts"].map((type) => readlinkSync(`/proc/${pid}/ns/${type}`));
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
    const found = ["mnt", "uts"].map((type) => readFileSync(`${c.directory}/${type}`, "utf8").trim());
    const own = ["mnt", "uts"].map((type) => readlinkSync(`/proc/self/ns/${type}`));
    assert.deepEqual(found, runs === "runtime" ? own : container);
  });
}

sentence({ [section]: [19] }, "hooks of a kind are called in their order", async (c) => {
  const hooks = Object.fromEntries(
    hookNames.map((name) => [name, [1, 2, 3].map((number) => shell(`echo ${name}${number} >>${c.directory}/log`))]),
  );
  await runLifecycle(c, bundleWithHooks(c, hooks));
  const log = readFileSync(`${c.directory}/log`, "utf8").trim().split("\n");
  for (const name of hookNames) {
    const own = log.filter((line) => line.startsWith(name));
    assert.deepEqual(own, [`${name}1`, `${name}2`, `${name}3`]);
  }
});

sentence({ [section]: [20] }, "each hook reads the state of the container from its standard input", async (c) => {
  const hooks = Object.fromEntries(hookNames.map((name) => [name, [shell(`cat >${c.directory}/${name}`)]]));
  const bundle = bundleWithHooks(c, hooks);
  await runLifecycle(c, bundle);
  for (const name of hookNames) {
    const state = JSON.parse(readFileSync(`${c.directory}/${name}`, "utf8")) as Record<string, unknown>;
    assert.equal(state["id"], c.id, name);
    assert.equal(state["bundle"], bundle.directory, name);
    assert.deepEqual(state["annotations"], { "org.example.key": "value" }, name);
    assert.match(String(state["ociVersion"]), /^1\./, name);
    assert.ok(["creating", "created", "running", "stopped"].includes(String(state["status"])), name);
  }
});

for (const [name, own] of [
  ["prestart", "config.md > Prestart"],
  ["createRuntime", "config.md > CreateRuntime Hooks"],
  ["createContainer", "config.md > CreateContainer Hooks"],
] as const) {
  sentence({ [own]: [1] }, `${name} hooks are called by create when the mounts stand and the root has not changed yet`, async (c) => {
    const line =
      name === "createContainer"
        ? // Runs in the container's mount namespace but with the runtime's root, so the mounts are below the bundle's rootfs.
          `grep -c " $(dirname ${c.directory}/x)/bundle1/rootfs/made " /proc/self/mountinfo >${c.directory}/seen`
        : `grep -c "/made " /proc/$(sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')/mountinfo >${c.directory}/seen`;
    const bundle = bundleWithHooks(c, { [name]: [shell(line)] });
    const config = JSON.parse(readFileSync(`${bundle.directory}/config.json`, "utf8")) as { mounts: object[] };
    config.mounts.push({ destination: "/made", type: "tmpfs", source: "tmpfs" });
    writeFileSync(`${bundle.directory}/config.json`, JSON.stringify(config));
    await c.create(bundle);
    assert.equal(await c.fileText(`${c.directory}/seen`), "1\n");
  });
}

sentence(
  { "config.md > Prestart": [2], "config.md > CreateContainer Hooks": [2] },
  "prestart hooks come before createRuntime hooks, and these before createContainer hooks",
  async (c) => {
    const names: HookName[] = ["createContainer", "createRuntime", "prestart"];
    const hooks = Object.fromEntries(names.map((name) => [name, [shell(`echo ${name} >>${c.directory}/log`)]]));
    await c.create(bundleWithHooks(c, hooks));
    assert.equal(readFileSync(`${c.directory}/log`, "utf8"), "prestart\ncreateRuntime\ncreateContainer\n");
  },
);

sentence(
  { "config.md > StartContainer Hooks": [1] },
  "startContainer hooks are called by start before the program is executed",
  async (c) => {
    const line = `test -e ${c.directory}/ran && echo late >${c.directory}/when || echo early >${c.directory}/when`;
    await c.create(bundleWithHooks(c, { startContainer: [shell(line)] }, ["sh", "-c", `touch ${c.directory}/ran; sleep 100`]));
    assert.equal(existsSync(`${c.directory}/when`), false);
    await c.ok(["start", c.id]);
    assert.equal(await c.fileText(`${c.directory}/when`), "early\n");
    await c.status("running");
  },
);

sentence(
  { "config.md > Poststart": [1] },
  "poststart hooks are called after the program is executed and before start returns",
  async (c) => {
    const line = `sleep 0.3; tr '\\0' ' ' </proc/$(sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p')/cmdline >${c.directory}/program`;
    await c.create(bundleWithHooks(c, { poststart: [shell(line)] }, ["sleep", "98765"]));
    assert.equal(existsSync(`${c.directory}/program`), false);
    await c.ok(["start", c.id]);
    assert.match(readFileSync(`${c.directory}/program`, "utf8"), /98765/);
  },
);

sentence(
  { "config.md > Poststop": [1] },
  "poststop hooks are called when the container is deleted and before delete returns",
  async (c) => {
    const cgroups = `ls -d /sys/fs/cgroup/*/${c.id} /sys/fs/cgroup/${c.id} 2>/dev/null | wc -l`;
    const bundle = bundleWithHooks(c, { poststop: [shell(`sleep 0.3; ${cgroups} >${c.directory}/left`)] }, ["true"]);
    const config = JSON.parse(readFileSync(`${bundle.directory}/config.json`, "utf8")) as { linux: { cgroupsPath?: string } };
    config.linux.cgroupsPath = `/${c.id}`;
    writeFileSync(`${bundle.directory}/config.json`, JSON.stringify(config));
    await c.createAndStart(bundle);
    await c.status("stopped");
    assert.equal(existsSync(`${c.directory}/left`), false);
    await c.ok(["delete", c.id]);
    assert.equal(readFileSync(`${c.directory}/left`, "utf8").trim(), "0", "its cgroups are gone");
  },
);

sentence({ [section]: [1, 6] }, "a hook without a path is refused", async (c) => {
  for (const name of ["prestart", "createRuntime"]) {
    await configRefused(c, (config) => Object.assign(config, { hooks: { [name]: [{ args: ["sh"] }] } }));
  }
});

sentence({ [section]: [2, 7] }, "a hook with a relative path is refused", async (c) => {
  for (const name of ["prestart", "createRuntime", "createContainer"] as const) {
    await configRefused(c, (config) => (config.hooks = { [name]: [{ path: "bin/true" }] }));
  }
});

sentence({ [section]: [3, 8] }, "a hook with a timeout that is not greater than zero is refused", async (c) => {
  for (const name of ["prestart", "createRuntime"] as const) {
    for (const timeout of [0, -1]) await configRefused(c, (config) => (config.hooks = { [name]: [{ path: "/bin/true", timeout }] }));
  }
});
