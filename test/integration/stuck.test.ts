/**
 * A create, run or start that is stuck: what a signal to it leaves, and that delete --force and kill do not wait behind it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc, slowness } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { withoutNamespaces } from "./harness/config.js";
import { Terminal } from "./harness/terminal.js";
import type { Config, Hook, HookName } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Started } from "./harness/execute.js";

/** runc 1.1 waits for the end of a hook whatever signal it gets, and its `delete --force` leaves a create that is stuck alone. */
const onTsrunc: typeof test = isTsrunc ? test : () => undefined;

const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
type EndingSignal = keyof typeof signals;

const beforeProgram: HookName[] = ["prestart", "createRuntime", "createContainer", "startContainer"];
const inRuntimeNamespaces: HookName[] = ["prestart", "createRuntime", "poststart"];
const beforeStart: HookName[] = ["prestart", "createRuntime", "createContainer"];

/** A file that a stuck hook writes to; the test's directory is bound into the container under its own path. */
const mark = (c: Context): string => `${c.directory}/mark`;
const poststopMark = (c: Context): string => `${c.directory}/poststop`;

/** A hook that says that it is there, and stays, with a child in its process group. */
function stuckHook(c: Context): Hook {
  return { path: "/bin/sh", args: ["sh", "-c", `sleep 1000 & echo $$ $! >>${mark(c)}; wait; true`], env: ["PATH=/bin:/usr/bin"] };
}

/** A bundle whose hook of that kind takes long. */
function stuckIn(c: Context, hook: HookName | undefined, change?: (config: Config) => void): Bundle {
  for (const file of [mark(c), poststopMark(c)]) rmSync(file, { force: true });
  return c.bundle({
    config: (config) => {
      config.linux.cgroupsPath = `/${c.id}`;
      config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
      if (hook) config.hooks = { [hook]: [stuckHook(c)], poststop: [{ path: "/bin/touch", args: ["touch", poststopMark(c)] }] };
      change?.(config);
    },
  });
}

/** Nothing of the container is there any more, and the id is free. */
async function assertGone(c: Context): Promise<void> {
  await until("the id is free", () => !existsSync(c.root) || readdirSync(c.root).length === 0);
  assert.equal(spawnSync("find", ["/sys/fs/cgroup", "-name", c.id], { encoding: "utf8" }).stdout, "");
  await c.fails(["state", c.id], /container does not exist/);
}

/** The processes of a hook that runs in the runtime's pid namespace are gone. */
async function assertHookEnded(c: Context): Promise<void> {
  const pids = readFileSync(mark(c), "utf8").trim().split(/\s+/);
  await until("the hook's processes are gone", () => pids.every((pid) => !isAlive(Number(pid))));
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

/** Runs a command that must not wait. */
async function atOnce(c: Context, args: readonly string[], seconds = 2.5): Promise<void> {
  const begin = Date.now();
  await c.ok(args);
  const took = (Date.now() - begin) / 1000;
  assert.ok(took < seconds * slowness, `took ${took} s`);
}

/** Interrupts a command once its hook runs. */
async function assertTakenDown(c: Context, command: readonly string[], hook: HookName, signal: EndingSignal): Promise<void> {
  const started = await c.startRuntime([...command, "-b", stuckIn(c, hook).directory, c.id]);
  await c.fileText(mark(c));
  started.process.kill(signal);
  const result = await started.wait();
  const what = `${hook}: ${describe(result)}`;
  assert.equal(result.status, 128 + signals[signal], what);
  assert.match(result.stderr, new RegExp(`interrupted by ${signal}\\b`), what);
  if (inRuntimeNamespaces.includes(hook)) await assertHookEnded(c);
  await assertGone(c);
  assert.ok(existsSync(poststopMark(c)), "poststop hooks run");
}

for (const signal of Object.keys(signals) as EndingSignal[]) {
  onTsrunc(`${signal} to a run during a hook before the program takes everything down`, async (c) => {
    for (const hook of beforeProgram) await assertTakenDown(c, ["run"], hook, signal);
  });
}

onTsrunc("SIGTERM to a run --detach or a create during a hook takes everything down", async (c) => {
  for (const hook of beforeProgram) await assertTakenDown(c, ["run", "--detach"], hook, "SIGTERM");
  for (const hook of beforeStart) await assertTakenDown(c, ["create"], hook, "SIGTERM");
});

onTsrunc("SIGTERM to a run during a poststart hook takes everything down", async (c) => {
  for (const command of [["run"], ["run", "--detach"]]) await assertTakenDown(c, command, "poststart", "SIGTERM");
});

onTsrunc("SIGTERM to a start during a poststart hook takes everything down", async (c) => {
  await c.create(stuckIn(c, "poststart"));
  const start = await c.startRuntime(["start", c.id]);
  await c.fileText(mark(c));
  start.process.kill("SIGTERM");
  const result = await start.wait();
  assert.equal(result.status, 143, describe(result));
  await assertHookEnded(c);
  await assertGone(c);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`${signal} to a start during a startContainer hook ends the start alone, and the program runs after the hook`, async (c) => {
    const bundle = c.bundle({
      args: ["sh", "-c", `echo runs >${c.directory}/program; sleep 1000`],
      config: (config) => {
        config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
        config.hooks = { startContainer: [waitingHook(c)] };
      },
    });
    await c.create(bundle);
    const start = await c.startRuntime(["start", c.id]);
    await c.fileText(mark(c));
    start.process.kill(signal);
    assert.notEqual((await start.wait()).status, 0);
    writeFileSync(`${c.directory}/go`, "go\n");
    await c.fileText(`${c.directory}/program`);
    assert.notEqual((await c.state()).status, "stopped");
  });
}

for (const place of ["", " in the caller's pid namespace"]) {
  onTsrunc(`a createContainer hook${place} does not outlive a create that is killed, and delete takes the container down`, async (c) => {
    const bundle = stuckIn(c, "createContainer", (config) => void (place && withoutNamespaces(config, "pid")));
    for (const options of [[], ["-f"]]) {
      const create = await c.startRuntime(["create", "-b", bundle.directory, c.id]);
      await c.fileText(mark(c));
      create.process.kill("SIGKILL");
      await create.wait();
      await c.ok(["delete", ...options, c.id]);
      if (place) await assertHookEnded(c);
      await assertGone(c);
      rmSync(mark(c));
    }
  });
}

onTsrunc("an init that was stopped does not outlive a create that is killed and the delete after it", async (c) => {
  for (const kind of ["createRuntime", "createContainer"] as const) {
    const bundle = stuckIn(c, kind);
    const create = await c.startRuntime(["create", "-b", bundle.directory, c.id]);
    await c.fileText(mark(c));
    const init = await until("the init is there", () => initOf(create));
    process.kill(init, "SIGSTOP");
    create.process.kill("SIGKILL");
    await create.wait();
    // A hook in the runtime's namespaces is an orphan then.
    if (kind === "createRuntime") for (const pid of readFileSync(mark(c), "utf8").trim().split(/\s+/)) process.kill(Number(pid), "SIGKILL");
    await c.ok(["delete", "-f", c.id]);
    await until("the init is gone", () => !isAlive(init));
    await assertGone(c);
  }
});

test("a signal that the caller ignores, as below nohup(1), does not interrupt a run", async (c) => {
  const bundle = c.bundle({ args: ["true"], config: (config) => (config.hooks = { createRuntime: [waitingHook(c)] }) });
  const run = await c.startBelowShell(`trap '' HUP; exec "$@"`, ["run", "-b", bundle.directory, c.id]);
  await c.fileText(mark(c));
  run.process.kill("SIGHUP");
  writeFileSync(`${c.directory}/go`, "go\n", { flag: "r+" }); // does not wait for a reader
  const result = await run.wait();
  assert.equal(result.status, 0, describe(result));
});

/** A hook that says that it is there, and goes on when it is told. */
function waitingHook(c: Context): Hook {
  assert.equal(spawnSync("mkfifo", [`${c.directory}/go`]).status, 0);
  return { path: "/bin/sh", args: ["sh", "-c", `echo here >${mark(c)}; read -r _ <${c.directory}/go`] };
}

onTsrunc("a signal to a run with a terminal interrupts a hook too, and the terminal is as it was", async (c) => {
  const bundle = stuckIn(c, "createRuntime", (config) => (config.process.terminal = true));
  const terminal = new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
  const modes = await terminal.modes();
  await c.fileText(mark(c));
  await terminal.signal(signals.SIGINT);
  assert.equal(await terminal.end(), "exited 130");
  assert.equal(await terminal.modes(), modes);
  await assertHookEnded(c);
  await assertGone(c);
});

/** Deletes a container while another command is stuck in a hook of it. */
async function assertDeleteWins(c: Context, started: Started, hook: HookName): Promise<void> {
  await c.fileText(mark(c));
  await atOnce(c, ["delete", "-f", c.id]);
  const result = await started.wait();
  assert.notEqual(result.status, 0, `${hook}: ${describe(result)}`);
  if (inRuntimeNamespaces.includes(hook)) await assertHookEnded(c);
  await assertGone(c);
}

onTsrunc("delete --force does not wait behind a create or a run that is stuck in a hook", async (c) => {
  for (const command of ["create", "run"]) {
    for (const hook of command === "create" ? beforeStart : [...beforeProgram, "poststart" as const])
      await assertDeleteWins(c, await c.startRuntime([command, "-b", stuckIn(c, hook).directory, c.id]), hook);
  }
});

onTsrunc("delete --force does not wait behind a start that is stuck in a hook", async (c) => {
  for (const hook of ["startContainer", "poststart"] as const) {
    await c.create(stuckIn(c, hook));
    await assertDeleteWins(c, await c.startRuntime(["start", c.id]), hook);
  }
});

for (const signal of ["KILL", "TERM"]) {
  onTsrunc(`kill ${signal} does not wait behind a start that is stuck in a hook`, async (c) => {
    for (const hook of ["startContainer", "poststart"] as const) {
      await c.create(stuckIn(c, hook));
      const { pid } = await c.state();
      const start = await c.startRuntime(["start", c.id]);
      await c.fileText(mark(c));
      await atOnce(c, ["kill", c.id, signal]);
      if (signal === "KILL") assert.equal(await c.exitOf(pid), 137);
      await atOnce(c, ["delete", "-f", c.id]);
      await start.wait();
      await assertGone(c);
    }
  });
}

onTsrunc("kill KILL ends a create that is stuck, other signals are refused", async (c) => {
  const create = await c.startRuntime(["create", "-b", stuckIn(c, "createRuntime").directory, c.id]);
  await c.fileText(mark(c));
  await c.fails(["kill", c.id, "TERM"], /cannot signal a container that is being created/);
  await atOnce(c, ["kill", c.id, "KILL"]);
  assert.equal((await create.wait()).status, 143);
  await assertHookEnded(c);
  await assertGone(c);
});

onTsrunc("kill KILL of a container without a pid namespace ends a start that is stuck with it", async (c) => {
  await c.create(stuckIn(c, "poststart", (config) => withoutNamespaces(config, "pid")));
  const { pid } = await c.state();
  const start = await c.startRuntime(["start", c.id]);
  await c.fileText(mark(c));
  await atOnce(c, ["kill", c.id, "KILL"]);
  assert.equal(await c.exitOf(pid), 137);
  assert.notEqual((await start.wait()).status, 0);
  await assertHookEnded(c);
  await c.ok(["delete", "-f", c.id]);
});

/** The container's init, a child of the process that creates it. */
function initOf(started: Started): number | undefined {
  const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return children.map(Number).find((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "tsrunc-init" ||
        readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("tsrunc-init")
      );
    } catch {
      return false;
    }
  });
}

for (const who of ["init", "creator"] as const) {
  onTsrunc(`delete --force does not wait behind a create whose ${who} was stopped`, async (c) => {
    const started = await c.startRuntime(["create", "-b", stuckIn(c, "createRuntime").directory, c.id]);
    await c.fileText(mark(c));
    const init = await until("the init is there", () => initOf(started));
    process.kill(who === "init" ? init : started.pid, "SIGSTOP");
    await atOnce(c, ["delete", "-f", c.id]);
    await started.wait();
    await until("the init is gone", () => !isAlive(init));
    await assertHookEnded(c);
    await assertGone(c);
  });
}

onTsrunc("delete --force ends a create that somebody stops again and again", async (c) => {
  const started = await c.startRuntime(["create", "-b", stuckIn(c, "createRuntime").directory, c.id]);
  await c.fileText(mark(c));
  const init = await until("the init is there", () => initOf(started));
  const neighbour = await c.companion("/bin/sh", ["-c", `while kill -STOP ${started.pid} ${init} 2>/dev/null; do :; done`]);
  await until("the create is stopped", () => /\) T /.test(readFileSync(`/proc/${started.pid}/stat`, "utf8")));
  await atOnce(c, ["delete", "-f", c.id], 3);
  await started.wait();
  await neighbour.wait();
  await until("the init is gone", () => !isAlive(init));
  await assertGone(c);
});

onTsrunc("delete --force does not wait behind a start whose init was stopped at its gate", async (c) => {
  await c.create(stuckIn(c, undefined));
  const { pid } = await c.state();
  process.kill(pid, "SIGSTOP");
  const start = await c.startRuntime(["start", c.id]);
  await until("start holds the lock", () => spawnSync("flock", ["-n", `${c.root}/${c.id}`, "true"]).status !== 0);
  await atOnce(c, ["delete", "-f", c.id]);
  assert.notEqual((await start.wait()).status, 0);
  assert.equal(await c.exitOf(pid), 137);
  await assertGone(c);
});

test("delete --force leaves alone who runs the poststop hooks of the container, and does not wait for them", async (c) => {
  const bundle = c.bundle({ config: (config) => (config.hooks = { poststop: [waitingHook(c)] }) });
  await c.create(bundle);
  const first = await c.startRuntime(["delete", "-f", c.id]);
  await c.fileText(mark(c));
  await atOnce(c, ["delete", "-f", c.id]);
  assert.ok(isAlive(first.pid));
  writeFileSync(`${c.directory}/go`, "go\n", { flag: "r+" }); // does not wait for a reader
  const result = await first.wait();
  assert.equal(result.status, 0, describe(result));
});
