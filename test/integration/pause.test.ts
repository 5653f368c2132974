/**
 * `pause` and `resume`: which containers, what stops and goes on, and what happens to a pause that cannot be completed.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cgroupDirectory, hierarchyOf, readCgroup } from "./harness/cgroups.js";
import { isTsrunc, slowness } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import * as systemd from "./harness/systemd.js";
import type { Context } from "./harness/context.js";

const version1 = hierarchyOf("freezer") !== undefined;
const [file, frozen, thawed] = version1 ? ["freezer.state", "FROZEN", "THAWED"] : ["cgroup.freeze", "1", "0"];

/** The cgroup that freezes the container. */
async function freezerOf(c: Context): Promise<string> {
  return cgroupDirectory((await c.state()).pid, "freezer");
}

/** Whether all processes of a cgroup have stopped. */
function isFrozen(directory: string): boolean {
  if (version1) return readCgroup(directory, file) === frozen;
  return readFileSync(`${directory}/cgroup.events`, "utf8").includes("frozen 1");
}

/** Whether a cgroup is to be frozen. */
function isToFreeze(directory: string): boolean {
  return readCgroup(directory, file) !== thawed;
}

test("a paused container notices a signal when it is resumed", async (c) => {
  const started = await c.createAndStart(c.bundle());
  await c.printed(started, "ready");
  const { pid } = await c.state();
  const result = await c.ok(["pause", c.id]);
  assert.equal(result.stdout + result.stderr, "", describe(result));
  assert.ok(isFrozen(cgroupDirectory(pid, "freezer")));
  const paused = await c.state();
  assert.equal(paused.status, "paused");
  assert.equal(paused.pid, pid);
  const [listed] = JSON.parse((await c.ok(["list", "-f", "json"])).stdout);
  assert.equal(listed.status, "paused");
  await c.ok(["kill", c.id, "USR1"]);
  assert.equal(started.output(), "ready\n");
  const resumed = await c.ok(["resume", c.id]);
  assert.equal(resumed.stdout + resumed.stderr, "", describe(resumed));
  await c.printed(started, "signal 10");
  assert.equal((await c.state()).status, "running");
});

test("pause stops processes in cgroups below the container's too", async (c) => {
  const started = await c.createAndStart(c.bundle({ args: ["sh", "-c", "probe wait & exec probe wait"] }));
  await until("both are ready", () => started.output() === "ready\nready\n");
  const directory = await freezerOf(c);
  const nested = `${directory}/nested`;
  mkdirSync(nested);
  const pids = (readCgroup(directory, "cgroup.procs") ?? "").split("\n");
  assert.equal(pids.length, 2);
  writeFileSync(`${nested}/cgroup.procs`, pids[1] ?? "");
  await c.ok(["pause", c.id]);
  assert.ok(isFrozen(nested));
  await c.ok(["resume", c.id]);
  assert.ok(!isFrozen(nested));
});

test("a container that waits for its start can be paused, and starts once it is resumed", async (c) => {
  const started = await c.create(c.bundle());
  await c.ok(["pause", c.id]);
  assert.equal((await c.state()).status, "paused");
  await c.fails(["start", c.id], /cannot start a container in the paused state/);
  await c.ok(["resume", c.id]);
  assert.equal((await c.state()).status, "created");
  await c.ok(["start", c.id]);
  await c.printed(started, "ready");
});

test("pause of a paused container and resume of any other are refused", async (c) => {
  await c.createAndStart(c.bundle());
  await c.fails(["resume", c.id], /container not paused/);
  await c.ok(["pause", c.id]);
  await c.fails(["pause", c.id], /container not running/);
  await c.ok(["resume", c.id]);
  await c.fails(["resume", c.id], /container not paused/);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  await c.fails(["pause", c.id], /container not running/);
  await c.fails(["resume", c.id], /container not paused/);
  await c.fails(["pause", c.otherId("unknown")], /container does not exist/);
  await c.fails(["resume", c.otherId("unknown")], /container does not exist/);
});

test("a paused container can be killed, and deleted by force alone", async (c) => {
  for (const end of ["kill", "delete"]) {
    await c.createAndStart(c.bundle());
    const { pid } = await c.state();
    await c.ok(["pause", c.id]);
    await c.fails(["delete", c.id], new RegExp(`cannot delete container ${c.id} that is not stopped: paused`));
    if (end === "delete") {
      await c.ok(["delete", "-f", c.id], { timeoutSeconds: 5 });
    } else {
      await c.ok(["kill", c.id, "KILL"]);
      await c.status("stopped");
      await c.ok(["delete", c.id]);
    }
    assert.equal(await c.exitOf(pid), 137);
  }
});

test("a container whose processes fork all the time is paused every time", async (c) => {
  const loop = "while :; do /bin/true & done";
  await c.createAndStart(c.bundle({ args: ["sh", "-c", `(${loop}) & (${loop}) & while :; do wait; done`] }));
  const directory = await freezerOf(c);
  for (let round = 0; round < 20; round++) {
    await c.ok(["pause", c.id]);
    assert.ok(isFrozen(directory), `round ${round}`);
    await c.ok(["resume", c.id]);
  }
});

/** A container below a cgroup of this test's; returns both directories of the freezer. */
async function belowOwnCgroup(c: Context): Promise<{ above: string; own: string }> {
  await c.createAndStart(c.bundle({ config: (config) => (config.linux.cgroupsPath = `/${c.id}-above/own`) }));
  const own = await freezerOf(c);
  const above = own.slice(0, -"/own".length);
  c.defer(() => {
    if (existsSync(above)) writeFileSync(`${above}/${file}`, thawed);
  });
  return { above, own };
}

test("resume is refused while a cgroup above the container's is frozen, and changes nothing", async (c) => {
  const { above, own } = await belowOwnCgroup(c);
  await c.ok(["pause", c.id]);
  writeFileSync(`${above}/${file}`, frozen);
  await c.fails(["resume", c.id], /thaw cgroup ".*\/own": .*above it is frozen/);
  assert.equal((await c.state()).status, "paused");
  writeFileSync(`${above}/${file}`, thawed);
  assert.ok(isFrozen(own), "it is still paused itself");
  await c.ok(["resume", c.id]);
  assert.equal((await c.state()).status, "running");
});

if (isTsrunc) {
  // runc stops itself there, for ever.
  test("pause by a process of the container's own cgroup is refused", async (c) => {
    await c.createAndStart(c.bundle());
    const directory = await freezerOf(c);
    const script = `echo $$ >${directory}/cgroup.procs && exec "$@"`;
    const result = await (await c.startBelowShell(script, ["pause", c.id])).wait();
    assert.equal(result.status, 1, describe(result));
    assert.equal(result.stderr, `pause "${c.id}": freeze cgroup "${directory}": the caller is in it itself\n`);
    assert.equal((await c.state()).status, "running");
  });

  test("of several pauses at once exactly one wins", async (c) => {
    await c.createAndStart(c.bundle());
    const results = await Promise.all(Array.from({ length: 4 }, () => c.runtime(["pause", c.id])));
    assert.equal(results.filter(({ status }) => status === 0).length, 1, results.map(describe).join("\n"));
    assert.equal((await c.state()).status, "paused");
  });

  test("a pause that takes too long or is interrupted is undone", async (c) => {
    const started = await c.createAndStart(
      c.bundle({
        args: ["probe", "stuck"],
        config: ({ process }) => {
          for (const set of Object.values(process.capabilities ?? {})) set.push("CAP_SYS_PTRACE");
        },
      }),
    );
    await c.printed(started, "ready");
    const directory = await freezerOf(c);

    const interrupted = await c.startRuntime(["pause", c.id]);
    await until("it freezes", () => isToFreeze(directory));
    interrupted.process.kill("SIGTERM");
    const result = await interrupted.wait();
    assert.equal(result.status, 128 + 15, describe(result));
    assert.match(result.stderr, /^pause ".*": freeze cgroup ".*": interrupted by SIGTERM\n$/);
    assert.ok(!isToFreeze(directory));
    assert.equal((await c.state()).status, "running");

    const begin = Date.now();
    await c.fails(["pause", c.id], /it is not frozen after 10 seconds: a process in it cannot be stopped\n$/, { timeoutSeconds: 20 });
    assert.ok(Date.now() - begin >= 10_000);
    assert.ok(!isToFreeze(directory));
    assert.equal((await c.state()).status, "running");
  });

  test("delete -f does not wait for a pause that cannot be completed", async (c) => {
    const started = await c.createAndStart(
      c.bundle({
        args: ["probe", "stuck"],
        config: ({ process }) => {
          for (const set of Object.values(process.capabilities ?? {})) set.push("CAP_SYS_PTRACE");
        },
      }),
    );
    await c.printed(started, "ready");
    const directory = await freezerOf(c);
    const pause = await c.startRuntime(["pause", c.id]);
    await until("it freezes", () => isToFreeze(directory));
    const begin = Date.now();
    await c.ok(["delete", "-f", c.id]);
    assert.ok(Date.now() - begin < 5000 * slowness, `took ${Date.now() - begin} ms`);
    assert.equal((await pause.wait()).status, 128 + 15);
  });
}

systemd.test("a paused unit of systemd stays active and paused until it is resumed", async (c) => {
  const { unit, cgroupsPath } = systemd.inSlice(c);
  const pid = await systemd.start(c, { config: (config) => (config.linux.cgroupsPath = cgroupsPath) });
  const directory = cgroupDirectory(pid, "freezer");
  await c.ok(["pause", c.id]);
  assert.ok(isFrozen(directory));
  systemd.systemctl("daemon-reload");
  assert.equal(systemd.properties(unit, "ActiveState")["ActiveState"], "active");
  assert.equal((await c.state()).status, "paused");
  await c.ok(["resume", c.id]);
  assert.ok(!isFrozen(directory));
  assert.equal((await c.state()).status, "running");
  await c.ok(["pause", c.id]);
  await c.ok(["delete", "-f", c.id], { timeoutSeconds: 5 });
  assert.ok(!systemd.isLoaded(unit));
});
