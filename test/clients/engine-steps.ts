/**
 * The tests that every container engine must pass with the runtime under test.
 */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { describe, until } from "../integration/harness/execute.js";
import { cgroupDirectory, cgroupMode, readCgroup } from "../integration/harness/cgroups.js";
import { capabilities } from "../integration/harness/report.js";
import type { Report } from "../integration/harness/report.js";
import { checkResize } from "./engine.js";
import type { Engine, EngineTest } from "./engine.js";
import type { SharingTest } from "../integration/harness/suite.js";

/** Declares the tests for one engine. */
export function engineSteps(test: SharingTest<Engine>): void {
  foreground(test);
  lifecycle(test);
  exec(test);
  terminals(test);
  pauseAndLimits(test);
  security(test);
  files(test);
}

/** Runs `probe report` in a container. */
async function report(engine: EngineTest, flags: readonly string[] = []): Promise<Report> {
  const result = await engine.run(flags, "probe", "report");
  assert.equal(result.status, 0, describe(result));
  return JSON.parse(result.stdout) as Report;
}

function foreground(test: SharingTest<Engine>): void {
  test("run prints the output and returns the exit status", async (c, engine) => {
    const result = await engine.in(c).run(["--env", "A=b"], "sh", "-c", "echo out $A $FROM_IMAGE $(pwd); echo problem >&2; exit 23");
    assert.equal(result.status, 23, describe(result));
    assert.equal(result.stdout, "out b yes /home/worker\n");
    assert.match(result.stderr, /problem/);
  });

  test("run returns 127 for a missing program, 126 for one that cannot be executed, 125 for a fault of its own", async (c, engine) => {
    const e = engine.in(c);
    const run = async (message: RegExp, flags: string[], ...command: string[]): Promise<number | null> => {
      const result = await e.run(flags, ...command);
      assert.match(result.stderr, message, describe(result));
      return result.status;
    };
    assert.equal(await run(/executable file.* not found in \$PATH/, [], "nosuch"), 127);
    assert.equal(await run(/no such file or directory/, [], "/no/such"), 127);
    assert.equal(await run(/permission denied/, [], "/etc/passwd"), 126);
    assert.equal(await run(/permission denied/, [], "/etc"), 126);
    assert.equal(await run(/./, ["--no-such-flag"], "true"), 125);
    assert.equal(await run(/./, ["--workdir", "/etc/passwd"], "true").then((status) => status === 0), false);
  });

  test("run returns 128 and the number of the signal that ended the program", async (c, engine) => {
    assert.equal((await engine.in(c).run(["--init"], "sh", "-c", "kill -KILL $$")).status, 137);
    assert.equal((await engine.in(c).run(["--init"], "sh", "-c", "kill -USR1 $$")).status, 138);
  });

  test("run --interactive hands on standard input", async (c, engine) => {
    const e = engine.in(c);
    const result = await e.call(["run", ...e.commandLine.runFlags, "--rm", "-i", "example.org/busybox:test", "sh", "-c", "cat; echo end"], {
      input: "first\nsecond\n",
    });
    assert.equal(result.stdout, "first\nsecond\nend\n", describe(result));
  });

  test("run --init makes the engine's init process 1, which reaps", async (c, engine) => {
    const reaped = "for i in $(seq 100); do if ps -o stat | grep -q Z; then sleep 0.05; else echo reaped; break; fi; done";
    const [first, ...rest] = await engine.in(c).lines(["--init"], `cat /proc/1/comm; (true &); ${reaped}`);
    assert.match(first ?? "", /^(docker-init|podman-init|tini)$/);
    assert.deepEqual(rest, ["reaped"]);
  });

  test("eight containers at once", async (c, engine) => {
    const e = engine.in(c);
    const runs = Array.from({ length: 8 }, (_, number) => e.run([], "sh", "-c", `echo ${number}; exit ${number}`));
    for (const [number, result] of (await Promise.all(runs)).entries()) {
      assert.equal(result.status, number, describe(result));
      assert.equal(result.stdout, `${number}\n`);
    }
  });
}

function lifecycle(test: SharingTest<Engine>): void {
  test("a detached container is killed, started again and removed", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const status = (): Promise<string> => e.inspect(name, "{{.State.Status}} {{.State.ExitCode}}");
    assert.equal(await status(), "running 0");
    await e.ok("kill", "--signal", "INT", name);
    assert.equal(await e.ok("wait", name), "3"); // probe wait exits with 3 on SIGINT
    assert.equal(await status(), "exited 3");
    await e.ok("start", name);
    await e.ok("kill", name);
    assert.equal(await e.ok("wait", name), "137");
    assert.equal(await status(), "exited 137");
    await e.ok("start", name);
    await e.ok("rm", "--force", name);
  });

  test("create and start are two steps, and start --attach returns the exit status", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.created([], "sh", "-c", "echo started; exit 4");
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "created");
    const result = await e.call(["start", "--attach", name]);
    assert.equal(result.stdout, "started\n", describe(result));
    assert.equal(result.status, 4, describe(result));
  });

  test("logs has what a container wrote, and logs --follow ends with it", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "sh", "-c", "echo early; echo problem >&2; read x </dev/zero & probe wait; echo late");
    const follow = await e.start(["logs", "--follow", name]);
    await until("the log is followed", () => follow.output().includes("ready"));
    await e.ok("kill", "--signal", "TERM", name); // the shell ignores TERM; the next line ends the container
    await e.ok("stop", "--time", "0", name);
    const followed = await follow.wait();
    assert.equal(followed.timedOut, false, describe(followed));
    const logs = await e.call(["logs", name]);
    assert.match(logs.stdout, /^early\nready\n/, describe(logs));
    assert.match(logs.stderr, /problem/);
  });

  test("stop asks by SIGTERM or the stop signal, and kills when the time is over", async (c, engine) => {
    const e = engine.in(c);
    const willing = await e.detached([], "probe", "wait");
    await e.ok("stop", willing);
    assert.equal(await e.inspect(willing, "{{.State.ExitCode}}"), "0"); // probe wait exits with 0 on SIGTERM
    const other = await e.detached(["--stop-signal", "INT"], "probe", "wait");
    await e.ok("stop", other);
    assert.equal(await e.inspect(other, "{{.State.ExitCode}}"), "3");
    const unwilling = await e.detached([], "sleep", "1000"); // PID 1 ignores signals without a handler
    await e.ok("stop", "--time", "1", unwilling);
    assert.equal(await e.inspect(unwilling, "{{.State.ExitCode}}"), "137");
  });

  test("restart gives the container another process", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const before = await e.pid(name);
    await e.ok("restart", name);
    assert.notEqual(await e.pid(name), before);
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "running");
  });

  test("--restart on-failure:2 starts a failing container twice more", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--restart", "on-failure:2"], "sh", "-c", "echo once; exit 5");
    await until(
      "the container has given up",
      async () => (await e.inspect(name, "{{.RestartCount}} {{.State.Status}}")) === "2 exited",
      20,
    );
    assert.equal(await e.inspect(name, "{{.State.ExitCode}}"), "5");
    assert.equal(await e.ok("logs", name), "once\nonce\nonce");
  });

  test("--restart always and unless-stopped start what ended again, until stop", async (c, engine) => {
    const e = engine.in(c);
    for (const policy of ["always", "unless-stopped"]) {
      const name = await e.detached(["--restart", policy], "probe", "wait");
      const pid = await e.pid(name);
      // Do not use the engine's kill, after which the engine does not restart the container. Ignore the status of the exec: podman may lose it if
      // the container restarts meanwhile.
      await e.call(["exec", name, "sh", "-c", "kill -TERM 1"]);
      await until("the container runs again", async () => {
        const [count, status, now] = (await e.inspect(name, "{{.RestartCount}} {{.State.Status}} {{.State.Pid}}")).split(" ");
        return count === "1" && status === "running" && Number(now) !== pid;
      });
      await e.ok("stop", name);
      assert.equal(await e.inspect(name, "{{.RestartCount}} {{.State.Status}}"), "1 exited");
    }
  });

  test("--pid and --ipc container: join another container's namespaces", async (c, engine) => {
    const e = engine.in(c);
    const first = await e.detached(["--ipc", "shareable"], "probe", "wait");
    const shared = ["--pid", `container:${first}`, "--ipc", `container:${first}`];
    const namespaces = (pid: string): string => `for n in pid ipc; do readlink /proc/${pid}/ns/$n; done`;
    const inside = await e.lines(shared, `${namespaces("self")}; ${namespaces("1")}`);
    assert.deepEqual(inside.slice(0, 2), inside.slice(2));
  });

  test("the processes of a container that shares its engine's pid namespace end with it", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--pid", "host"], "sh", "-c", "sleep 1000 & echo started; wait");
    await until("the container has started", async () => (await e.ok("logs", name)).includes("started"));
    const tasks = (): string => readCgroup(cgroup, cgroupMode() === "v2" ? "cgroup.procs" : "tasks") ?? "";
    const cgroup = cgroupDirectory(await e.pid(name), "pids");
    assert.equal(tasks().split("\n").length, 2);
    await e.ok("kill", name);
    await until("no process is left", () => tasks() === "");
  });
}

function exec(test: SharingTest<Engine>): void {
  test("exec prints the output and returns the exit status", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--env", "A=b"], "probe", "wait");
    const result = await e.call(["exec", "--env", "C=d", name, "sh", "-c", "echo out $A $C $FROM_IMAGE $(pwd); echo problem >&2; exit 23"]);
    assert.equal(result.stdout, "out b d yes /home/worker\n", describe(result));
    assert.match(result.stderr, /problem/);
    assert.equal(e.execStatus(result), 23, describe(result));
    assert.equal(e.execStatus(await e.call(["exec", name, "sh", "-c", "kill -KILL $$"])), 137);
  });

  test("exec runs in the container's namespaces, cgroup and root, by the container's rights", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--cap-drop", "ALL", "--cap-add", "CHOWN", "--user", "1000:1001"], "probe", "wait");
    const compared =
      "for n in cgroup ipc mnt net pid uts; do readlink /proc/$p/ns/$n; done; grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/$p/status";
    const [of1, ofExec] = await Promise.all(
      ["1", "self"].map((pid) => e.ok("exec", name, "sh", "-c", `p=${pid}; ${compared}; cat /proc/$p/cgroup`)),
    );
    assert.equal(ofExec, of1);
    assert.equal(await e.ok("exec", name, "id", "-u"), "1000");
  });

  test("exec with another user, working directory and --privileged", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    assert.equal(
      await e.ok("exec", "--user", "worker", "--workdir", "/usr", name, "sh", "-c", "echo $(id -u) $(id -g) $(pwd)"),
      "1000 1000 /usr",
    );
    assert.equal(await e.ok("exec", "--user", "1000:2000", name, "sh", "-c", "echo $(id -u) $(id -g)"), "1000 2000");
  });

  test("exec of a program that is missing or cannot be executed fails with 127 or 126", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const exec = async (message: RegExp, program: string): Promise<number | null> => {
      const result = await e.call(["exec", name, program]);
      assert.match(result.stdout + result.stderr, message, describe(result));
      return result.status;
    };
    // Docker prints the error of an exec on standard output, and does not distinguish the two kinds.
    assert.equal(await exec(/executable file .*not found in \$PATH/, "nosuch"), e.commandLine.name === "docker" ? 126 : 127);
    assert.equal(await exec(/permission denied/, "/etc/passwd"), 126);
  });

  test("exec hands on standard input", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const result = await e.call(["exec", "-i", name, "cat"], { input: "typed\n" });
    assert.equal(result.stdout, "typed\n", describe(result));
  });

  test("exec --detach leaves a process in the container", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    await e.ok("exec", "--detach", name, "sh", "-c", "echo $$ >/tmp/pid; sleep 1000");
    await until("the process runs", async () => (await e.call(["exec", name, "test", "-s", "/tmp/pid"])).status === 0);
    await e.ok("exec", name, "sh", "-c", "kill -0 $(cat /tmp/pid)");
  });

  test("exec into a container that has stopped is refused", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    await e.ok("kill", name);
    await e.ok("wait", name);
    await e.fails(["exec", name, "true"], /not running|container state improper|only.*running|in a stopped state/);
  });

  test("ten exec at once lose no exit status", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const calls = Array.from({ length: 10 }, (_, number) => e.call(["exec", name, "sh", "-c", `echo ${number}; exit ${number}`]));
    for (const [number, result] of (await Promise.all(calls)).entries()) {
      assert.equal(e.execStatus(result), number, describe(result));
      assert.equal(result.stdout, `${number}\n`, describe(result));
    }
  });

  test("a health check by exec makes the container healthy, then unhealthy", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(
      ["--health-cmd", "test ! -e /tmp/ill", "--health-interval", "1s", "--health-retries", "1", "--health-start-period", "0s"],
      ...["probe", "wait"],
    );
    const health = async (): Promise<string> => {
      // Without systemd, podman runs health checks only on request.
      if (e.commandLine.name === "podman") await e.call(["healthcheck", "run", name]);
      return e.inspect(name, "{{.State.Health.Status}}");
    };
    await until("the container is healthy", async () => (await health()) === "healthy", 20);
    await e.ok("exec", name, "touch", "/tmp/ill");
    await until("the container is unhealthy", async () => (await health()) === "unhealthy", 20);
  });
}

function terminals(test: SharingTest<Engine>): void {
  test("run -it gives a terminal, which follows the size of the caller's", async (c, engine) => {
    const terminal = engine.in(c).runTerminal([], "sh", "-c", "echo on $(tty); read line; echo got $line; probe winsize; exit 9");
    await terminal.shows(/on \/dev\/(pts\/0|console)\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    await checkResize(terminal);
    terminal.type("\r");
    assert.equal(await terminal.end(), "exited 9");
  });

  test("exec -it gives a terminal, which follows the size of the caller's", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const terminal = e.terminal("exec", "-it", name, "sh", "-c", "echo on $(tty); read line; echo got $line; probe winsize; exit 9");
    await terminal.shows(/on \/dev\/pts\/\d+\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    await checkResize(terminal);
    terminal.type("\r");
    if (e.commandLine.name === "nerdctl") await terminal.shows("exec failed with exit code 9");
    else assert.equal(await terminal.end(), "exited 9");
  });

  test("attach shows the output of a running container and detaches by its key", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["-it"], "sh", "-c", "while read line; do echo got $line; done");
    const terminal = e.terminal("attach", "--detach-keys", "ctrl-x", name);
    await until("the terminal is attached", () => terminal.isRaw());
    terminal.type("typed\r");
    await terminal.shows("got typed");
    terminal.type("\u0018");
    await terminal.end();
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "running");
  });
}

function pauseAndLimits(test: SharingTest<Engine>): void {
  const v2 = cgroupMode() === "v2";

  test("pause freezes the container and unpause lets it go on", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    const freezer = cgroupDirectory(await e.pid(name), v2 ? "" : "freezer");
    const state = (): string | undefined => (v2 ? readCgroup(freezer, "cgroup.freeze") : readCgroup(freezer, "freezer.state"));
    await e.ok("pause", name);
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "paused");
    assert.equal(state(), v2 ? "1" : "FROZEN");
    await e.fails(["exec", name, "true"], /paused|container state improper/);
    await e.ok("unpause", name);
    assert.equal(state(), v2 ? "0" : "THAWED");
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "running");
    await e.ok("stop", name);
    assert.equal(await e.inspect(name, "{{.State.ExitCode}}"), "0");
  });

  test("a paused container can be removed by force", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    await e.ok("pause", name);
    await e.ok("rm", "--force", name);
  });

  test("top lists the container's processes", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "sh", "-c", "sleep 1000 & probe wait");
    await until("all processes run", async () => /probe wait/.test(await e.ok("top", name)) && /sleep 1000/.test(await e.ok("top", name)));
    const pids = (await e.ok("top", name, ...(e.commandLine.name === "podman" ? ["hpid"] : ["-o", "pid"])))
      .split("\n")
      .slice(1)
      .map((line) => Number(line.trim()));
    assert.equal(pids.includes(await e.pid(name)), true, `${pids.join(" ")} has not ${await e.pid(name)}`);
  });

  test("stats tells the limits and the number of processes", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--memory", "64m"], "sh", "-c", "sleep 1000 & wait");
    const format = "{{.MemUsage}} {{.PIDs}}";
    await until("both processes are counted", async () =>
      /\/ (64MiB|67\.1\dMB) 2$/.test(await e.ok("stats", "--no-stream", "--format", format, name)),
    );
  });

  test("--memory, --cpus, --cpuset-cpus, --pids-limit and --cpu-shares are the cgroup's", async (c, engine) => {
    const e = engine.in(c);
    const flags = [
      "--memory",
      "64m",
      "--memory-swap",
      "64m",
      "--cpus",
      "0.5",
      "--cpuset-cpus",
      "0",
      "--pids-limit",
      "20",
      "--cpu-shares",
      "100",
    ];
    const pid = await e.pid(await e.detached(flags, "probe", "wait"));
    const read = (controller: string, file: string): string | undefined => readCgroup(cgroupDirectory(pid, controller), file);
    assert.equal(read("pids", "pids.max"), "20");
    assert.equal(read("cpuset", "cpuset.cpus"), "0");
    assert.equal(read("memory", v2 ? "memory.max" : "memory.limit_in_bytes"), String(64 << 20));
    assert.equal(read("cpu", v2 ? "cpu.max" : "cpu.cfs_quota_us"), v2 ? "50000 100000" : "50000");
    if (!v2) assert.equal(read("cpu", "cpu.shares"), "100");
  });

  test("update changes the limits of a running container", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached(["--memory", "64m", "--memory-swap", "64m", "--pids-limit", "20"], "probe", "wait");
    const pid = await e.pid(name);
    const read = (controller: string, file: string): string | undefined => readCgroup(cgroupDirectory(pid, controller), file);
    await e.ok("update", "--memory", "96m", "--memory-swap", "96m", "--cpu-shares", "200", "--cpuset-cpus", "1", name);
    assert.equal(read("memory", v2 ? "memory.max" : "memory.limit_in_bytes"), String(96 << 20));
    assert.equal(read("cpuset", "cpuset.cpus"), "1");
    if (!v2) assert.equal(read("cpu", "cpu.shares"), "200");
    assert.equal(read("pids", "pids.max"), "20");
  });

  test("--pids-limit refuses one process more", async (c, engine) => {
    const result = await engine.in(c).run(["--pids-limit", "5"], "sh", "-c", "for i in 1 2 3 4 5 6 7; do sleep 1000 & done; echo started");
    assert.notEqual(result.status, 0, describe(result));
    assert.match(result.stderr, /can't fork/, describe(result));
  });

  test("a container that takes more memory than it may is killed", async (c, engine) => {
    const result = await engine.in(c).run(["--memory", "16m", "--memory-swap", "16m"], "tail", "/dev/zero");
    assert.equal(result.status, 137, describe(result));
  });

  test("--ulimit, --oom-score-adj, --hostname and --group-add reach the process", async (c, engine) => {
    const flags = [
      "--ulimit",
      "nofile=512:1024",
      "--ulimit",
      "core=0:0",
      "--oom-score-adj",
      "500",
      "--hostname",
      "inside",
      "--user",
      "1000:1001",
      "--group-add",
      "7",
    ];
    const seen = await report(engine.in(c), flags);
    assert.deepEqual(
      [seen.rlimits["RLIMIT_NOFILE"], seen.rlimits["RLIMIT_CORE"]],
      [
        ["512", "1024"],
        ["0", "0"],
      ],
    );
    assert.deepEqual([seen.oomScoreAdj.trim(), seen.hostname, seen.uid[0], seen.gid[0]], ["500", "inside", 1000, 1001]);
    assert.equal(seen.groups.includes(7), true);
  });
}

function security(test: SharingTest<Engine>): void {
  test("--cap-drop and --cap-add make the capability sets", async (c, engine) => {
    const e = engine.in(c);
    const seen = await report(e, ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "NET_RAW"]);
    for (const set of [seen.effective, seen.permitted, seen.bounding]) assert.deepEqual(capabilities(set), ["CAP_CHOWN", "CAP_NET_RAW"]);
    assert.equal(seen.inheritable, "0000000000000000");
    assert.equal(capabilities((await report(e)).bounding).includes("CAP_SYS_ADMIN"), false);
  });

  test("no-new-privileges is set by its option alone", async (c, engine) => {
    const e = engine.in(c);
    assert.equal((await report(e, ["--security-opt", "no-new-privileges"])).noNewPrivileges, 1);
    assert.equal((await report(e)).noNewPrivileges, 0);
  });

  test("seccomp: the engine's profile, one from a file, and none", async (c, engine) => {
    const e = engine.in(c);
    assert.equal((await report(e)).seccomp, 2);
    assert.equal((await report(e, ["--security-opt", "seccomp=unconfined"])).seccomp, 0);
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
    };
    const file = c.file("profile.json", JSON.stringify(profile));
    const [refused, other] = await e.lines(["--security-opt", `seccomp=${file}`], "mkdir /tmp/x 2>&1; touch /tmp/y && echo touched");
    assert.match(refused ?? "", /Operation not supported|Not supported/);
    assert.equal(other, "touched");
  });

  test("--read-only leaves only mounts writable", async (c, engine) => {
    const lines = await engine
      .in(c)
      .lines(
        ["--read-only", "--tmpfs", "/mnt:size=64k"],
        "touch /x 2>&1; touch /mnt/x && echo written; df -k /mnt | tail -1 | awk '{print $2}'",
      );
    assert.match(lines[0] ?? "", /Read-only file system/);
    assert.deepEqual(lines.slice(1), ["written", "64"]);
  });

  test("--tmpfs is writable for a plain user", async (c, engine) => {
    const lines = await engine.in(c).lines(["--user", "1000:1000", "--tmpfs", "/mnt"], "touch /mnt/x && stat -c '%a %u' /mnt /mnt/x");
    assert.deepEqual(lines, ["1777 0", "644 1000"]);
  });

  test("--device makes a device with the rights given", async (c, engine) => {
    const line =
      "stat -c '%a %F %t:%T' /dev/nothing; head -c1 /dev/nothing | wc -c; sh -c 'echo x >/dev/nothing' 2>&1; head -c1 /dev/zero | wc -c; (mknod /tmp/kmsg c 1 11 && head -c1 /tmp/kmsg) 2>&1; true";
    const [made, read, written, zero, other] = await engine.in(c).lines(["--device", "/dev/full:/dev/nothing:r"], line);
    assert.deepEqual([made, read, zero], ["666 character special file 1:7", "1", "1"]);
    assert.match(written ?? "", /Operation not permitted|No space left/); // every container may use the device `full`, under any name
    assert.match(other ?? "", /Operation not permitted/);
  });

  test("masked and read-only paths of /proc and /sys", async (c, engine) => {
    const line = "cat /proc/timer_list | wc -c; sh -c 'echo x >/proc/sys/kernel/hostname' 2>&1; touch /sys/x 2>&1; true";
    const [core, ...refused] = await engine.in(c).lines([], line);
    assert.equal(core, "0");
    for (const text of refused) assert.match(text, /Read-only file system/);
    assert.equal(refused.length, 2);
  });

  test("--sysctl sets one of the container's namespaces", async (c, engine) => {
    assert.deepEqual(
      await engine
        .in(c)
        .lines(
          ["--sysctl", "kernel.shmmax=65536", "--sysctl", "net.ipv4.ip_forward=1"],
          "cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward",
        ),
      ["65536", "1"],
    );
  });

  test("--cgroupns private hides the host's cgroups, host shows them", async (c, engine) => {
    const e = engine.in(c);
    const controller = v1OrUnified();
    const own = await e.lines(["--cgroupns", "private"], `grep ${controller} /proc/self/cgroup`);
    assert.match(own.join(), /:\/$/);
    const host = await e.lines(["--cgroupns", "host"], `grep ${controller} /proc/self/cgroup`);
    assert.match(host.join(), /:\/.+$/);
  });
}

function v1OrUnified(): string {
  return cgroupMode() === "v2" ? "^0::" : ":memory:";
}

function files(test: SharingTest<Engine>): void {
  test("bind mounts, read-only and propagated, and a volume that copies the image's folder", async (c, engine) => {
    const e = engine.in(c);
    const source = c.folder("source");
    chmodSync(source, 0o755);
    writeFileSync(`${source}/f`, "bound\n");
    const flags = ["--mount", `type=bind,src=${source},dst=/mnt,ro`, "--volume", `${source}:/srv:rw`, "--volume", "/etc"];
    const lines = await e.lines(flags, "cat /mnt/f; touch /mnt/x 2>&1; echo new >/srv/g; grep -c root /etc/passwd");
    assert.equal(lines[0], "bound");
    assert.match(lines[1] ?? "", /Read-only file system/);
    assert.equal(lines[2], "1");
    assert.equal(readFileSync(`${source}/g`, "utf8"), "new\n");
  });

  test("cp copies into and out of a running container", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "sh", "-c", "while test ! -e /tmp/in; do sleep 0.05; done; cat /tmp/in; probe wait");
    const file = c.file("in", "copied\n");
    await e.ok("cp", file, `${name}:/tmp/in`);
    await until("the container has read the file", async () => (await e.ok("logs", name)).startsWith("copied"));
    await e.ok("cp", `${name}:/etc/passwd`, `${c.directory}/out`);
    assert.match(readFileSync(`${c.directory}/out`, "utf8"), /^root:/);
  });

  test("commit of a running container pauses it and makes an image", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "sh", "-c", "echo kept >/home/file; probe wait");
    await until("the file is written", async () => (await e.ok("logs", name)).includes("ready"));
    const committed = `example.org/committed:${c.id}`;
    await e.ok("commit", "--pause", name, committed);
    c.defer(() => e.ok("rmi", committed));
    const result = await e.call(["run", ...e.commandLine.runFlags, "--rm", committed, "cat", "/home/file"]);
    assert.equal(result.stdout, "kept\n", describe(result));
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "running");
  });
}
