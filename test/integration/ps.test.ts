/**
 * `ps`: which processes it shows, and how it runs ps(1).
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { cgroupDirectory, readCgroup } from "./harness/cgroups.js";
import { withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { path, until } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Context } from "./harness/context.js";

/** A container with three processes. Returns their pids, sorted. */
async function withThree(c: Context, shared = false): Promise<number[]> {
  const bundle = c.bundle({
    args: ["sh", "-c", "sleep 1000 & sleep 1001 & echo up; wait"],
    config: (config) => {
      if (shared) withoutNamespaces(config, "pid");
    },
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "up");
  const pids = pidsIn(cgroupDirectory((await c.state()).pid, "freezer"));
  assert.equal(pids.length, 3);
  return pids;
}

function pidsIn(directory: string): number[] {
  const text = readCgroup(directory, "cgroup.procs") ?? "";
  return text
    .split("\n")
    .filter(Boolean)
    .map(Number)
    .sort((a, b) => a - b);
}

/** The pids in a column of a table, sorted. */
function column(table: string, index: number): number[] {
  const rows = table.trimEnd().split("\n").slice(1);
  return rows.map((row) => Number(row.trim().split(/\s+/)[index])).sort((a, b) => a - b);
}

async function json(c: Context): Promise<number[]> {
  return JSON.parse((await c.ok(["ps", "--format", "json", c.id])).stdout) ?? [];
}

test("ps prints the table of ps -ef for the container's processes alone", async (c) => {
  const pids = await withThree(c);
  const { stdout, stderr } = await c.ok(["ps", c.id]);
  assert.match(stdout, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n/);
  assert.deepEqual(column(stdout, 1), pids);
  assert.match(stdout, / sleep 1000\n/);
  assert.equal(stderr, "");
});

test("ps hands its further arguments to ps as they are", async (c) => {
  const pids = await withThree(c);
  const { stdout } = await c.ok(["ps", c.id, "-e", "-o", "pid,comm"]);
  assert.match(stdout, /^ *PID COMMAND\n/);
  assert.deepEqual(column(stdout, 0), pids);
  assert.deepEqual(column((await c.ok(["ps", c.id, "aux"])).stdout, 1), pids);
  assert.deepEqual(column((await c.ok(["ps", "-f", "table", c.id, "-eo", "ppid,pid"])).stdout, 1), pids);
});

test("ps finds the pids behind columns that hold several words", async (c) => {
  const pids = await withThree(c);
  const { stdout } = await c.ok(["ps", c.id, "-eo", "lstart,ppid,pid,args"]);
  assert.deepEqual(column(stdout, 6), pids);
});

test("ps prints the pids as JSON", async (c) => {
  const pids = await withThree(c);
  const { stdout } = await c.ok(["ps", "-f", "json", c.id]);
  assert.equal(stdout, `${JSON.stringify(pids)}\n`);
  assert.deepEqual(await json(c), pids);
});

test("ps shows what is in cgroups below the container's, and in a paused one", async (c) => {
  const pids = await withThree(c);
  const nested = `${cgroupDirectory(pids[0] ?? 0, "freezer")}/nested/deeper`;
  mkdirSync(nested, { recursive: true });
  writeFileSync(`${nested}/cgroup.procs`, String(pids[2]));
  // runc reads another hierarchy.
  const devices = `${cgroupDirectory(pids[0] ?? 0, "devices")}/nested`;
  if (!existsSync(devices)) mkdirSync(devices);
  writeFileSync(`${devices}/cgroup.procs`, String(pids[2]));
  assert.deepEqual(await json(c), pids);
  await c.ok(["pause", c.id]);
  assert.deepEqual(column((await c.ok(["ps", c.id])).stdout, 1), pids);
  await c.ok(["resume", c.id]);
});

test("ps of a stopped container is empty", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  await c.status("stopped");
  const { stdout } = await c.ok(["ps", c.id]);
  assert.match(stdout, /^UID .*CMD\n$/);
  assert.deepEqual(await json(c), []);
});

test("ps shows what a container without a pid namespace has left when its init ended", async (c) => {
  const [init = 0, ...others] = await withThree(c, true);
  process.kill(init, "SIGKILL");
  await c.exitOf(init);
  await c.status("stopped");
  assert.deepEqual(await json(c), others);
  assert.deepEqual(column((await c.ok(["ps", c.id])).stdout, 1), others);
  await c.ok(["kill", "--all", c.id, "KILL"]);
  await until("they have ended", async () => (await json(c)).length === 0);
});

test("ps reports the error of the host's ps", async (c) => {
  await withThree(c);
  await c.fails(["ps", c.id, "--nonsense"], /exit status 1.*unknown gnu long option/);
  await c.fails(["ps", c.id, "-eo", "comm"], /PID/);
  await c.fails(["ps", "-f", "yaml", c.id], /yaml|invalid format/);
  await c.fails(["ps", c.otherId("unknown")], /container does not exist/);
  await c.fails(["ps", "-f", "json", c.otherId("unknown")], /container does not exist/);
});

/** A folder with a program ps, for PATH. */
function folderWithPs(c: Context, script: string): string {
  const folder = c.folder("ps");
  writeFileSync(`${folder}/ps`, `#!/bin/sh\n${script}\n`);
  chmodSync(`${folder}/ps`, 0o755);
  return folder;
}

test("ps runs the first ps of PATH, without a shell, and none below the working directory", async (c) => {
  const [pid] = await withThree(c);
  const first = folderWithPs(c, `echo PID ARGUMENTS; for argument in "$@"; do echo "${pid} $argument"; done`);
  const second = folderWithPs(c, "echo wrong");
  const env = { PATH: `${c.folder("empty")}:${first}:${second}:${path}` };
  const { stdout } = await c.ok(["ps", c.id, "$(touch x) ; exit", "-- *"], { env });
  assert.equal(stdout, `PID ARGUMENTS\n${pid} $(touch x) ; exit\n${pid} -- *\n`);
  for (const relative of [".", ""]) {
    const result = await c.runtime(["ps", c.id], { cwd: second, env: { PATH: `${relative}:${first}` } });
    assert.doesNotMatch(result.stdout, /wrong/);
  }
});

test("ps reports that the host has no ps", async (c) => {
  await withThree(c);
  await c.fails(["ps", c.id], /executable file not found in \$PATH/, { env: { PATH: c.folder("empty") } });
  assert.equal((await json(c)).length, 3);
});

test("ps takes any amount of output, with bytes that are no UTF-8", async (c) => {
  const [pid] = await withThree(c);
  const script = `echo "  PID WORD"; seq -f '%9.0f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 2000000 2040000; printf '${String(pid).padStart(5)} a\\377b\\n'`;
  const { stdout } = await c.ok(["ps", c.id], { env: { PATH: `${folderWithPs(c, script)}:${path}` } });
  assert.match(stdout, new RegExp(`^ {2}PID WORD\\n *${pid} a.b\\n$`));
});

test("ps works for a caller that ignores the end of its children", async (c) => {
  const pids = await withThree(c);
  const started = await c.startBelow(["/usr/bin/env", "--ignore-signal=CHLD"], ["ps", c.id]);
  const result = await started.wait();
  assert.equal(result.stderr, "");
  assert.deepEqual(column(result.stdout, 1), pids);
});

if (isTsrunc) {
  // What the table says of a process is of the moment when ps looked; by its pid alone it may be another's.
  test("ps leaves out a process that has left the container by the time that it is listed", async (c) => {
    const pids = await withThree(c);
    const directory = cgroupDirectory(pids[0] ?? 0, "freezer");
    const other = `${directory}-other`;
    mkdirSync(other);
    c.defer(async () => {
      await c.ok(["delete", "-f", c.id]);
      await until("its processes have ended", () => readCgroup(other, "cgroup.procs") === "");
      rmdirSync(other);
    });
    const script = `echo ${pids[2]} >${other}/cgroup.procs; echo PID; printf '%s\\n' ${pids.join(" ")}`;
    const { stdout } = await c.ok(["ps", c.id], { env: { PATH: `${folderWithPs(c, script)}:${path}` } });
    assert.equal(stdout, `PID\n${pids[0]}\n${pids[1]}\n`);
  });
}
