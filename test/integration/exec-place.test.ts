/**
 * `exec`: where its process gets to, however little room there is and wherever its caller is: cgroups with limits, namespaces, terminals.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { cgroupDirectory, cgroupMode, cgroupOf, hierarchyOf } from "./harness/cgroups.js";
import { withoutNamespaces } from "./harness/config.js";
import { runtimeName } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { test, testOn } from "./harness/suite.js";
import { Terminal } from "./harness/terminal.js";
import { mappedBundle } from "./harness/user-namespace.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Result } from "./harness/execute.js";

function exec(c: Context, args: readonly string[], flags: readonly string[] = []): Promise<Result> {
  return c.runtime(["exec", ...flags, c.id, ...args]);
}

const processes = async (c: Context): Promise<number[]> => JSON.parse((await c.ok(["ps", "--format", "json", c.id])).stdout) as number[];

function needsPids(c: Context): void {
  if (cgroupMode() !== "v2" && !hierarchyOf("pids")) c.skip("needs the controller pids");
}

test("exec needs no more of the container's limit of processes than its one process", async (c) => {
  needsPids(c);
  await c.createAndStart(c.bundle({ config: ({ linux }) => (linux.resources.pids = { limit: 2 }) }));
  const { pid } = await c.state();
  const controllers = hierarchyOf("pids") ? "pids" : "";
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await exec(c, ["sh", "-c", "exit 7"])).status, 7);
  }
  const started = await c.startRuntime(["exec", c.id, "sh", "-c", "echo up; exec sleep 100"]);
  await c.printed(started, "up");
  // That is the limit: it can make none itself.
  assert.match((await exec(c, ["true"])).stderr, /EAGAIN/);
  const second = (await processes(c)).find((other) => other !== pid) ?? 0;
  assert.equal(cgroupOf(second, controllers), cgroupOf(pid, controllers));
  process.kill(second, "SIGKILL");
  assert.equal((await started.wait()).status, 137);
});

test("exec fails where the container's limit of processes is reached, and leaves no process", async (c) => {
  needsPids(c);
  await c.createAndStart(c.bundle({ config: ({ linux }) => (linux.resources.pids = { limit: 1 }) }));
  const { pid } = await c.state();
  const result = await exec(c, ["true"]);
  assert.equal(result.status, 255, describe(result));
  assert.match(result.stderr, /EAGAIN/);
  assert.deepEqual(await processes(c), [pid]);
});

test("exec in a user namespace needs no more than one process either", async (c) => {
  needsPids(c);
  await c.createAndStart(mappedBundle(c, { config: ({ linux }) => (linux.resources.pids = { limit: 2 }) }));
  const result = await exec(c, ["sh", "-c", "exit 7"]);
  assert.equal(result.status, 7, describe(result));
});

test("exec with a terminal hands over one terminal, also where there is room for one process", async (c) => {
  needsPids(c);
  await c.createAndStart(c.bundle({ config: ({ linux }) => (linux.resources.pids = { limit: 2 }) }));
  const terminal = new Terminal(c, c.program, ["--root", c.root, "exec", "--tty", c.id, "sh", "-c", "read line; echo got $line; exit 7"]);
  terminal.type("this\r");
  await terminal.shows("got this");
  assert.equal(await terminal.end(), "exited 7");
});

testOn(
  ["v2"],
  "execCPUAffinity of the time before goes with a container that has enabled controllers for cgroups of its own",
  async (c) => {
    await c.createAndStart(c.bundle({ config: ({ process }) => (process.execCPUAffinity = { initial: "0", final: "0" }) }));
    const { pid } = await c.state();
    const own = cgroupDirectory(pid, "");
    // As systemd does in a container.
    mkdirSync(`${own}/init`);
    writeFileSync(`${own}/init/cgroup.procs`, String(pid));
    writeFileSync(`${own}/cgroup.subtree_control`, "+pids");
    const result = await exec(c, ["sh", "-c", "cat /proc/self/cgroup; grep Cpus_allowed_list /proc/self/status"]);
    assert.equal(result.status, 0, describe(result));
    assert.match(result.stdout, /^0::.*\/init\n(.*\n)*Cpus_allowed_list:\t0\n$/);
  },
);

for (const [name, flag, file] of [
  ["uts", "--uts", "uts"],
  ["network", "--net", "net"],
  ["ipc", "--ipc", "ipc"],
] as const) {
  test(`a process of exec is in the ${name} namespace that the container shares with whoever created it, wherever exec's caller is`, async (c) => {
    const bundle = c.bundle({ config: (config) => withoutNamespaces(config, name) });
    const created = await c.startBelow(["unshare", flag], ["create", "-b", bundle.directory, c.id]);
    c.deleteLater();
    assert.equal((await created.wait()).status, 0, created.output());
    await c.ok(["start", c.id]);
    const { pid } = await c.state();
    const theirs = readlinkSync(`/proc/${pid}/ns/${file}`);
    assert.notEqual(theirs, readlinkSync(`/proc/self/ns/${file}`));
    const result = await exec(c, ["readlink", `/proc/self/ns/${file}`]);
    assert.deepEqual([result.status, result.stdout.trim()], [0, theirs], describe(result));
  });
}

test("exec's caller may be in another mount namespace than the creator of a container without one of its own", async (c) => {
  const bundle = c.bundle({ config: (config) => withoutNamespaces(config, "mount") });
  const script = `mount -t tmpfs private ${bundle.rootfs}/tmp && echo seen >${bundle.rootfs}/tmp/mark && exec "$@"`;
  const created = await c.startBelow(["unshare", "--mount", "/bin/sh", "-c", script, "sh"], ["create", "-b", bundle.directory, c.id]);
  c.deleteLater();
  assert.equal((await created.wait()).status, 0, created.output());
  await c.ok(["start", c.id]);
  const result = await exec(c, ["cat", "/tmp/mark"]);
  assert.deepEqual([result.status, result.stdout], [0, "seen\n"], describe(result));
});

const mounting = ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_OVERRIDE"];

for (const [what, prepare, cause] of [
  ["a file mounted over it", "mkfifo /tmp/f; mount --bind /tmp/f /dev/pts/ptmx", "something is mounted on it"],
  ["another file system", "mount -t tmpfs none /dev/pts; mkfifo /dev/pts/ptmx; ln -s /dev/pts/ptmx /tmp/f", "/dev/pts is not a devpts"],
  [
    "a link",
    "mkdir /tmp/d; mkfifo /tmp/d/ptmx; ln -s /tmp/d/ptmx /tmp/f; umount /dev/pts; rmdir /dev/pts; ln -s /tmp/d /dev/pts",
    "/dev/pts is not a devpts",
  ],
] as const) {
  test(`exec --tty opens nothing that a container puts in the place of its terminals: ${what}`, async (c) => {
    const bundle = c.bundle({
      // The reader's open(2) returns when somebody opens the FIFO for writing.
      args: ["sh", "-c", `${prepare}; echo prepared; cat /tmp/f; echo opened; exec sleep 100`],
      config: ({ process }) => (process.capabilities = { bounding: mounting, effective: mounting, permitted: mounting }),
    });
    const first = await c.createAndStart(bundle);
    await c.printed(first, "prepared");
    await until("the reader waits", async () => (await processes(c)).length > 1 || undefined);
    const terminal = new Terminal(c, c.program, ["--root", c.root, "exec", "--tty", c.id, "true"]);
    assert.equal(await terminal.end(), "exited 255");
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    assert.doesNotMatch(first.output(), /opened/);
    await terminal.shows(cause);
  });
}

// runc fails in many ways then, and Node itself before any code of ours runs.
if (runtimeName === "tsrunc") {
  test("where the caller may open few files exec and run work or name the limit, and leave nothing", async (c) => {
    const config = ({ process }: Config): void => void (process.rlimits = []);
    await c.createAndStart(c.bundle({ config }));
    const { pid } = await c.state();
    let worked = 0;
    for (const limit of [4, 8, 12, 16, 18, 20, 21, 22, 23, 24, 26, 30, 40, 60]) {
      const other = c.otherId(String(limit));
      const bundle = c.bundle({ args: ["true"], config });
      for (const args of [
        ["exec", c.id, "true"],
        ["run", "-b", bundle.directory, other],
      ]) {
        const result = await (await c.startBelowShell(`ulimit -n ${limit}; exec "$@"`, args)).wait();
        if (result.status === 0) worked += 1;
        else assert.match(result.stderr, /EMFILE \(too many open files\)/, describe(result));
      }
      assert.equal((await c.runtime(["state", other])).status, 1);
      assert.deepEqual(await processes(c), [pid]);
    }
    assert.ok(worked >= 4, `${worked} worked`);
  });
}

test("exec's working directory is in the container, whatever the path leads to (CVE-2024-21626)", async (c) => {
  await c.createAndStart(
    c.bundle({ args: ["sh", "-c", "for n in 3 4 5 6 7 8 9; do ln -s /proc/self/fd/$n /tmp/$n; done; exec probe wait"] }),
  );
  await until("the links are there", async () => (await exec(c, ["test", "-L", "/tmp/9"])).status === 0);
  for (const directory of ["/proc/self/fd", "/tmp"]) {
    for (let number = 3; number < 10; number += 1) {
      const result = await exec(c, ["true"], ["--cwd", `${directory}/${number}`]);
      assert.equal(result.status, 255, describe(result));
    }
  }
});

test("what a container makes of its /proc, /dev and /etc does not hold exec up or mislead it (CVE-2025-52881, CVE-2025-31133)", async (c) => {
  const attack = [
    "mount -t tmpfs none /proc; mkdir -p /proc/self/fd /proc/self/attr /proc/1/ns; mkfifo /proc/self/attr/exec /proc/self/oom_score_adj",
    "rm -f /dev/null /etc/passwd /etc/group; mkfifo /dev/null /etc/passwd /etc/group",
    "echo prepared; exec sleep 100",
  ].join("; ");
  const all = [...mounting, "CAP_SYS_PTRACE"];
  const first = await c.createAndStart(
    c.bundle({
      args: ["sh", "-c", attack],
      config: ({ process }) => {
        process.capabilities = { bounding: all, effective: all, permitted: all };
        process.oomScoreAdj = 100;
        process.env = process.env.filter((entry) => !entry.startsWith("HOME="));
      },
    }),
  );
  await c.printed(first, "prepared");
  const { pid } = await c.state();
  const file = `${c.directory}/pid`;
  await c.ok(["exec", "--detach", "--pid-file", file, c.id, "sleep", "100"]);
  const second = Number(readFileSync(file, "utf8"));
  assert.equal(readFileSync(`/proc/${second}/oom_score_adj`, "utf8"), "100\n");
  assert.equal(readlinkSync(`/proc/${second}/ns/pid`), readlinkSync(`/proc/${pid}/ns/pid`));
});
