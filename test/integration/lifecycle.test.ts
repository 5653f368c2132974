/**
 * From `create` to `delete`: what each command does to a container, and which it refuses in which status.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { mountPointOf, readCgroup } from "./harness/cgroups.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";

test("create leaves a container whose program waits for start", async (c) => {
  const started = await c.create(c.bundle());
  const created = await c.state();
  assert.equal(created.status, "created");
  assert.ok(existsSync(`/proc/${created.pid}`));
  assert.equal(started.output(), "");
  await c.ok(["start", c.id]);
  await c.printed(started, "ready");
  const running = await c.state();
  assert.equal(running.status, "running");
  assert.equal(running.pid, created.pid);
});

test("the commands print nothing on stdout and stderr when all is well", async (c) => {
  const bundle = c.bundle();
  c.deleteLater();
  for (const args of [
    ["create", "-b", bundle.directory, c.id],
    ["start", c.id],
    ["kill", c.id, "KILL"],
  ]) {
    const result = await c.ok(args);
    assert.equal(result.stdout + result.stderr, "", describe(result));
  }
  await c.status("stopped");
  const result = await c.ok(["delete", c.id]);
  assert.equal(result.stdout + result.stderr, "", describe(result));
});

test("state prints the fields of the specification, indented by two spaces", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.annotations = { "org.example.key": "value", other: "ä€" }) });
  const begin = Date.now();
  await c.create(bundle);
  const { stdout } = await c.ok(["state", c.id]);
  const state = JSON.parse(stdout);
  assert.equal(stdout.trimEnd(), JSON.stringify(state, null, 2));
  assert.deepEqual(Object.keys(state), ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"]);
  assert.match(state.ociVersion, /^1\.\d+\.\d+/);
  assert.equal(state.id, c.id);
  assert.equal(state.bundle, bundle.directory);
  assert.equal(state.rootfs, bundle.rootfs);
  assert.ok(["", "root"].includes(state.owner), "runc fills it in for list only");
  assert.deepEqual(state.annotations, { "org.example.key": "value", other: "ä€" });
  assert.match(state.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  const created = Date.parse(state.created);
  assert.ok(created >= begin - 1000 && created <= Date.now() + 1000, state.created);
});

test("state has no annotations where the config has none", async (c) => {
  await c.create(c.bundle());
  assert.equal("annotations" in (await c.state()), false);
});

test("state of a stopped container has pid 0", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  assert.equal((await c.status("stopped")).pid, 0);
});

test("a container that was killed from outside is stopped", async (c) => {
  await c.createAndStart(c.bundle());
  const { pid } = await c.state();
  process.kill(pid, "SIGKILL");
  assert.equal(await c.exitOf(pid), 137);
  assert.equal((await c.state()).status, "stopped");
  await c.ok(["delete", c.id]);
});

test("a container whose init has ended but is not reaped yet is stopped", async (c) => {
  c.deleteLater();
  const args = ["--root", c.root, "run", "-d", "-b", c.bundle({ args: ["true"] }).directory, c.id];
  const manager = await c.helper("negligent", [c.program, ...args]);
  await c.printed(manager, "exited 0");
  await c.status("stopped");
  assert.equal((await c.state()).pid, 0);
  await c.fails(["kill", c.id, "KILL"], /container not running/);
  await c.ok(["delete", c.id]);
});

test("start of a running container is refused", async (c) => {
  await c.createAndStart(c.bundle());
  await c.fails(["start", c.id], /cannot start an already running container/);
});

test("start of a stopped container is refused", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  await c.status("stopped");
  await c.fails(["start", c.id], /cannot start a container that has stopped/);
});

test("of several starts at once exactly one wins", async (c) => {
  await c.create(c.bundle());
  const results = await Promise.all(Array.from({ length: 4 }, () => c.runtime(["start", c.id])));
  assert.equal(results.filter(({ status }) => status === 0).length, 1, results.map(describe).join("\n"));
  await c.status("running");
});

test("of several creates of one id at once exactly one wins", async (c) => {
  const bundles = Array.from({ length: 6 }, () => c.bundle());
  c.deleteLater();
  const results = await Promise.all(bundles.map((bundle) => c.runtime(["create", "-b", bundle.directory, c.id])));
  const losers = results.filter(({ status }) => status !== 0);
  assert.equal(losers.length, 5, results.map(describe).join("\n"));
  for (const loser of losers) {
    assert.equal(loser.status, 1, describe(loser));
    assert.match(loser.stderr, /container with given ID already exists/);
  }
  const winner = results.findIndex(({ status }) => status === 0);
  const state = await c.state();
  assert.equal(state.bundle, bundles[winner]?.directory);
  await c.ok(["start", c.id]);
  await c.status("running");
});

test("create of an existing id is refused and leaves the container alone", async (c) => {
  const started = await c.createAndStart(c.bundle());
  const before = await c.state();
  await c.fails(["create", "-b", c.bundle().directory, c.id], /container with given ID already exists/);
  await c.fails(["run", "-b", c.bundle().directory, c.id], /container with given ID already exists/);
  assert.deepEqual(await c.state(), before);
  await c.ok(["kill", c.id, "USR1"]);
  await c.printed(started, "signal 10");
});

test("an id is free again after delete", async (c) => {
  const bundle = c.bundle({ args: ["true"] });
  for (let round = 0; round < 3; round++) {
    await c.createAndStart(bundle);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
  }
});

test("ids may hold letters, digits and _ + - .", async (c) => {
  const id = `${c.id}_A+b-c.d9`;
  c.deleteLater(id);
  await c.create(c.bundle(), [], { id });
  assert.equal((await c.state(id)).id, id);
});

test("equal ids below different roots are different containers", async (c) => {
  const other = `${c.directory}/other-root`;
  await c.createAndStart(c.bundle());
  c.defer(() => c.ok(["--root", other, "delete", "-f", c.id]));
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-other`) });
  await c.ok(["--root", other, "create", "-b", bundle.directory, c.id]);
  assert.equal((await c.state()).status, "running");
  const { stdout } = await c.ok(["--root", other, "state", c.id]);
  assert.equal(JSON.parse(stdout).status, "created");
});

test("kill sends TERM unless told otherwise", async (c) => {
  const started = await c.createAndStart(c.bundle());
  await c.printed(started, "ready");
  const { pid } = await c.state();
  await c.ok(["kill", c.id]);
  await c.printed(started, "signal 15");
  assert.equal(await c.exitOf(pid), 0);
});

test("kill takes signals as names with and without SIG and as numbers", async (c) => {
  const started = await c.createAndStart(c.bundle());
  await c.printed(started, "ready");
  for (const [signal, number] of [
    ["HUP", 1],
    ["SIGQUIT", 3],
    ["USR1", 10],
    ["12", 12],
    ["SIGWINCH", 28],
  ] as const) {
    await c.ok(["kill", c.id, signal]);
    await c.printed(started, `signal ${number}\n`);
  }
});

test("kill takes lower case names and real-time signals", async (c) => {
  const started = await c.createAndStart(c.bundle());
  await c.printed(started, "ready");
  for (const [signal, number] of [
    ["usr2", 12],
    ["SIGRTMIN+3", 37],
    ["RTMIN+4", 38],
    ["SIGRTMAX", 64],
    ["40", 40],
  ] as const) {
    await c.ok(["kill", c.id, signal]);
    await c.printed(started, `signal ${number}\n`);
  }
});

test("kill of a created container works", async (c) => {
  await c.create(c.bundle());
  const { pid } = await c.state();
  await c.ok(["kill", c.id, "KILL"]);
  assert.equal(await c.exitOf(pid), 137);
  await c.status("stopped");
  await c.fails(["start", c.id], /cannot start a container that has stopped/);
});

/** Signals that end a program unless it handles them, and what runc's init dies of while it waits for `start`. */
const ending = { HUP: 1, INT: 2, QUIT: 3, ILL: 4, TRAP: 5, ABRT: 6, BUS: 7, FPE: 8, SEGV: 11, TERM: 15, STKFLT: 16, SYS: 31 };

for (const shared of [false, true]) {
  test(`a signal that ends programs ends a created container${shared ? " in the host's pid namespace" : ""}`, async (c) => {
    const bundle = c.bundle({
      config: (config) => {
        if (shared) withoutNamespaces(config, "pid");
      },
    });
    for (const [signal, number] of Object.entries(ending)) {
      const id = c.otherId(signal);
      await c.create(bundle, [], { id });
      const { pid } = await c.state(id);
      await c.ok(["kill", id, signal]);
      await c.status("stopped", id);
      if (isTsrunc) assert.equal(await c.exitOf(pid), 128 + number, signal);
      await c.ok(["delete", id]);
    }
  });
}

test("other signals leave a created container as it is, and its program has all at their defaults", async (c) => {
  const started = await c.create(c.bundle({ args: ["grep", "Sig[CI]", "/proc/self/status"] }));
  for (const signal of ["USR1", "USR2", "ALRM", "PIPE", "WINCH", "CHLD", "CONT"]) await c.ok(["kill", c.id, signal]);
  assert.equal((await c.state()).status, "created");
  await c.ok(["start", c.id]);
  await c.status("stopped");
  assert.equal(started.output(), "SigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
});

test("kill of a stopped container is refused", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  await c.status("stopped");
  await c.fails(["kill", c.id, "TERM"], /container not running/);
  await c.fails(["kill", c.id, "KILL"], /container not running/);
});

test("kill --all reaches every process of the container", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "sleep 100 & sleep 100 & echo up; wait"],
    config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid")),
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "up");
  await c.ok(["kill", "--all", c.id, "KILL"]);
  await c.status("stopped");
  await c.ok(["delete", c.id]);
});

test("kill --all of a stopped container leaves alone who is in its cgroup by now", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"], config: (config) => (config.linux.cgroupsPath = `/${c.id}`) }));
  await c.status("stopped");
  const other = c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}`) });
  const id = c.otherId("other");
  await c.createAndStart(other, [], { id });
  await c.ok(["kill", "--all", c.id, "KILL"]);
  assert.equal((await c.state(id)).status, "running");
});

test("kill --all of a stopped container succeeds", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  await c.status("stopped");
  for (const signal of ["KILL", "TERM"]) await c.ok(["kill", "--all", c.id, signal]);
  await c.fails(["kill", "--all", c.otherId("unknown"), "KILL"], /container does not exist/);
});

/** Takes the pid namespace away, or joins that of another container. */
type PidSharing = "the host's" | "another container's";

for (const sharing of ["the host's", "another container's"] satisfies PidSharing[]) {
  test(`kill KILL ends all processes of a container in ${sharing} pid namespace, also those that its init left`, async (c) => {
    const other = c.otherId("other");
    let path: string | undefined;
    if (sharing === "another container's") {
      await c.createAndStart(c.bundle(), [], { id: other });
      path = `/proc/${(await c.state(other)).pid}/ns/pid`;
    }
    for (const script of ["sleep 1000 & sleep 1000 & echo up; wait", "sleep 1000 & sleep 1000 & echo up"]) {
      const bundle = c.bundle({
        args: ["sh", "-c", script],
        config: (config) => {
          config.linux.cgroupsPath = `/${c.id}-shared`;
          withoutNamespaces(config, "pid");
          if (path !== undefined) setNamespace(config, "pid", path);
        },
      });
      const started = await c.createAndStart(bundle);
      await c.printed(started, "up");
      if (!script.endsWith("wait")) await c.status("stopped");
      assert.ok(processesIn(c).length >= 2);
      await c.ok(["kill", c.id, "KILL"]);
      await until("all processes have ended", () => processesIn(c).length === 0);
      await c.status("stopped");
      await c.fails(["kill", c.id, "KILL"], /container not running/);
      await c.ok(["delete", c.id]);
    }
    if (path !== undefined) assert.equal((await c.state(other)).status, "running");
  });
}

/** Of the cgroup that the two tests above use. */
function processesIn(c: Context): string[] {
  return (readCgroup(`${mountPointOf("pids")}/${c.id}-shared`, "cgroup.procs") ?? "").split("\n").filter(Boolean);
}

test("kill with another signal than SIGKILL is for the init alone, also without a pid namespace", async (c) => {
  const config = (config: Config): void => withoutNamespaces(config, "pid");
  const bundle = c.bundle({ args: ["sh", "-c", "(trap 'echo child' TERM; while :; do sleep 0.1; done) & exec probe wait"], config });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "ready");
  await c.ok(["kill", c.id, "TERM"]);
  await c.printed(started, "signal 15");
  assert.doesNotMatch(started.output(), /child/);
});

test("delete of a running container is refused", async (c) => {
  await c.createAndStart(c.bundle());
  await c.fails(["delete", c.id], new RegExp(`cannot delete container ${c.id} that is not stopped: running`));
  assert.equal((await c.state()).status, "running");
});

test("delete of a created container is refused", async (c) => {
  await c.create(c.bundle());
  await c.fails(["delete", c.id], new RegExp(`cannot delete container ${c.id} that is not stopped: created`));
  assert.equal((await c.state()).status, "created");
});

test("delete -f ends a created container", async (c) => {
  await c.create(c.bundle());
  const { pid } = await c.state();
  await c.ok(["delete", "-f", c.id]);
  assert.equal(await c.exitOf(pid), 137);
  await c.fails(["state", c.id], /container does not exist/);
});

test("delete -f ends a running container", async (c) => {
  await c.createAndStart(c.bundle({ args: ["sh", "-c", "sleep 100 & sleep 100"] }));
  const { pid } = await c.state();
  await c.ok(["delete", "-f", c.id]);
  assert.equal(await c.exitOf(pid), 137);
  await c.fails(["state", c.id], /container does not exist/);
});

test("delete -f ends all processes of a container without a pid namespace", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "sleep 100 & sleep 100 & echo up; wait"],
    config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid")),
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "up");
  await c.ok(["delete", "-f", c.id]);
});

test("delete of a stopped container ends the processes that it left behind", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "sleep 100 & exit 0"],
    config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid")),
  });
  await c.createAndStart(bundle);
  await c.status("stopped");
  await c.ok(["delete", c.id]);
});

test("delete -f of an unknown container succeeds", async (c) => {
  const result = await c.ok(["delete", "-f", c.id]);
  assert.equal(result.stdout + result.stderr, "");
});

test("state, start, kill and delete of an unknown container fail", async (c) => {
  for (const command of ["state", "start", "kill", "delete"]) await c.fails([command, c.id], /container does not exist/);
});

test("delete works when the bundle is gone", async (c) => {
  const bundle = c.bundle({ args: ["true"] });
  await c.createAndStart(bundle);
  await c.status("stopped");
  rmSync(bundle.directory, { recursive: true });
  await c.ok(["delete", c.id]);
});

test("config.json is read at create only", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "echo first"] });
  const started = await c.create(bundle);
  writeFileSync(`${bundle.directory}/config.json`, "garbage");
  await c.ok(["start", c.id]);
  await c.status("stopped");
  assert.equal(started.output(), "first\n");
});

test("the bundle is the current directory where none is named", async (c) => {
  const bundle = c.bundle({ args: ["echo", "here"] });
  const result = await c.ok(["run", c.id], { cwd: bundle.directory });
  assert.equal(result.stdout, "here\n");
});

test("a relative bundle and a relative rootfs are resolved", async (c) => {
  const bundle = c.bundle({ args: ["true"], config: (config) => (config.root.path = "./a/../rootfs") });
  mkdirSync(`${bundle.directory}/a`);
  c.deleteLater();
  await c.ok(["create", "--bundle", bundle.directory.slice(c.directory.length + 1), c.id], { cwd: c.directory });
  const state = await c.state();
  assert.equal(state.bundle, bundle.directory);
  assert.equal(state.rootfs, bundle.rootfs);
});

test("an absolute rootfs outside the bundle is used", async (c) => {
  const bundle = c.bundle({ args: ["cat", "/mark"], config: (config) => (config.root.path = `${c.directory}/elsewhere`) });
  renameSync(bundle.rootfs, `${c.directory}/elsewhere`);
  writeFileSync(`${c.directory}/elsewhere/mark`, "outside\n");
  assert.equal((await c.run(bundle)).stdout, "outside\n");
});

test("run returns the program's exit status", async (c) => {
  for (const status of [0, 1, 7, 125, 127, 255]) {
    const result = await c.run(c.bundle({ args: ["probe", "exit", String(status)] }));
    assert.equal(result.status, status, describe(result));
    assert.equal(result.stderr, "");
  }
});

test("run returns 128 and the signal that ended the program", async (c) => {
  for (const [name, number] of [
    ["KILL", 9],
    ["TERM", 15],
    ["SEGV", 11],
  ] as const) {
    const bundle = c.bundle({
      args: ["sh", "-c", `kill -${name} $$`],
      config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid")),
    });
    const result = await c.run(bundle);
    assert.equal(result.status, 128 + number, describe(result));
  }
});

test("run gives the program its standard input, output and error", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "cat; echo problem >&2"] });
  const result = await c.run(bundle, [], { input: "one\ntwo\n" });
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stdout, "one\ntwo\n");
  assert.equal(result.stderr, "problem\n");
});

test("run removes the container when its program ends", async (c) => {
  await c.run(c.bundle({ args: ["true"] }));
  await c.fails(["state", c.id], /container does not exist/);
});

test("run --keep keeps the stopped container", async (c) => {
  c.deleteLater();
  const result = await c.run(c.bundle({ args: ["probe", "exit", "3"] }), ["--keep"]);
  assert.equal(result.status, 3, describe(result));
  assert.equal((await c.state()).status, "stopped");
  await c.ok(["delete", c.id]);
});

/** The parent that a process of the container has once its own one is gone. */
async function adopter(c: Context, ...flags: string[]): Promise<{ runtime: number; parent: number }> {
  const orphan = "while [ -d /proc/$0 ]; do sleep 0.01; done; grep PPid: /proc/$$/status";
  const bundle = c.bundle({
    args: ["sh", "-c", `make() { sh -c 'sh -c "$0" $$ &' '${orphan}'; }; trap make USR1; echo ready; while :; do sleep 0.01; done`],
    config: (config) => (config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid")),
  });
  c.deleteLater();
  const started = await c.startRuntime(["run", "-b", bundle.directory, ...flags, c.id]);
  await c.printed(started, "ready");
  await c.ok(["kill", c.id, "USR1"]);
  await c.printed(started, "PPid:");
  await c.ok(["delete", "-f", c.id]);
  await started.wait();
  return { runtime: started.pid, parent: Number(/PPid:\s+(\d+)/.exec(started.output())?.[1]) };
}

test("run adopts the orphans of a container without a pid namespace", async (c) => {
  const { runtime, parent } = await adopter(c);
  assert.equal(parent, runtime);
});

test("run adopts orphans from the first instruction of a container on", async (c) => {
  const shared = `${c.directory}/shared`;
  mkdirSync(shared);
  const orphan = "while [ -d /proc/$0 ]; do sleep 0.01; done; grep PPid: /proc/$$/status >/shared/parent; touch /shared/done";
  const bundle = c.bundle({
    args: ["sh", "-c", `sh -c 'sh -c "$0" $$ &' '${orphan}'; exec sleep 100`],
    config: (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
      config.mounts.push({ destination: "/shared", type: "bind", source: shared, options: ["bind"] });
      // Until this hook ends `run` has not begun to wait for the container.
      const script = `until [ -e ${shared}/done ]; do sleep 0.01; done`;
      config.hooks = { poststart: [{ path: "/bin/sh", args: ["sh", "-c", script] }] };
    },
  });
  c.deleteLater();
  const started = await c.startRuntime(["run", "-b", bundle.directory, c.id]);
  const parent = await until(
    "the orphan has seen its parent",
    () => existsSync(`${shared}/done`) && readFileSync(`${shared}/parent`, "utf8"),
  );
  await c.ok(["delete", "-f", c.id]);
  await started.wait();
  assert.equal(Number(parent.split("\t")[1]), started.pid);
});

test("run --no-subreaper leaves orphans to the next reaper", async (c) => {
  const { runtime, parent } = await adopter(c, "--no-subreaper");
  assert.notEqual(parent, runtime);
});

test("run --detach returns while the program runs", async (c) => {
  c.deleteLater();
  for (const flag of ["-d", "--detach"]) {
    const result = await c.run(c.bundle(), [flag]);
    assert.equal(result.status, 0, describe(result));
    assert.equal((await c.state()).status, "running");
    await c.ok(["delete", "-f", c.id]);
  }
});

test("run passes signals on to the program", async (c) => {
  const started = await c.startRuntime(["run", "-b", c.bundle().directory, c.id]);
  await c.printed(started, "ready");
  for (const [name, number] of [
    ["SIGUSR1", 10],
    ["SIGHUP", 1],
    ["SIGINT", 2],
  ] as const) {
    process.kill(started.pid, name);
    await c.printed(started, `signal ${number}\n`);
  }
  assert.equal((await started.wait()).status, 3); // probe wait ends with 3 on INT
});

test("run ends with its program although descendants of it live on elsewhere", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "sleep 100 & exit 5"] });
  const result = await c.run(bundle);
  assert.equal(result.status, 5, describe(result));
});

test("a failed create leaves no container", async (c) => {
  const bundle = c.bundle({ args: ["nosuchprogram"] });
  await c.fails(["create", "-b", bundle.directory, c.id], /executable file not found in \$PATH/);
  await c.fails(["state", c.id], /container does not exist/);
  await c.fails(["run", "-b", bundle.directory, c.id], /executable file not found in \$PATH/);
  assert.equal((await c.ok(["list", "-q"])).stdout, "");
});

test("create fails late and undoes everything", async (c) => {
  // The last mount fails, when cgroups, namespaces, devices and the other mounts are made.
  const bundle = c.bundle({
    config: (config) => config.mounts.push({ destination: "/late", type: "bind", source: `${c.directory}/missing`, options: ["bind"] }),
  });
  await c.fails(["create", "-b", bundle.directory, c.id], /no such file or directory/i);
  await c.fails(["state", c.id], /container does not exist/);
});

test("start reports a program that cannot be executed", async (c) => {
  const bundle = c.bundle({ args: ["/garbage"] });
  writeFileSync(`${bundle.rootfs}/garbage`, "\x7fELF, but not really", { mode: 0o755 });
  const started = await c.create(bundle);
  const result = await c.runtime(["start", c.id]);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /exec format error/i);
  assert.equal(started.errors(), "");
  await c.status("stopped");
});

test("start reports a script whose interpreter is missing", async (c) => {
  const bundle = c.bundle({ args: ["/script"] });
  writeFileSync(`${bundle.rootfs}/script`, "#!/no/such/interpreter\n", { mode: 0o755 });
  await c.create(bundle);
  await c.fails(["start", c.id], /no such file or directory/i);
  await c.status("stopped");
  await c.fails(["start", c.id], /cannot start a container that has stopped/);
});

test("start reports a program that was removed after create", async (c) => {
  const bundle = c.bundle({ args: ["/bin/probe", "wait"] });
  await c.create(bundle);
  rmSync(`${bundle.rootfs}/bin/probe`);
  await c.fails(["start", c.id], /no such file or directory/i);
  await c.status("stopped");
});

test("run reports a program that cannot be executed", async (c) => {
  const bundle = c.bundle({ args: ["/garbage"] });
  writeFileSync(`${bundle.rootfs}/garbage`, "garbage", { mode: 0o755 });
  const result = await c.run(bundle);
  assert.notEqual(result.status, 0);
  assert.match(result.stderr, /exec format error/i);
  await c.fails(["state", c.id], /container does not exist/);
});

test("a pid that now belongs to another process is neither shown nor signalled", async (c) => {
  await c.createAndStart(c.bundle());
  const { pid } = await c.state();
  process.kill(pid, "SIGKILL");
  await c.exitOf(pid);
  const impostor = await c.helper("aspid", [String(pid)]);
  await until("the pid is taken again", () => impostor.output().includes("made"));
  assert.equal((await c.state()).status, "stopped");
  await c.fails(["kill", c.id, "KILL"], /container not running/);
  await c.ok(["delete", "-f", c.id]);
  impostor.process.kill("SIGTERM");
  assert.equal((await impostor.wait()).status, 0, "the process with the recycled pid was killed");
});

test("the state root is made, for root only, and holds the container", async (c) => {
  await c.create(c.bundle());
  assert.equal(statSync(c.root).mode & 0o077 & ~0o011, 0);
  assert.ok(existsSync(`${c.root}/${c.id}`));
  assert.equal(statSync(`${c.root}/${c.id}`).mode & 0o066, 0);
});

test("a container started by another root directory path is the same container", async (c) => {
  await c.create(c.bundle());
  chmodSync(c.directory, 0o755);
  const { stdout } = await c.ok(["--root", `${c.directory}/./tmp/../state`, "state", c.id]);
  assert.equal(JSON.parse(stdout).id, c.id);
});

test("forty runs, two at a time, leave nothing behind", async (c) => {
  // The harness looks for leaks afterwards.
  const bundles = [c.bundle({ args: ["true"] }), c.bundle({ args: ["true"] })];
  const rounds = 20;
  await Promise.all(
    bundles.map(async (bundle, lane) => {
      for (let round = 0; round < rounds; round++) {
        const id = c.otherId(`${lane}-${round}`);
        const result = await c.runtime(["run", "-b", bundle.directory, id]);
        assert.equal(result.status, 0, describe(result));
      }
    }),
  );
  assert.equal((await c.ok(["list", "-q"])).stdout, "");
});
