/**
 * `kill --all`, and what else `kill` does for containers without a pid namespace of their own.
 */
import assert from "node:assert/strict";
import { cgroupDirectory, readCgroup } from "./harness/cgroups.js";
import { withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { until } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Context } from "./harness/context.js";
import type { Started } from "./harness/execute.js";

/** A container with three processes that print what signals they get. */
async function withThree(c: Context, { shared = false } = {}): Promise<{ started: Started; directory: string; init: number }> {
  const bundle = c.bundle({
    args: ["sh", "-c", "probe wait & probe wait & exec probe wait"],
    config: (config) => {
      if (shared) withoutNamespaces(config, "pid");
    },
  });
  const started = await c.createAndStart(bundle);
  await until("all are ready", () => started.output() === "ready\n".repeat(3));
  const { pid } = await c.state();
  return { started, directory: cgroupDirectory(pid, "freezer"), init: pid };
}

function count(text: string, word: string): number {
  return text.split(word).length - 1;
}

for (const shared of [false, true]) {
  const where = shared ? "a container in the host's pid namespace" : "the container";
  test(`kill --all sends any signal to every process of ${where}`, async (c) => {
    const { started } = await withThree(c, { shared });
    for (const [signal, number] of [
      ["USR1", 10],
      ["40", 40],
    ] as const) {
      await c.ok(["kill", "--all", c.id, signal]);
      await until(`all got ${signal}`, () => count(started.output(), `signal ${number}\n`) === 3);
    }
    await c.ok(["kill", c.id, "USR2"]);
    await c.printed(started, "signal 12");
    await c.ok(["kill", "-a", c.id, "KILL"]);
    await c.status("stopped");
    assert.equal(count(started.output(), "signal 12\n"), 1, "without --all the init alone gets it");
  });
}

test("kill --all reaches what the init left, and is no error when nothing is left", async (c) => {
  const { started, directory, init } = await withThree(c, { shared: true });
  process.kill(init, "SIGKILL");
  await c.exitOf(init);
  await c.status("stopped");
  await c.fails(["kill", c.id, "USR1"], /container not running/);
  await c.ok(["kill", "--all", c.id, "USR1"]);
  await until("both got it", () => count(started.output(), "signal 10\n") === 2);
  await c.ok(["kill", "-a", c.id]);
  await until("they have ended", () => readCgroup(directory, "cgroup.procs") === "");
  assert.equal(count(started.output(), "signal 15\n"), 2);
  for (const signal of ["KILL", "TERM", "0"]) await c.ok(["kill", "-a", c.id, signal]);
  await c.fails(["kill", c.id, "KILL"], /container not running/);
  await c.ok(["delete", c.id]);
});

test("kill KILL ends what the init of a paused container without a pid namespace has left", async (c) => {
  const { directory } = await withThree(c, { shared: true });
  await c.ok(["pause", c.id]);
  await c.ok(["kill", c.id, "KILL"]);
  await until("they have ended", () => readCgroup(directory, "cgroup.procs") === "");
  await c.status("stopped");
});

test("kill --all leaves a paused container paused: each process gets the signal when it is resumed", async (c) => {
  const { started } = await withThree(c);
  await c.ok(["pause", c.id]);
  await c.ok(["kill", "--all", c.id, "USR1"]);
  assert.equal((await c.state()).status, "paused");
  assert.equal(started.output(), "ready\n".repeat(3));
  await c.ok(["resume", c.id]);
  await until("all got it", () => count(started.output(), "signal 10\n") === 3);
});

test("kill --all KILL ends processes that fork all the time", async (c) => {
  // Each process of a chain forks the next one and ends.
  const chain = "relay() { relay & }; relay";
  const bundle = c.bundle({
    args: ["sh", "-c", `for i in 1 2 3; do (${chain}) & done; echo up; exec sleep 1000`],
    config: (config) => withoutNamespaces(config, "pid"),
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "up");
  const directory = cgroupDirectory((await c.state()).pid, "freezer");
  await c.ok(["kill", "--all", c.id, "KILL"]);
  await c.status("stopped");
  await until("all have ended", () => readCgroup(directory, "cgroup.procs") === "");
});

if (isTsrunc) {
  test("kill --all of a container without a pid namespace signals nobody else", async (c) => {
    const other = await c.companion("/bin/sleep", ["1000"]);
    await withThree(c, { shared: true });
    await c.ok(["kill", "--all", c.id, "KILL"]);
    await c.status("stopped");
    assert.equal(other.process.exitCode, null);
    assert.equal(other.process.signalCode, null);
  });
}
