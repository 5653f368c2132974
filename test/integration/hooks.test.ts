/**
 * config.json's hooks (runtime-spec, config.md#posix-platform-hooks and runtime.md#lifecycle).
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { binaries } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import type { Hook, HookName } from "./harness/config.js";
import type { Bundle, Context, State } from "./harness/context.js";
import type { Report } from "./harness/report.js";

const names: HookName[] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
const atCreate: HookName[] = ["prestart", "createRuntime", "createContainer"];

/** A hook that runs a shell command line; the hook's name is $1, the test's directory $2. */
function shellHook(c: Context, name: HookName, line: string): Hook {
  return { path: "/bin/sh", args: ["sh", "-c", line, "sh", name, c.directory] };
}

/** A bundle in which each of the hooks named runs `line`. The directory of the test is bound into the container under its own path. */
function hooked(c: Context, line: string, hookNames = names, args?: string[]): Bundle {
  return c.bundle({
    ...(args && { args }),
    config: (config) => {
      config.hooks = {};
      config.annotations = { "org.example.hook": "annotation" };
      for (const name of hookNames) config.hooks[name] = [shellHook(c, name, line)];
      config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
    },
  });
}

function log(c: Context): string[] {
  return existsSync(`${c.directory}/log`) ? readFileSync(`${c.directory}/log`, "utf8").trim().split("\n") : [];
}

test("each hook runs at its moment, in the order of the specification", async (c) => {
  await c.create(hooked(c, 'echo $1 >>"$2/log"'));
  assert.deepEqual(log(c), ["prestart", "createRuntime", "createContainer"]);
  await c.ok(["start", c.id]);
  assert.deepEqual(log(c).slice(3), ["startContainer", "poststart"]);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  assert.equal(log(c).length, 5);
  await c.ok(["delete", c.id]);
  assert.deepEqual(log(c).slice(5), ["poststop"]);
});

test("several hooks of a kind run in their order", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) =>
      (config.hooks = { createRuntime: [1, 2, 3].map((number) => shellHook(c, "createRuntime", `echo ${number} >>"$2/log"`)) }),
  });
  await c.run(bundle);
  assert.deepEqual(log(c), ["1", "2", "3"]);
});

test("hooks run for a caller that ignores the end of its children", async (c) => {
  const bundle = hooked(c, 'echo $1 >>"$2/log"', names, ["true"]);
  const started = await c.startBelow(["/usr/bin/env", "--ignore-signal=CHLD"], ["run", "-b", bundle.directory, c.id]);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  assert.deepEqual(log(c), names);
});

test("run carries out all six hooks", async (c) => {
  const result = await c.run(hooked(c, 'echo $1 >>"$2/log"', names, ["true"]));
  assert.equal(result.status, 0, describe(result));
  assert.deepEqual([...log(c)].sort(), [...names].sort());
  assert.equal(log(c).at(-1), "poststop");
});

test("a hook's standard input is the state with the status of its moment", async (c) => {
  const bundle = hooked(c, 'cat >"$2/$1.json"');
  await c.create(bundle);
  const { pid } = await c.state();
  await c.ok(["start", c.id]);
  await c.ok(["delete", "-f", c.id]);
  const statuses: Record<HookName, string> = {
    prestart: "creating",
    createRuntime: "creating",
    createContainer: "creating",
    startContainer: "created",
    poststart: "running",
    poststop: "stopped",
  };
  for (const name of names) {
    const state = JSON.parse(readFileSync(`${c.directory}/${name}.json`, "utf8")) as State;
    assert.equal(state.id, c.id, name);
    assert.equal(state.status, statuses[name], name);
    assert.equal(state.bundle, bundle.directory, name);
    assert.deepEqual(state.annotations, { "org.example.hook": "annotation" }, name);
    assert.match(state.ociVersion, /^1\./, name);
    if (["prestart", "createRuntime", "poststart"].includes(name)) assert.equal(state.pid, pid, name);
  }
});

test("a hook has the environment of its entry and nothing else", async (c) => {
  const bundle = c.bundle({
    config: (config) => {
      config.process.env.push("OF_THE_PROCESS=1");
      config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
      config.hooks = {};
      for (const name of names) {
        const probe = name === "startContainer" ? "/bin/probe" : `${binaries}/probe`;
        config.hooks[name] = [{ path: probe, args: ["probe", "report", `${c.directory}/${name}`], env: ["ONE=1", "TWO=a b"] }];
      }
    },
  });
  await c.createAndStart(bundle, [], { env: { OF_THE_CALLER: "1" } });
  await c.ok(["delete", "-f", c.id]);
  for (const name of names) {
    const report = JSON.parse(readFileSync(`${c.directory}/${name}`, "utf8")) as Report;
    assert.deepEqual(report.env, ["ONE=1", "TWO=a b"], name);
  }
});

test("a hook's args are its argument vector, the first one included", async (c) => {
  const file = `${c.directory}/cmdline`;
  const script = c.file("hook", `#!/bin/sh\ntr '\\0' '\\n' </proc/$$/cmdline >${file}\n`, 0o755);
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => (config.hooks = { createRuntime: [{ path: script, args: ["zeroth", "first arg", ""] }] }),
  });
  assert.equal((await c.run(bundle)).status, 0);
  // An interpreter sees the script's path in the place of argument zero.
  assert.deepEqual(readFileSync(file, "utf8").split("\n").slice(-4), [script, "first arg", "", ""]);
});

test("hooks run in the namespaces of the specification", async (c) => {
  await c.createAndStart(
    hooked(
      c,
      '(readlink /proc/self/ns/mnt; readlink /proc/self/ns/uts) >"$2/$1.ns"; [ -e /bin/probe ] && echo container-root >>"$2/$1.ns"; true',
    ),
  );
  const { pid } = await c.state();
  const container = [readlinkSync(`/proc/${pid}/ns/mnt`), readlinkSync(`/proc/${pid}/ns/uts`)];
  await c.ok(["delete", "-f", c.id]);
  const caller = [readlinkSync("/proc/self/ns/mnt"), readlinkSync("/proc/self/ns/uts")];
  const seen = (name: HookName): string[] => readFileSync(`${c.directory}/${name}.ns`, "utf8").trim().split("\n");
  for (const name of ["prestart", "createRuntime", "poststart", "poststop"] as const) assert.deepEqual(seen(name), caller, name);
  assert.deepEqual(seen("createContainer"), container, "before pivot_root: the host's files, the container's namespaces");
  assert.deepEqual(seen("startContainer"), [...container, "container-root"]);
});

test("the container's mounts are made when createRuntime hooks run, and createContainer hooks see them", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      config.hooks = {
        createRuntime: [
          {
            path: "/bin/sh",
            args: ["sh", "-c", `pid=$(sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p'); cat /proc/$pid/mountinfo >${c.directory}/runtime`],
          },
        ],
        createContainer: [{ path: "/bin/sh", args: ["sh", "-c", `cat /proc/self/mountinfo >${c.directory}/container`] }],
      };
      config.mounts.push({ destination: "/marked", type: "tmpfs", source: "tmpfs" });
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  for (const file of ["runtime", "container"])
    assert.ok(readFileSync(`${c.directory}/${file}`, "utf8").includes(`${bundle.rootfs}/marked`), file);
});

test("a createContainer hook can add a mount that the container sees", async (c) => {
  const bundle = c.bundle({ args: ["cat", "/added/mark"] });
  const config = JSON.parse(readFileSync(`${bundle.directory}/config.json`, "utf8"));
  config.hooks = {
    createContainer: [
      {
        path: "/bin/sh",
        args: [
          "sh",
          "-c",
          `mkdir ${bundle.rootfs}/added && mount -t tmpfs tmpfs ${bundle.rootfs}/added && echo yes >${bundle.rootfs}/added/mark`,
        ],
        env: ["PATH=/usr/bin:/bin:/sbin:/usr/sbin"],
      },
    ],
  };
  writeFileSync(`${bundle.directory}/config.json`, JSON.stringify(config));
  const result = await c.run(bundle);
  assert.equal(result.stdout, "yes\n", describe(result));
});

for (const name of ["prestart", "createRuntime", "createContainer", "startContainer"] as const) {
  test(`a failing ${name} hook ends the container and its output is in the error`, async (c) => {
    const bundle = hooked(c, `if [ $1 = ${name} ]; then echo problem of the hook >&2; exit 3; fi; echo $1 >>"$2/log"`);
    const create = await c.runtime(["create", "-b", bundle.directory, c.id]);
    if (name === "startContainer") {
      c.deleteLater();
      assert.equal(create.status, 0, describe(create));
      const start = await c.runtime(["start", c.id]);
      assert.equal(start.status, 1, describe(start));
      assert.match(start.stderr, /problem of the hook/);
      await c.status("stopped");
      await c.ok(["delete", c.id]);
      return;
    }
    assert.equal(create.status, 1, describe(create));
    assert.match(create.stderr, /hook/);
    assert.match(create.stderr, /problem of the hook/);
    await c.fails(["state", c.id], /container does not exist/);
    const before = atCreate.slice(0, atCreate.indexOf(name));
    assert.deepEqual(
      log(c).filter((entry) => entry !== "poststop"),
      before,
    );
  });
}

test("poststop hooks run when create fails", async (c) => {
  const bundle = hooked(c, `[ $1 = createRuntime ] && exit 3; echo $1 >>"$2/log"`);
  await c.fails(["create", "-b", bundle.directory, c.id], /hook/);
  assert.equal(log(c).at(-1), "poststop");
});

test("a failing poststart hook ends the container and fails start", async (c) => {
  const bundle = hooked(c, "echo problem of the hook >&2; exit 3", ["poststart"]);
  await c.create(bundle);
  const { pid } = await c.state();
  await c.fails(["start", c.id], /problem of the hook/);
  assert.equal(await c.exitOf(pid), 137);
  const state = await c.runtime(["state", c.id]);
  assert.ok(state.status === 1 || (JSON.parse(state.stdout) as State).status === "stopped", describe(state));
});

test("a failing poststop hook is a warning: delete goes on", async (c) => {
  const bundle = hooked(c, `echo $1 >>"$2/log"; echo problem of the hook >&2; exit 3`, ["poststop"], ["true"]);
  await c.createAndStart(bundle);
  await c.status("stopped");
  const result = await c.ok(["delete", c.id]);
  assert.match(result.stderr, /hook/);
  assert.deepEqual(log(c), ["poststop"]);
  await c.fails(["state", c.id], /container does not exist/);
});

for (const name of atCreate) {
  test(`a ${name} hook that takes longer than its timeout is killed and fails create`, async (c) => {
    const bundle = c.bundle({
      config: (config) => (config.hooks = { [name]: [{ path: "/bin/sleep", args: ["sleep", "100"], timeout: 1 }] }),
    });
    const begin = Date.now();
    await c.fails(["create", "-b", bundle.directory, c.id], /hook/);
    const seconds = (Date.now() - begin) / 1000;
    assert.ok(seconds >= 0.9 && seconds < 5, `took ${seconds} s`);
  });
}

test("a hook within its timeout is well", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => (config.hooks = { createRuntime: [{ path: "/bin/sleep", args: ["sleep", "0.2"], timeout: 10 }] }),
  });
  assert.equal((await c.run(bundle)).status, 0);
});

test("a hook that does not read its input is well", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      config.annotations = { big: "x".repeat(300_000) };
      config.hooks = { createRuntime: [{ path: "/bin/true" }], poststop: [{ path: "/bin/true" }] };
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
});

test("a hook that leaves a process behind which holds its output does not block create", async (c) => {
  const bundle = c.bundle({
    config: (config) => (config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "sleep 3 &"] }] }),
  });
  const begin = Date.now();
  await c.create(bundle);
  assert.ok(Date.now() - begin < 2500, `took ${Date.now() - begin} ms`);
  await new Promise((resolve) => setTimeout(resolve, 3000 - (Date.now() - begin)));
});

test("a hook that does not exist or is not executable is an error that names it", async (c) => {
  for (const path of [`${c.directory}/missing-hook`, c.file("plain-hook", "x", 0o644)]) {
    const bundle = c.bundle({ config: (config) => (config.hooks = { createRuntime: [{ path }] }) });
    await c.fails(
      ["create", "-b", bundle.directory, c.id],
      new RegExp(`${path.split("/").at(-1)}.*(no such file|permission denied|ENOENT|EACCES)`, "i"),
    );
  }
});

test("descriptors and signals of the runtime do not reach hooks", async (c) => {
  const bundle = hooked(
    c,
    'ls -l /proc/self/fd >"$2/$1.fd"; grep Sig[BI] /proc/self/status >"$2/$1.sig"',
    ["createRuntime", "createContainer", "poststop"],
    ["true"],
  );
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  for (const name of ["createRuntime", "createContainer", "poststop"]) {
    const numbers = [...readFileSync(`${c.directory}/${name}.fd`, "utf8").matchAll(/ (\d+) -> (.*)$/gm)].filter(
      ([, , target]) => !target?.startsWith("/proc/"),
    );
    // Descriptor 1 is the file of this test; 0 and 2 are the runtime's pipes.
    assert.deepEqual(
      numbers.map(([, number]) => number),
      ["0", "1", "2"],
      name,
    );
    const signals = readFileSync(`${c.directory}/${name}.sig`, "utf8");
    assert.match(signals, /SigBlk:\t0000000000000000/, name);
    assert.match(signals, /SigIgn:\t0000000000000000/, name);
  }
});
