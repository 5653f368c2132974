/**
 * What each of the six kinds of hooks runs as. A hook takes its attributes from the process that runs it: the runtime, the container's init
 * before it becomes the program's user (createContainer), or the init right before it executes the program (startContainer).
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { binaries, fixture, runtimeName } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import type { Config, HookName, Seccomp } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Report } from "./harness/report.js";

const ofTheRuntime: HookName[] = ["prestart", "createRuntime", "poststart", "poststop"];
const names: HookName[] = [...ofTheRuntime, "createContainer", "startContainer"];

/** Whose attribute a hook has: that of the process that calls the runtime, or of the container's program. */
type Owner = "caller" | "program";

/** Attribute: of createContainer hooks, of startContainer hooks. The hooks that the runtime itself runs have all of the caller. */
const table: [attribute: keyof Report, createContainer: Owner, startContainer: Owner][] = [
  ["uid", "caller", "program"],
  ["gid", "caller", "program"],
  ["groups", "caller", "program"],
  ["effective", "caller", "program"],
  ["permitted", "caller", "program"],
  ["inheritable", "caller", "program"],
  ["bounding", "caller", "program"],
  ["ambient", "caller", "program"],
  ["secureBits", "caller", "program"],
  ["noNewPrivileges", "caller", "program"],
  ["seccomp", "caller", "program"],
  ["label", "caller", "program"],
  ["rlimits", "caller", "program"],
  ["umask", "caller", "program"],
  ["cgroups", "program", "program"],
  ["oomScoreAdj", "program", "program"],
  ["sessionKeyring", "program", "program"],
  ["sessionKeyringId", "program", "program"],
  ["nice", "program", "program"],
  ["blockedSignals", "program", "program"],
  ["ignoredSignals", "program", "program"],
  ["parentDeathSignal", "program", "program"],
  ["keepCapabilities", "program", "program"],
  ["dumpable", "program", "program"],
];

/** Attributes of a caller that differ from the usual ones, before a command line. */
const unusualCaller = 'umask 0007; ulimit -c 5; echo 50 >/proc/self/oom_score_adj; exec "$@"';

/** A profile that allows all but vhangup(2). */
const profile: Seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["vhangup"], action: "SCMP_ACT_ERRNO" }] };

/** A container whose program and hooks each report to a file named after them. The program's attributes differ from its caller's. */
function reporting(c: Context, change: (config: Config) => void): Bundle & { reportOf: (name: HookName | "program") => Report } {
  const reports = c.folder("reports");
  chmodSync(reports, 0o777);
  const bundle = c.bundle({
    args: ["probe", "report", `${reports}/program`],
    config: (config) => {
      config.process.user = { uid: 1000, gid: 1000, additionalGids: [2000], umask: 0o077 };
      config.process.cwd = "/home/worker";
      config.process.rlimits = [{ type: "RLIMIT_CORE", soft: 77, hard: 99 }];
      config.process.oomScoreAdj = 300;
      config.process.capabilities = {
        bounding: ["CAP_KILL", "CAP_CHOWN"],
        permitted: ["CAP_KILL"],
        effective: ["CAP_KILL"],
        inheritable: ["CAP_KILL"],
        ambient: ["CAP_KILL"],
      };
      config.linux.seccomp = profile;
      config.mounts.push({ destination: reports, type: "bind", source: reports, options: ["bind"] });
      config.hooks = {};
      for (const name of names)
        config.hooks[name] = [{ path: probeOf(name), args: ["probe", "report", `${reports}/${name}`], env: ["A=1"] }];
      change(config);
    },
  });
  // With a mode that does not depend on the caller's umask, for runc.
  mkdirSync(`${bundle.rootfs}${reports}`, { recursive: true });
  return { ...bundle, reportOf: (name) => JSON.parse(readFileSync(`${reports}/${name}`, "utf8")) as Report };
}

/** The helper where a hook finds it: startContainer hooks have the container's root, the others that of the runtime. */
const probeOf = (name: HookName): string => (name === "startContainer" ? "/bin/probe" : `${binaries}/probe`);

/** Creates, starts and deletes a container whose program ends by itself, each by an unusual caller. */
async function live(c: Context, bundle: Bundle): Promise<void> {
  c.deleteLater();
  const command = async (...args: string[]): Promise<void> => {
    const result = await (await c.startBelowShell(unusualCaller, args)).wait();
    assert.equal(result.status, 0, describe(result));
  };
  await command("create", "-b", bundle.directory, c.id);
  await command("start", c.id);
  await c.status("stopped");
  await command("delete", c.id);
}

for (const noNewPrivileges of [true, false]) {
  test(`hooks have the attributes of the process that runs them, ${noNewPrivileges ? "with" : "without"} noNewPrivileges`, async (c) => {
    const bundle = reporting(c, (config) => (config.process.noNewPrivileges = noNewPrivileges));
    await live(c, bundle);
    const asked = await (await c.spawn("/bin/sh", ["-c", unusualCaller, "sh", `${binaries}/probe`, "report"])).wait();
    const caller = JSON.parse(asked.stdout) as Report;
    const program = bundle.reportOf("program");
    assert.deepEqual([program.seccomp, program.noNewPrivileges, caller.seccomp], [2, noNewPrivileges ? 1 : 0, 0]);
    for (const [attribute, createContainer, startContainer] of table) {
      const valueOf = { caller: caller[attribute], program: program[attribute] };
      for (const name of ofTheRuntime) assert.deepEqual(bundle.reportOf(name)[attribute], valueOf.caller, `${attribute} of ${name}`);
      assert.deepEqual(bundle.reportOf("createContainer")[attribute], valueOf[createContainer], `${attribute} of createContainer`);
      assert.deepEqual(bundle.reportOf("startContainer")[attribute], valueOf[startContainer], `${attribute} of startContainer`);
    }
  });
}

test("in a user namespace createContainer hooks are its root, and startContainer hooks what the program is", async (c) => {
  const bundle = reporting(c, (config) => {
    setNamespace(config, "user");
    config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    config.process.noNewPrivileges = true;
  });
  await live(c, bundle);
  const createContainer = bundle.reportOf("createContainer");
  assert.deepEqual(
    [createContainer.uid[0], createContainer.gid[0], createContainer.noNewPrivileges, createContainer.seccomp],
    [0, 0, 0, 0],
  );
  assert.equal(createContainer.effective, createContainer.bounding);
  const [startContainer, program] = [bundle.reportOf("startContainer"), bundle.reportOf("program")];
  for (const [attribute] of table) assert.deepEqual(startContainer[attribute], program[attribute], attribute);
});

test("hooks start in the bundle, createContainer hooks in the rootfs, startContainer hooks in the program's working directory", async (c) => {
  const bundle = reporting(c, () => undefined);
  await live(c, bundle);
  const others = new Map([
    ["createContainer", bundle.rootfs],
    ["startContainer", "/home/worker"],
  ]);
  for (const name of names) assert.equal(bundle.reportOf(name).cwd, others.get(name) ?? bundle.directory, name);
});

test("hooks without env have the environment of the process that runs them, hooks with an empty one none", async (c) => {
  const environments = async (env: string[] | undefined): Promise<Record<string, string[]>> => {
    const bundle = reporting(c, (config) => {
      config.process.env = ["PATH=/bin", "OF_THE_PROCESS=1"];
      for (const name of names) config.hooks![name]!.forEach((hook) => (env ? (hook.env = env) : delete hook.env));
    });
    await c.createAndStart(bundle, [], { env: { OF_THE_CALLER: "create" } });
    await c.status("stopped");
    await c.ok(["delete", c.id], { env: { OF_THE_CALLER: "delete" } });
    return Object.fromEntries(names.map((name) => [name, [...bundle.reportOf(name).env].sort()]));
  };
  for (const [name, env] of Object.entries(await environments([]))) assert.deepEqual(env, [], name);
  const inherited = await environments(undefined);
  for (const name of ["prestart", "createRuntime"]) assert.ok(inherited[name]?.includes("OF_THE_CALLER=create"), name);
  assert.ok(inherited["poststop"]?.includes("OF_THE_CALLER=delete"));
  assert.ok(inherited["poststart"]?.some((entry) => entry.startsWith("PATH=")));
  assert.deepEqual(inherited["createContainer"], ["OF_THE_PROCESS=1", "PATH=/bin"]);
  assert.deepEqual(inherited["startContainer"], ["HOME=/home/worker", "OF_THE_PROCESS=1", "PATH=/bin"]);
});

test("createContainer hooks have the caller's limit of open files also where the init raises its own for many mounts", async (c) => {
  const bundle = reporting(c, ({ mounts }) => {
    for (let index = 0; index < 100; index++) mounts.push({ destination: `/many/${index}`, type: "tmpfs", source: "tmpfs" });
  });
  const low = 'ulimit -Sn 64; ulimit -Hn 500; exec "$@"';
  const result = await (await c.startBelowShell(low, ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  // Node.js raises its own soft limit.
  const soft = runtimeName === "tsrunc-node" ? "500" : "64";
  assert.deepEqual(bundle.reportOf("createContainer").rlimits["RLIMIT_NOFILE"], [soft, "500"]);
});

test("startContainer hooks have the program's limit of open files also where the init could not do with it", async (c) => {
  const bundle = c.bundle({
    config: (config) => {
      config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 3, hard: 3 }];
      // It can open no file to report to; what a failed hook printed is in the error.
      config.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "probe report; exit 3"], env: ["PATH=/bin"] }] };
    },
  });
  await c.create(bundle);
  await c.fails(["start", c.id], /exit status 3, output: [^]*"RLIMIT_NOFILE":\["3","3"\]/);
});

/** What a static program needs to start, print and end. */
const least = (
  "execve exit_group write brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlinkat readlink getrandom mprotect mmap " +
  "munmap newfstatat fstat"
).split(" ");

test("with noNewPrivileges a startContainer hook runs under a profile that does not allow what starts it", async (c) => {
  const bundle = c.bundle({
    args: ["syscalls"],
    config: (config) => {
      config.process.noNewPrivileges = true;
      config.linux.seccomp = { defaultAction: "SCMP_ACT_KILL_PROCESS", syscalls: [{ names: least, action: "SCMP_ACT_ALLOW" }] };
      config.hooks = { startContainer: [{ path: "/bin/syscalls", args: ["syscalls"] }] };
    },
  });
  copyFileSync(`${binaries}/syscalls`, `${bundle.rootfs}/bin/syscalls`);
  await c.create(bundle);
  const { pid } = await c.state();
  await c.ok(["start", c.id]);
  assert.equal(await c.exitOf(pid), 0);
});

test("with noNewPrivileges a startContainer hook that makes a denied call is killed, and the error says so", async (c) => {
  const bundle = c.bundle({
    config: (config) => {
      config.process.noNewPrivileges = true;
      config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["vhangup"], action: "SCMP_ACT_KILL_PROCESS" }] };
      config.hooks = { startContainer: [{ path: "/bin/syscalls", args: ["syscalls", "153"] }] };
    },
  });
  copyFileSync(`${binaries}/syscalls`, `${bundle.rootfs}/bin/syscalls`);
  await c.create(bundle);
  await c.fails(
    ["start", c.id],
    /error running startContainer hook #0: "\/bin\/syscalls" \(\/hooks\/startContainer\/0\): killed by signal 31/,
  );
});

test("hooks and program run under Docker's profile, with and without noNewPrivileges", async (c) => {
  for (const noNewPrivileges of [true, false]) {
    const bundle = c.bundle({
      args: ["sh", "-c", "cat /tmp/of-the-hook; grep Seccomp: /proc/self/status"],
      config: (config) => {
        config.process.noNewPrivileges = noNewPrivileges;
        config.linux.seccomp = JSON.parse(fixture("seccomp/docker.json")) as Seccomp;
        const line = "grep Seccomp: /proc/self/status >/tmp/of-the-hook";
        config.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", line], env: ["PATH=/bin"] }] };
      },
    });
    const result = await c.runtime(["run", "-b", bundle.directory, c.otherId(String(noNewPrivileges))]);
    assert.equal(result.stdout, "Seccomp:\t2\nSeccomp:\t2\n", describe(result));
  }
});
