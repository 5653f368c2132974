/**
 * Containers made by a plain user. The user, and the ids that newuidmap(1) grants it, exist in the tests' mount namespace only.
 */
import assert from "node:assert/strict";
import { chownSync, existsSync, lchownSync, mkdirSync, readFileSync, readlinkSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { isTsrunc, runtimeName } from "./harness/environment.js";
import { describe, path } from "./harness/execute.js";
import { withoutExecutableMemory } from "./harness/memory-files.js";
import type { Config } from "./harness/config.js";
import type { Context, State } from "./harness/context.js";
import type { Result } from "./harness/execute.js";

const user = 12345;
const granted = 300000;

function chownTree(directory: string): void {
  lchownSync(directory, user, user);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) chownTree(`${directory}/${entry.name}`);
    else lchownSync(`${directory}/${entry.name}`, user, user);
  }
}

/** Lays files with the plain user over /etc/passwd, /etc/subuid and their like, for the time of the test. */
function addUser(c: Context): void {
  const entries = {
    passwd: `tester:x:${user}:${user}::/nonexistent:/bin/sh\n`,
    group: `tester:x:${user}:\n`,
    subuid: `tester:${granted}:65536\n`,
    subgid: `tester:${granted}:65536\n`,
  };
  for (const [name, entry] of Object.entries(entries)) {
    const host = existsSync(`/etc/${name}`)
      ? readFileSync(`/etc/${name}`, "utf8")
      : c.skip(`/etc/${name} is missing: apt-get install uidmap`);
    const file = c.file(name, host + entry);
    assert.equal(spawnSync("mount", ["--bind", file, `/etc/${name}`]).status, 0);
    c.defer(() => assert.equal(spawnSync("umount", [`/etc/${name}`]).status, 0));
  }
}

class Rootless {
  readonly home: string;
  /** A command line of root that executes another one, which becomes the plain user's. */
  launcher: readonly string[] = [];

  constructor(readonly c: Context) {
    this.home = `${c.directory}/home`;
    mkdirSync(this.home);
    chownSync(this.home, user, user);
    mkdirSync(`${this.home}/runtime-dir`, { mode: 0o700 });
    chownSync(`${this.home}/runtime-dir`, user, user);
  }

  /** Runs a program as the plain user, without capabilities. */
  async as(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
    const [launcher = "", ...before] = [
      ...this.launcher,
      ...["/usr/bin/setpriv", "--reuid", String(user), "--regid", String(user), "--clear-groups"],
    ];
    const started = await this.c.spawn(launcher, [...before, command, ...args], {
      cwd: this.home,
      env: { PATH: path, HOME: this.home, USER: "tester", TMPDIR: this.c.temporary, ...env },
    });
    return started.wait();
  }

  async runtime(...args: string[]): Promise<Result> {
    return this.as(this.c.program, ["--root", `${this.home}/state`, ...args]);
  }

  /** The bundle of `spec --rootless`, with a busybox below it. */
  async bundle(change: (config: Config) => void): Promise<string> {
    const { directory } = this.c.bundle();
    chownTree(directory);
    spawnSync("rm", [`${directory}/config.json`]);
    const spec = await this.runtime("spec", "--rootless", "--bundle", directory);
    assert.equal(spec.status, 0, describe(spec));
    const config = JSON.parse(readFileSync(`${directory}/config.json`, "utf8")) as Config;
    config.process.terminal = false;
    config.root.readonly = false;
    change(config);
    writeFileSync(`${directory}/config.json`, JSON.stringify(config));
    return directory;
  }
}

test("spec --rootless maps the plain user to root", async (c) => {
  const rootless = new Rootless(c);
  let mappings: unknown;
  await rootless.bundle((config) => (mappings = [config.linux.uidMappings, config.linux.gidMappings]));
  const expected = [{ containerID: 0, hostID: user, size: 1 }];
  assert.deepEqual(mappings, [expected, expected]);
});

test("a plain user runs a container with the config of spec --rootless", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle(
    (config) => (config.process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map; touch /made; hostname; exit 9"]),
  );
  const result = await rootless.runtime("run", "-b", bundle, c.id);
  assert.equal(result.status, 9, describe(result));
  const [id, map] = result.stdout.split("\n");
  assert.equal(id, "0");
  assert.deepEqual(map?.trim().split(/\s+/).map(Number), [0, user, 1]);
  assert.equal(statSync(`${bundle}/rootfs/made`).uid, user);
});

// Linux 6.3 has it: the guest cannot show it, and every machine that runs all tests can.
if (existsSync("/proc/sys/vm/memfd_noexec"))
  test("a plain user runs a container where vm.memfd_noexec is 2", async (c) => {
    const rootless = new Rootless(c);
    const bundle = await rootless.bundle((config) => (config.process.args = ["echo", "ran"]));
    rootless.launcher = withoutExecutableMemory;
    const result = await rootless.runtime("run", "-b", bundle, c.id);
    assert.equal(result.stdout, "ran\n", describe(result));
  });

test("a plain user goes from create to delete", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.args = ["probe", "wait"]));
  for (const args of [
    ["create", "-b", bundle, c.id],
    ["start", c.id],
  ]) {
    const result = await rootless.runtime(...args);
    assert.equal(result.status, 0, describe(result));
  }
  const state = JSON.parse((await rootless.runtime("state", c.id)).stdout) as State;
  assert.equal(state.status, "running");
  assert.match(readFileSync(`/proc/${state.pid}/status`, "utf8"), new RegExp(`^Uid:\t${user}\t`, "m"));
  const list = JSON.parse((await rootless.runtime("list", "-f", "json")).stdout) as State[];
  assert.equal(list[0]?.id, c.id);
  const removed = await rootless.runtime("delete", "-f", c.id);
  assert.equal(removed.status, 0, describe(removed));
});

test("a plain user's container joins the namespaces of another one", async (c) => {
  const rootless = new Rootless(c);
  const sleeping = (config: Config): string[] => (config.process.args = ["sleep", "98765"]);
  const [target, joined] = [c.id, `${c.id}-joined`];
  const { status, stderr } = await rootless.runtime("run", "-d", "-b", await rootless.bundle(sleeping), target);
  assert.equal(status, 0, stderr);
  const { pid } = JSON.parse((await rootless.runtime("state", target)).stdout) as State;
  const bundle = await rootless.bundle((config) => {
    sleeping(config);
    for (const namespace of config.linux.namespaces)
      if (["user", "pid"].includes(namespace.type)) namespace.path = `/proc/${pid}/ns/${namespace.type}`;
    if (!isTsrunc) return; // runc 1.1 wants the mappings of the namespace again
    delete config.linux.uidMappings;
    delete config.linux.gidMappings;
  });
  const run = await rootless.runtime("run", "-d", "-b", bundle, joined);
  assert.equal(run.status, 0, describe(run));
  const other = (JSON.parse((await rootless.runtime("state", joined)).stdout) as State).pid;
  const namespaceOf = (pid: number, type: string): string => readlinkSync(`/proc/${pid}/ns/${type}`);
  for (const type of ["user", "pid"]) assert.equal(namespaceOf(other, type), namespaceOf(pid, type), type);
  for (const type of ["mnt", "ipc"]) assert.notEqual(namespaceOf(other, type), namespaceOf(pid, type), type);
  const process = c.file("process.json", JSON.stringify({ args: ["/bin/true"], cwd: "/", user: { uid: 0, gid: 0 } }));
  for (const args of [
    ["exec", joined, "true"],
    ["exec", "--process", process, joined],
    ["kill", joined, "KILL"],
    ["delete", "-f", joined],
    ["delete", "-f", target],
  ]) {
    const result = await rootless.runtime(...args);
    assert.equal(result.status, 0, describe(result));
  }
});

test("a plain user reads the statistics of a container", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.args = ["probe", "wait"]));
  const created = await rootless.runtime("create", "-b", bundle, c.id);
  assert.equal(created.status, 0, describe(created));
  const { status, stdout, stderr } = await rootless.runtime("events", "--stats", c.id);
  assert.equal(status, 0, stderr);
  const { type, id, data } = JSON.parse(stdout) as { type: string; id: string; data: { memory: object } };
  assert.deepEqual([type, id], ["stats", c.id]);
  assert.ok("usage" in data.memory);
  const removed = await rootless.runtime("delete", "-f", c.id);
  assert.equal(removed.status, 0, describe(removed));
});

test("ranges of ids are mapped through newuidmap and newgidmap", async (c) => {
  if (!existsSync("/usr/bin/newuidmap")) c.skip("newuidmap is missing: apt-get install uidmap");
  addUser(c);
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => {
    const mappings = [
      { containerID: 0, hostID: user, size: 1 },
      { containerID: 1, hostID: granted, size: 65536 },
    ];
    config.linux.uidMappings = mappings;
    config.linux.gidMappings = mappings;
    config.process.args = ["sh", "-c", "touch /made && chown 1000:5 /made && id -u && id -G && cat /proc/self/uid_map"];
    config.process.user = { uid: 0, gid: 0 };
    const capabilities = ["CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE"];
    config.process.capabilities = { bounding: capabilities, permitted: capabilities, effective: capabilities };
  });
  const result = await rootless.runtime("run", "-b", bundle, c.id);
  assert.equal(result.status, 0, describe(result));
  const { uid, gid } = statSync(`${bundle}/rootfs/made`);
  assert.deepEqual([uid, gid], [granted + 999, granted + 4]);
});

test("ids that were not granted are refused by newuidmap, and create says so", async (c) => {
  if (!existsSync("/usr/bin/newuidmap")) c.skip("newuidmap is missing: apt-get install uidmap");
  addUser(c);
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => {
    config.linux.uidMappings = [
      { containerID: 0, hostID: user, size: 1 },
      { containerID: 1, hostID: 500000, size: 65536 },
    ];
  });
  const result = await rootless.runtime("create", "-b", bundle, c.id);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /newuidmap/);
});

test("a plain user's containers are below XDG_RUNTIME_DIR by default, in a sticky folder of its own", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.args = ["probe", "wait"]));
  const directory = `${rootless.home}/runtime-dir`;
  const env = { XDG_RUNTIME_DIR: directory };
  const created = await rootless.as(c.program, ["create", "-b", bundle, c.id], env);
  assert.equal(created.status, 0, describe(created));
  const name = isTsrunc ? "tsrunc" : runtimeName;
  assert.ok(existsSync(`${directory}/${name}/${c.id}`));
  assert.equal(statSync(`${directory}/${name}`).mode & 0o7077, 0o1000);
  const removed = await rootless.as(c.program, ["delete", "-f", c.id], env);
  assert.equal(removed.status, 0, describe(removed));
});

test("root's containers are below /run by default", async (c) => {
  const root = `/run/${isTsrunc ? "tsrunc" : runtimeName}`;
  const existed = existsSync(root);
  const { directory } = c.bundle();
  const call = async (...args: string[]): Promise<Result> =>
    (await c.spawn(c.program, args, { env: { XDG_RUNTIME_DIR: c.directory } })).wait();
  const created = await call("create", "-b", directory, c.id);
  assert.equal(created.status, 0, describe(created));
  assert.ok(existsSync(`${root}/${c.id}`));
  const removed = await call("delete", "-f", c.id);
  assert.equal(removed.status, 0, describe(removed));
  if (!existed) spawnSync("rmdir", [root]);
});

test("additionalGids without a mapping for them are refused", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.user.additionalGids = [5]));
  const result = await rootless.runtime("create", "-b", bundle, c.id);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /additionalGids|additional|group|gid/i);
});

test("a user without a mapping is refused", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.user = { uid: 1000, gid: 0 }));
  const result = await rootless.runtime("create", "-b", bundle, c.id);
  assert.equal(result.status, 1, describe(result));
});

test("a plain user without a user namespace in the config is refused", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => {
    config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "user");
    delete config.linux.uidMappings;
    delete config.linux.gidMappings;
  });
  const result = await rootless.runtime("create", "-b", bundle, c.id);
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /user namespace|operation not permitted|EPERM/i);
});

test("a plain user's container cannot write to the host's cgroups (CVE-2023-25809)", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => {
    config.process.args = [
      "sh",
      "-c",
      "for d in $(grep cgroup /proc/self/mountinfo | grep -v tmpfs | cut -d' ' -f5); do mkdir $d/escape 2>/dev/null && echo $d; done; true",
    ];
  });
  const result = await rootless.runtime("run", "-b", bundle, c.id);
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stdout, "");
});

test("update of a plain user's container that has no cgroup of its own is refused", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.args = ["probe", "wait"]));
  const run = await rootless.runtime("run", "-d", "-b", bundle, c.id);
  c.defer(() => rootless.runtime("delete", "-f", c.id));
  assert.equal(run.status, 0, describe(run));
  const { status, stderr } = await rootless.runtime("update", "--pids-limit", "5", c.id);
  assert.equal(status, 1);
  if (isTsrunc) assert.equal(stderr, `update "${c.id}": the container has no cgroup of its own\n`);
});

test("a plain user's container has its oomScoreAdj", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => {
    config.process.args = ["cat", "/proc/self/oom_score_adj"];
    config.process.oomScoreAdj = 345;
  });
  const result = await rootless.runtime("run", "-b", bundle, c.id);
  assert.equal(result.stdout, "345\n", describe(result));
});

test("a plain user's container has its clock offsets, and lower priorities", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => {
    config.process.args = ["sh", "-c", "cat /proc/self/timens_offsets; busybox ionice -p 1; cut -d ' ' -f 19 /proc/self/stat"];
    config.process.scheduler = { policy: "SCHED_OTHER", nice: 4 };
    config.process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 7 };
    config.linux.namespaces.push({ type: "time" });
    config.linux.timeOffsets = { monotonic: { secs: 12 } };
  });
  const result = await rootless.runtime("run", "-b", bundle, c.id);
  assert.match(result.stdout, /^monotonic +12 +0\nboottime +0 +0\nbest-effort: prio 7\n4\n$/, describe(result));
});

test("a plain user's container is filtered, its filter kept, and its listener handed over", async (c) => {
  const rootless = new Rootless(c);
  const bundle = (name: string, action: string, listener: object, noNewPrivileges: boolean): Promise<string> =>
    rootless.bundle((config) => {
      config.process.args = ["sh", "-c", "umask 077; mkdir made; echo $?"];
      config.process.cwd = "/tmp";
      config.process.noNewPrivileges = noNewPrivileges;
      config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: [name], action }], ...listener };
    });
  for (const noNewPrivileges of [true, false]) {
    const denied = await bundle("mkdir", "SCMP_ACT_ERRNO", {}, noNewPrivileges);
    for (const round of ["compiled", "kept"]) {
      const result = await rootless.runtime("run", "-b", denied, c.id);
      assert.equal(result.stdout, "1\n", `${round} ${describe(result)}`);
      assert.match(result.stderr, /Operation not permitted/);
    }
    const socket = `${rootless.home}/agent${noNewPrivileges}`;
    const agent = await c.helper("seccompagent", [socket, "28"]); // ENOSPC
    await c.printed(agent, "listening");
    chownSync(socket, user, user);
    const asked = await rootless.runtime(
      "run",
      "-b",
      await bundle("mkdir", "SCMP_ACT_NOTIFY", { listenerPath: socket }, noNewPrivileges),
      c.id,
    );
    assert.equal(asked.stdout, "1\n", describe(asked));
    assert.match(asked.stderr, /No space left on device/);
    await agent.wait();
  }
});

test("what needs a cgroup of its own is refused for a plain user's container without one, and changes nothing", async (c) => {
  const rootless = new Rootless(c);
  const bundle = await rootless.bundle((config) => (config.process.args = ["probe", "wait"]));
  const ran = await rootless.runtime("run", "-d", "-b", bundle, c.id);
  assert.equal(ran.status, 0, describe(ran));
  c.defer(() => rootless.runtime("delete", "-f", c.id));
  for (const args of [
    ["pause", c.id],
    ["ps", c.id],
    ["ps", "-f", "json", c.id],
    ["kill", "--all", c.id, "TERM"],
  ]) {
    const result = await rootless.runtime(...args);
    assert.equal(result.status, 1, describe(result));
    const message = new RegExp(`^${args[0]} "${c.id}": the container has no cgroup of its own: without root it gets one only for `);
    if (isTsrunc) assert.match(result.stderr, message);
  }
  const refused = await rootless.runtime("resume", c.id);
  assert.match(refused.stderr, /container not paused/);
  const state = JSON.parse((await rootless.runtime("state", c.id)).stdout) as State;
  assert.equal(state.status, "running");
  const killed = await rootless.runtime("kill", "--all", c.id, "KILL");
  if (isTsrunc) assert.equal(killed.status, 0, describe(killed));
});
