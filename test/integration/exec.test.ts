/**
 * `exec`: a program in a container that runs.
 */
import assert from "node:assert/strict";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { cgroupDirectory, cgroupsOf, hierarchyOf, membership, readCgroup } from "./harness/cgroups.js";
import { setNamespace, toJson, withoutNamespaces } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { statusesInside } from "./harness/inside.js";
import { describe, until } from "./harness/execute.js";
import { capabilities, environmentOf } from "./harness/report.js";
import { test } from "./harness/suite.js";
import { Terminal } from "./harness/terminal.js";
import { mappedBundle } from "./harness/user-namespace.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Options, Result } from "./harness/execute.js";
import type { Report } from "./harness/report.js";

/** A container that waits. */
async function running(c: Context, config?: (config: Config) => void): Promise<number> {
  await c.createAndStart(c.bundle(config ? { config } : {}));
  return (await c.state()).pid;
}

/** Runs `exec` with flags and a program, whatever its status. */
function exec(c: Context, args: readonly string[], flags: readonly string[] = [], options: Options = {}): Promise<Result> {
  return c.runtime(["exec", ...flags, c.id, ...args], options);
}

/** What a shell command line prints in the container, trimmed. */
async function shell(c: Context, line: string, flags: readonly string[] = []): Promise<string> {
  const result = await exec(c, ["sh", "-c", line], flags);
  assert.equal(result.status, 0, describe(result));
  return result.stdout.trim();
}

async function report(c: Context, flags: readonly string[] = [], options: Options = {}): Promise<Report> {
  const result = await exec(c, ["probe", "report"], flags, options);
  assert.equal(result.status, 0, describe(result));
  return JSON.parse(result.stdout) as Report;
}

test("exec ends with the program's status, or with 128 and the signal that ended it", async (c) => {
  await running(c);
  assert.equal((await exec(c, ["sh", "-c", "exit 42"])).status, 42);
  assert.equal((await exec(c, ["sh", "-c", "kill -KILL $$"])).status, 137);
  assert.equal((await exec(c, ["sh", "-c", "kill -TERM $$"])).status, 143);
});

test("exec passes standard streams, and signals, to the program", async (c) => {
  await running(c);
  const result = await exec(c, ["sh", "-c", "cat; echo problem >&2"], [], { input: "typed" });
  assert.deepEqual([result.status, result.stdout, result.stderr], [0, "typed", "problem\n"], describe(result));
  const waiting = await c.startRuntime(["exec", c.id, "probe", "wait"]);
  await c.printed(waiting, "ready");
  waiting.process.kill("SIGUSR1");
  await c.printed(waiting, "signal 10");
  waiting.process.kill("SIGTERM");
  assert.equal((await waiting.wait()).status, 0);
});

test("a process of exec has what the container was created with, whatever config.json says by now", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "probe report /first; exec probe wait"],
    config: ({ process, linux }) => {
      process.user = { uid: 1000, gid: 1001, umask: 0o027, additionalGids: [5, 7] };
      process.env.push("KEPT=yes");
      process.cwd = "/tmp";
      process.capabilities = { bounding: ["CAP_KILL", "CAP_CHOWN"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"] };
      process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }];
      process.oomScoreAdj = 500;
      process.noNewPrivileges = true;
      linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["acct"], action: "SCMP_ACT_ERRNO" }] };
    },
  });
  writeFileSync(`${bundle.rootfs}/first`, "");
  chmodSync(`${bundle.rootfs}/first`, 0o666);
  await c.createAndStart(bundle);
  const first = JSON.parse(await c.fileText(`${bundle.rootfs}/first`)) as Report;
  writeFileSync(`${bundle.directory}/config.json`, "{}");
  const second = await report(c);
  for (const name of [
    "uid",
    "gid",
    "groups",
    "effective",
    "permitted",
    "inheritable",
    "bounding",
    "ambient",
    "rlimits",
    "cwd",
    "umask",
    "noNewPrivileges",
    "seccomp",
    "oomScoreAdj",
    "cgroups",
    "hostname",
    "personality",
    "scheduler",
    "nice",
    "ignoredSignals",
    "blockedSignals",
    "sessionKeyring",
    "parentDeathSignal",
    "keepCapabilities",
    "secureBits",
  ] as const)
    assert.deepEqual(second[name], first[name], name);
  const byShell = new Set(["PWD", "OLDPWD", "SHLVL"]);
  const given = ({ env }: Report): string[] => env.filter((entry) => !byShell.has(entry.split("=", 1)[0] ?? "")).sort();
  assert.deepEqual(given(second), given(first));
  assert.deepEqual(Object.keys(second.descriptors), ["0", "1", "2"]);
  assert.equal(second.session, second.pid);
});

test("a process of exec is in the container's namespaces and cgroups, and nobody else's", async (c) => {
  const pid = await running(c, (config) => setNamespace(config, "cgroup"));
  const names = readdirSync(`/proc/${pid}/ns`).filter((name) => !name.endsWith("_for_children"));
  const started = await c.startRuntime(["exec", c.id, "sh", "-c", "echo up; exec sleep 100"]);
  await c.printed(started, "up");
  const processes = (await c.ok(["ps", "--format", "json", c.id])).stdout;
  const second = (JSON.parse(processes) as number[]).find((other) => other !== pid);
  assert.ok(second, processes);
  for (const name of names) assert.equal(readlinkSync(`/proc/${second}/ns/${name}`), readlinkSync(`/proc/${pid}/ns/${name}`), name);
  assert.deepEqual(cgroupsOf(second), cgroupsOf(pid));
  process.kill(second, "SIGKILL");
  assert.equal((await started.wait()).status, 137);
});

test("a process of exec is in the container's cgroups before its first instruction", async (c) => {
  const pid = await running(c);
  const inside = membership((await report(c)).cgroups);
  assert.deepEqual(inside, cgroupsOf(pid));
});

test("the flags of exec change the process", async (c) => {
  await running(c, ({ process }) => (process.capabilities = { bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"] }));
  const seen = await report(c, [
    "--user",
    "12:34",
    "-g",
    "56",
    "-g",
    "78",
    "-e",
    "A=1",
    "-e",
    "A=2",
    "-e",
    "B=x y",
    "--cwd",
    "/etc",
    "--cap",
    "CAP_NET_RAW",
    "--no-new-privs",
  ]);
  assert.deepEqual([seen.uid[0], seen.gid[0], seen.groups, seen.cwd, seen.noNewPrivileges], [12, 34, [56, 78], "/etc", 1]);
  assert.deepEqual([environmentOf(seen)["A"], environmentOf(seen)["B"]], ["2", "x y"]);
  assert.deepEqual(capabilities(seen.bounding), ["CAP_KILL", "CAP_NET_RAW"]);
  assert.deepEqual(capabilities(seen.inheritable), []);
  assert.deepEqual(capabilities(seen.ambient), []);
});

test("a user without group keeps the container's, and HOME is that user's", async (c) => {
  await running(c, ({ process }) => {
    process.user = { uid: 0, gid: 7 };
    process.env = process.env.filter((entry) => !entry.startsWith("HOME="));
  });
  const seen = await report(c, ["--user", "3"]);
  assert.deepEqual([seen.uid[0], seen.gid[0]], [3, 7]);
  assert.ok(environmentOf(seen)["HOME"]);
});

test("what --process and --resources name may be a pipe", async (c) => {
  const pid = await running(c);
  const fromPipe = async (text: string, args: string[]): Promise<Result> =>
    (await c.startBelowShell(`cat ${c.file("input", text)} | "$@"`, args)).wait();
  const process = toJson({ args: ["echo", "from a pipe"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } });
  const executed = await fromPipe(process, ["exec", "--process", "/dev/stdin", c.id]);
  assert.equal(executed.stdout, "from a pipe\n", describe(executed));
  const updated = await fromPipe('{"pids":{"limit":77}}', ["update", "--resources", "/dev/stdin", c.id]);
  assert.equal(updated.status, 0, describe(updated));
  assert.equal(readCgroup(cgroupDirectory(pid, "pids"), "pids.max"), "77");
  const cut = await fromPipe('{"pids":', ["update", "--resources", "/dev/stdin", c.id]);
  assert.equal(cut.status, 1, describe(cut));
  assert.match(cut.stderr, isTsrunc ? /line 1, column 9: expected a value/ : /EOF/);
});

test("exec --process takes a process as in config.json", async (c) => {
  await running(c);
  const file = c.file(
    "process.json",
    toJson({
      args: ["probe", "report"],
      cwd: "/tmp",
      env: ["PATH=/bin", "X=1"],
      user: { uid: 5, gid: 6, additionalGids: [8] },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 64, hard: 64 }],
      noNewPrivileges: true,
      capabilities: { bounding: ["CAP_KILL"] },
    }),
  );
  const result = await c.ok(["exec", "--process", file, c.id]);
  const seen = JSON.parse(result.stdout) as Report;
  assert.deepEqual([seen.uid[0], seen.gid[0], seen.groups, seen.cwd], [5, 6, [8], "/tmp"]);
  assert.deepEqual(capabilities(seen.bounding), ["CAP_KILL"]);
  assert.deepEqual(seen.rlimits["RLIMIT_NOFILE"] ?? seen.rlimits["NOFILE"], ["64", "64"]);
  assert.equal(environmentOf(seen)["X"], "1");
});

test("exec says what is wrong and ends with 255, for a container and for a program", async (c) => {
  assert.match((await exec(c, ["true"])).stderr, /container does not exist/);
  await running(c);
  const missing = await exec(c, ["nosuch"]);
  assert.equal(missing.status, 255, describe(missing));
  assert.match(
    missing.stderr,
    /exec failed: .*unable to start container process: .*exec: \\?"nosuch\\?": executable file not found in \$PATH/,
  );
  const denied = await exec(c, ["/etc/passwd"]);
  assert.equal(denied.status, 255, describe(denied));
  assert.match(denied.stderr, /permission denied/);
});

test("exec is refused in a stopped container and in a paused one, unless that is to be ignored", async (c) => {
  await running(c);
  await c.ok(["pause", c.id]);
  const paused = await exec(c, ["true"]);
  assert.equal(paused.status, 255);
  assert.match(paused.stderr, /cannot exec in a paused container \(use --ignore-paused to override\)/);
  const waiting = await c.startRuntime(["exec", "--ignore-paused", c.id, "echo", "later"]);
  await c.ok(["resume", c.id]);
  const later = await waiting.wait();
  assert.deepEqual([later.status, later.stdout], [0, "later\n"], describe(later));
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  const stopped = await exec(c, ["true"]);
  assert.equal(stopped.status, 255);
  assert.match(stopped.stderr, /cannot exec in a stopped container/);
});

test("an exec that waits for a paused container ends by a signal", async (c) => {
  await running(c);
  await c.ok(["pause", c.id]);
  const waiting = await c.startRuntime(["exec", "--ignore-paused", c.id, "sh", "-c", "echo never >/never"]);
  const directory = cgroupDirectory((await c.state()).pid, "freezer");
  await until("its process is in the cgroup", () => readFileSync(`${directory}/cgroup.procs`, "utf8").trim().split("\n").length > 1);
  waiting.process.kill("SIGTERM");
  assert.equal((await waiting.wait()).status, 143);
  await c.ok(["resume", c.id]);
  await until("nothing is left of it", () => readFileSync(`${directory}/cgroup.procs`, "utf8").trim().split("\n").length === 1);
});

test("exec works in a created container", async (c) => {
  await c.create(c.bundle());
  assert.equal(await shell(c, "echo early"), "early");
});

test("a detached process lives on, with its pid in a file", async (c) => {
  await running(c);
  const file = `${c.directory}/pid`;
  const result = await c.ok(["exec", "-d", "--pid-file", file, c.id, "sleep", "100"]);
  assert.equal(result.stdout, "");
  const pid = Number(readFileSync(file, "utf8"));
  assert.match(readFileSync(`/proc/${pid}/cmdline`, "utf8"), /^sleep\0/);
  process.kill(pid, "SIGTERM");
  assert.equal(await c.exitOf(pid), 143);
});

test("exec --tty runs on the caller's terminal", async (c) => {
  await running(c);
  const terminal = new Terminal(c, c.program, [
    "--root",
    c.root,
    "exec",
    "--tty",
    c.id,
    "sh",
    "-c",
    "echo on $(tty); read line; echo got $line; exit 7",
  ]);
  await terminal.shows("on /dev/pts/0");
  terminal.type("this\r");
  await terminal.shows("got this");
  assert.equal(await terminal.end(), "exited 7");
});

test("exec --detach --tty hands its terminal to the console socket", async (c) => {
  await running(c);
  const socket = `${c.directory}/console.sock`;
  const receiver = await c.helper("recvfd", ["terminal", socket]);
  await c.printed(receiver, "listening");
  await c.ok(["exec", "-d", "-t", "--console-socket", socket, c.id, "sh", "-c", "echo on $(tty)"]);
  await c.printed(receiver, "on /dev/pts/0\r\n");
});

test("of a hundred execs at once none loses its status, and no process is left", async (c) => {
  const pid = await running(c);
  const results = await Promise.all(Array.from({ length: 100 }, (_, number) => exec(c, ["sh", "-c", `exit ${number}`])));
  assert.deepEqual(
    results.map(({ status }) => status),
    results.map((_, number) => number),
    results.map(({ stderr }) => stderr).join(""),
  );
  assert.deepEqual(JSON.parse((await c.ok(["ps", "--format", "json", c.id])).stdout), [pid]);
});

test("of fifty detached execs at once each gives its status to whoever adopts it, and no process is left", async (c) => {
  const pid = await running(c);
  const numbers = Array.from({ length: 50 }, (_, number) => number);
  const results = await Promise.all(
    numbers.map((number) => exec(c, ["sh", "-c", `exit ${number}`], ["--detach", "--pid-file", `${c.directory}/pid${number}`])),
  );
  for (const result of results) assert.equal(result.status, 0, describe(result));
  const statuses = await Promise.all(numbers.map((number) => c.exitOf(Number(readFileSync(`${c.directory}/pid${number}`, "utf8")))));
  assert.deepEqual(statuses, numbers);
  assert.deepEqual(JSON.parse((await c.ok(["ps", "--format", "json", c.id])).stdout), [pid]);
});

test("an exec that the container's end overtakes fails or is killed, and never hangs", async (c) => {
  for (let round = 0; round < 5; round += 1) {
    const id = c.otherId(String(round));
    await c.createAndStart(c.bundle(), [], { id });
    const execs = Array.from({ length: 6 }, () => c.runtime(["exec", id, "sleep", "100"]));
    await c.ok(["kill", id, "KILL"]);
    for (const result of await Promise.all(execs)) assert.ok([137, 255].includes(result.status ?? 0), describe(result));
  }
});

test("a detached exec that the container's end overtakes fails or has begun, and its process ends with the container", async (c) => {
  for (let round = 0; round < 5; round += 1) {
    const id = c.otherId(String(round));
    await c.createAndStart(c.bundle(), [], { id });
    const { pid } = await c.state(id);
    const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
    const execs = Array.from({ length: 6 }, () => c.runtime(["exec", "--detach", id, "sleep", "100"]));
    // At another moment of the execs each time.
    await execs[round];
    await c.ok(["kill", id, "KILL"]);
    for (const result of await Promise.all(execs)) assert.ok([0, 255].includes(result.status ?? -1), describe(result));
    await until("nothing is left in the container", () => statusesInside(namespace, 0).length === 0);
  }
});

test("exec joins a user namespace, as its root and as another of its users", async (c) => {
  await c.createAndStart(mappedBundle(c, {}));
  assert.equal(await shell(c, "id -u; cat /proc/self/uid_map | tr -s ' '"), "0\n 0 100000 65536");
  assert.equal(await shell(c, "id -u", ["--user", "1000"]), "1000");
  assert.equal(await shell(c, "echo written >/new; cat /new"), "written");
});

test("exec joins a pid namespace that the container joined", async (c) => {
  const other = c.otherId("other");
  await c.createAndStart(c.bundle(), [], { id: other });
  const { pid } = await c.state(other);
  await running(c, (config) => setNamespace(config, "pid", `/proc/${pid}/ns/pid`));
  assert.equal(await shell(c, "readlink /proc/self/ns/pid"), readlinkSync(`/proc/${pid}/ns/pid`));
});

test("exec in a container with the host's mount namespace has the container's root", async (c) => {
  await running(c, (config) => withoutNamespaces(config, "mount"));
  assert.equal(await shell(c, "test -x /bin/probe && ls /root/nothing 2>/dev/null || echo inside"), "inside");
  const { rootfs } = await c.state();
  assert.ok(statSync(`${rootfs}/bin/probe`));
});

test("exec --cgroup puts the process into a cgroup below the container's", async (c) => {
  const pid = await running(c);
  const freezer = hierarchyOf("freezer");
  const controllers = freezer ? "freezer" : "";
  const below = `${cgroupDirectory(pid, controllers)}/below`;
  mkdirSync(below);
  const seen = membership((await report(c, ["--cgroup", freezer ? "freezer:below" : "below"])).cgroups);
  const own = cgroupsOf(pid).get(controllers) ?? "";
  assert.equal(seen.get(controllers), `${own}/below`);
});

test("exec --preserve-fds passes descriptors, and no others", async (c) => {
  await running(c);
  const descriptors = [0, 1, 2].map((number) => openSync(c.file(`mark${number}`, ""), "r"));
  const extra = async (flags: string[]): Promise<string[]> =>
    Object.entries((await report(c, flags, { descriptors })).descriptors)
      .filter(([number]) => Number(number) > 2)
      .map(([number, target]) => `${number}=${target.split("/").at(-1)}`);
  assert.deepEqual(await extra([]), []);
  assert.deepEqual(await extra(["--preserve-fds", "2"]), ["3=mark0", "4=mark1"]);
  assert.equal((await exec(c, ["true"], ["--preserve-fds", "9"], { descriptors })).status, 255);
  for (const descriptor of descriptors) closeSync(descriptor);
});

// runc 1.1 has no such flag.
if (isTsrunc) {
  test("exec --pidfd-socket gets a pidfd of the process", async (c) => {
    await running(c);
    const socket = `${c.directory}/pidfd.sock`;
    const receiver = await c.helper("recvfd", ["pidfd", socket]);
    await c.printed(receiver, "listening");
    const file = `${c.directory}/pid`;
    await c.ok(["exec", "-d", "--pid-file", file, "--pidfd-socket", socket, c.id, "sleep", "100"]);
    const pid = Number(readFileSync(file, "utf8"));
    await c.printed(receiver, `pid ${pid}\n`);
    process.kill(pid, "SIGKILL");
    await c.printed(receiver, "ended");
  });
}

test("nothing in the container ever has more privilege than the container, not even before the program is executed", async (c) => {
  const pid = await running(
    c,
    ({ process }) => (process.capabilities = { bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"] }),
  );
  const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
  const most = 1n << 5n; // CAP_KILL
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const begin = performance.now();
    assert.equal((await exec(c, ["sleep", "0"])).status, 0);
    times.push(performance.now() - begin);
  }
  // It is in the container for the last few milliseconds alone.
  const latest = Math.min(...times);
  const earliest = Math.max(0, latest - 10);
  let seen = 0;
  const rounds = latest < 40 ? 150 : 50;
  for (let round = 0; round < rounds; round += 1) {
    const started = await c.startRuntime(["exec", c.id, "sleep", "0"]);
    // Wherever it is then: its process may be anything from not there to ended.
    const until = performance.now() + earliest + ((latest - earliest) * (round % 50)) / 50;
    while (performance.now() < until); // timers are too coarse
    c.defer(() => started.process.kill("SIGCONT"));
    started.process.kill("SIGSTOP");
    for (const status of statusesInside(namespace, pid)) {
      seen += 1;
      for (const set of ["CapPrm", "CapEff", "CapBnd"]) {
        const value: bigint = BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
        assert.equal(value & ~most, 0n, status);
      }
    }
    started.process.kill("SIGCONT");
    assert.equal((await started.wait()).status, 0);
  }
  assert.ok(seen > 0, "no process of exec was seen in the container");
});

test("neither a process of exec nor what joins for it shows a host's descriptor or executable to a container that may trace", async (c) => {
  const bundle = c.bundle({
    args: ["probe", "executables"],
    config: (config) => {
      const all = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"];
      config.process.capabilities = { bounding: all, permitted: all, effective: all };
    },
  });
  const watching = await c.createAndStart(bundle);
  await c.printed(watching, "watching");
  for (let round = 0; round < 20; round += 1) assert.equal((await exec(c, ["sleep", "0.02"])).status, 0);
  const seen = watching.output().trim().split("\n");
  const of = (file: string): string => {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  };
  assert.ok(seen.includes(of(`${bundle.rootfs}/bin/busybox`)), "not even the programs of exec were seen");
  assert.ok(!seen.includes(of(c.program)), seen.join(", "));
});
