/**
 * The tests for each version of containerd, through ctr. containerd uses its stock shim, with the runtime as BinaryName.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, path, until } from "../integration/harness/execute.js";
import { cgroupDirectory, cgroupMode, readCgroup } from "../integration/harness/cgroups.js";
import { fixture } from "../integration/harness/environment.js";
import { image, imageArchive } from "../integration/harness/image.js";
import { Terminal } from "../integration/harness/terminal.js";
import { stopLater, checkResize, makeParentCgroups, checkStateRootLater } from "./engine.js";
import type { Context } from "../integration/harness/context.js";
import type { Result } from "../integration/harness/execute.js";
import type { SharingTest } from "../integration/harness/suite.js";

/** The location and configuration of a version of containerd. */
export interface Installation {
  /** The folder of containerd, its shim and ctr. */
  programs: string;
  /** The script that installs them. */
  installer: string;
  /** The version of the configuration file's format. */
  configVersion: number;
  /** Plugins that the tests do not need. */
  disabledPlugins: readonly string[];
}

/** The environment of containerd and ctr. */
export function environmentFor(installation: Installation): Record<string, string> {
  return { PATH: `${installation.programs}:${path}` };
}

/** A containerd with its own folders and socket. Its namespace and its parent cgroup are named after the test that starts it. */
export class Containerd {
  readonly #options: string[];

  private constructor(
    readonly installation: Installation,
    readonly address: string,
    readonly namespace: string,
    readonly runtime: string,
  ) {
    this.#options = ["--address", address, "--namespace", namespace];
  }

  static async start(c: Context, installation: Installation): Promise<Containerd> {
    const { programs, installer, configVersion, disabledPlugins } = installation;
    if (!existsSync(`${programs}/ctr`)) c.skip(`${programs}/ctr is missing: ${installer}`);
    const config = c.file(
      "containerd.toml",
      `version = ${configVersion}\nroot = "${c.directory}/root"\nstate = "${c.directory}/st"\ndisabled_plugins = ${JSON.stringify(disabledPlugins)}\n` +
        `[grpc]\n  address = "${c.directory}/c.sock"\n[ttrpc]\n  address = "${c.directory}/c.sock.ttrpc"\n`,
    );
    makeParentCgroups(c);
    checkStateRootLater(c, `/run/containerd/runc/${c.id}`);
    const daemon = await c.spawn(`${programs}/containerd`, ["--config", config], { env: environmentFor(installation) });
    stopLater(c, daemon);
    const containerd = new Containerd(installation, `${c.directory}/c.sock`, c.id, c.program);
    await until("containerd answers", async () => (await containerd.in(c).ctr("version")).status === 0);
    await containerd.in(c).ok("image", "import", imageArchive(c));
    return containerd;
  }

  in(c: Context): Ctr {
    return new Ctr(c, this.installation, this.#options, this.runtime);
  }
}

/** `ctr` in one test. */
class Ctr {
  constructor(
    readonly c: Context,
    readonly installation: Installation,
    readonly options: readonly string[],
    readonly runtime: string,
  ) {}

  /** The path of ctr, and its environment. */
  get client(): { program: string; env: Record<string, string> } {
    return { program: `${this.installation.programs}/ctr`, env: environmentFor(this.installation) };
  }

  async ctr(...args: readonly string[]): Promise<Result> {
    const { program, env } = this.client;
    const started = await this.c.spawn(program, [...this.options, ...args], { env });
    const result = await started.wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  /** Runs a command, which must exit with 0. Returns its output. */
  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.ctr(...args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout;
  }

  /** Calls `ctr run --rm`. The container's ID is the test's. */
  run(flags: readonly string[], ...command: readonly string[]): Promise<Result> {
    return this.ctr(...this.#runArguments(["--rm", ...flags], this.c.id, command));
  }

  #runArguments(flags: readonly string[], id: string, command: readonly string[]): string[] {
    return ["run", "--runc-binary", this.runtime, ...flags, image, id, ...command];
  }

  /** Calls `ctr run --detach`, and removes the task and its container after the test. */
  async detached(flags: readonly string[], ...command: readonly string[]): Promise<string> {
    const { id } = this.c;
    this.c.defer(async () => {
      await this.ctr("task", "delete", "--force", id);
      await this.ctr("container", "delete", id);
      assert.doesNotMatch(await this.ok("container", "list", "--quiet"), new RegExp(`^${id}$`, "m"));
    });
    await this.ok(...this.#runArguments(["--detach", ...flags], id, command));
    return id;
  }

  async status(id: string): Promise<string | undefined> {
    const line = (await this.ok("task", "list")).split("\n").find((entry) => entry.startsWith(`${id} `));
    return line?.trim().split(/\s+/)[2];
  }

  async pid(id: string): Promise<number> {
    return Number(new RegExp(`^${id}\\s+(\\d+)`, "m").exec(await this.ok("task", "list"))?.[1]);
  }

  /** Calls `ctr task exec` in a detached container. */
  exec(id: string, flags: readonly string[], ...command: readonly string[]): Promise<Result> {
    return this.ctr("task", "exec", "--exec-id", `e${String(Math.random()).slice(2)}`, ...flags, id, ...command);
  }

  terminal(...args: readonly string[]): Terminal {
    return new Terminal(this.c, this.client.program, [...this.options, ...args]);
  }

  runTerminal(...command: readonly string[]): Terminal {
    return this.terminal(...this.#runArguments(["--rm", "--tty"], this.c.id, command));
  }
}

type Stream = "stdout" | "stderr";

/**
 * Runs ctr with a task that writes to each of `streams`. If one of them is empty, tries again up to five times.
 * With any runtime, ctr can lose a whole stream but return the right status. It opens the FIFO in another thread. If the task ends before that
 * thread runs, for example on a busy machine, the removal of the task cancels the open.
 * (`strace -P /proc/self/fd/N -e inject=openat:delay_exit=3000000 ctr run ...`, with N from an earlier trace, reproduces it each time.)
 */
async function printed(streams: readonly Stream[], call: () => Promise<Result>): Promise<Result> {
  let result = await call();
  for (let again = 0; again < 5 && streams.some((stream) => result[stream] === ""); again++) result = await call();
  return result;
}

/** Declares the tests for one containerd. */
export function containerdSteps(test: SharingTest<Containerd>): void {
  test("ctr run --rm prints the output and returns the exit status", async (c, containerd) => {
    const e = containerd.in(c);
    const result = await printed(["stdout", "stderr"], () =>
      e.run([], "sh", "-c", "echo hello from $(pwd) with $FROM_IMAGE; echo problem >&2; exit 23"),
    );
    assert.equal(result.status, 23, describe(result));
    assert.equal(result.stdout, "hello from /home/worker with yes\n");
    assert.match(result.stderr, /problem/);
    assert.equal(await e.ok("task", "ls", "-q"), "");
  });

  test("ctr run with a root file system of its own", async (c, containerd) => {
    const { rootfs } = c.bundle();
    const run = ["run", "--rm", "--runc-binary", c.program, "--rootfs", rootfs, c.id, "/bin/id", "-u"];
    const result = await printed(["stdout"], () => containerd.in(c).ctr(...run));
    assert.equal(result.status, 0, describe(result));
    assert.equal(result.stdout, "0\n");
  });

  test("ctr run reports a program that is missing", async (c, containerd) => {
    const result = await containerd.in(c).run([], "nosuchprogram");
    assert.notEqual(result.status, 0);
    assert.match(result.stderr, /exec: "nosuchprogram": executable file not found in \$PATH/, describe(result));
  });

  test("a detached task goes through its life: start, signal, wait, delete", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    assert.equal(await e.status(id), "RUNNING");
    await e.ok("task", "kill", "--signal", "SIGINT", id);
    await until("the task has stopped", async () => (await e.status(id)) === "STOPPED");
    const deleted = await e.ctr("task", "delete", id);
    assert.match(deleted.stderr, /exit code 3\b/, describe(deleted)); // probe wait exits with 3 on SIGINT
    await e.ok("container", "delete", id);
  });

  test("ctr task kill --signal KILL ends a task with 137", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    await e.ok("task", "kill", "-s", "KILL", id);
    await until("the task has stopped", async () => (await e.status(id)) === "STOPPED");
    assert.match((await e.ctr("task", "delete", id)).stderr, /exit code 137\b/);
  });

  test("ctr task kill --all signals every process", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "sh", "-c", "trap 'exit 7' USR1; probe wait & wait; exit 8");
    const pids = async (): Promise<string> => e.ok("task", "ps", id);
    await until("both processes run", async () => (await pids()).trim().split("\n").length === 3);
    await e.ok("task", "kill", "--all", "--signal", "USR1", id);
    await until("the task has stopped", async () => (await e.status(id)) === "STOPPED");
    assert.match((await e.ctr("task", "delete", id)).stderr, /exit code 7\b/);
  });

  test("ctr task delete --force ends a running task", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "sleep", "1000");
    await e.ctr("task", "delete", "--force", id);
    assert.equal(await e.ok("task", "ls", "-q"), "");
  });

  test("ctr run with limits, mounts, the host's network and environment", async (c, containerd) => {
    const source = c.folder("source");
    writeFileSync(`${source}/f`, "bound\n");
    const flags = [
      "--memory-limit",
      "33554432",
      "--env",
      "A=b",
      "--net-host",
      "--mount",
      `type=bind,src=${source},dst=/mnt,options=rbind:ro`,
    ];
    const result = await printed(["stdout"], () =>
      containerd.in(c).run(flags, "sh", "-c", "cat /mnt/f; echo $A; touch /mnt/x 2>&1; ls /sys/class/net"),
    );
    assert.equal(result.status, 0, describe(result));
    const lines = result.stdout.split("\n");
    assert.deepEqual(lines.slice(0, 2), ["bound", "b"]);
    assert.match(lines[2] ?? "", /Read-only file system/);
  });

  test("ctr run --seccomp, --read-only, --device and --cap-drop", async (c, containerd) => {
    const flags = ["--seccomp", "--read-only", "--device", "/dev/fuse", "--cap-drop", "CAP_CHOWN"];
    const result = await printed(["stdout"], () =>
      containerd.in(c).run(flags, "sh", "-c", "grep Seccomp: /proc/self/status; touch /x 2>&1; ls /dev/fuse"),
    );
    const lines = result.stdout.replaceAll("\t", " ").trim().split("\n");
    assert.deepEqual([lines[0], lines[2]], ["Seccomp: 2", "/dev/fuse"], describe(result));
    assert.match(lines[1] ?? "", /Read-only file system/);
  });

  test("ctr run --seccomp-profile applies a profile from a file", async (c, containerd) => {
    const profile = c.file("docker.json", fixture("seccomp/docker.json"));
    const result = await printed(["stdout"], () =>
      containerd.in(c).run(["--seccomp", "--seccomp-profile", profile], "grep", "Seccomp:", "/proc/self/status"),
    );
    assert.equal(result.stdout, "Seccomp:\t2\n", describe(result));
  });

  test("ctr run --tty gives a terminal, which follows the size of the caller's", async (c, containerd) => {
    const terminal = containerd.in(c).runTerminal("sh", "-c", "echo on $(tty); read line; echo got $line; probe winsize; exit 9");
    await terminal.shows(/on \/dev\/(pts\/0|console)\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    await checkResize(terminal);
    terminal.type("\r");
    assert.equal(await terminal.end(), "exited 9");
  });

  test("ctr task exec prints the output and returns the exit status", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached(["--env", "A=b"], "probe", "wait");
    const result = await printed(["stdout", "stderr"], () =>
      e.exec(id, ["--cwd", "/usr"], "sh", "-c", "echo out $A $(pwd); echo problem >&2; exit 23"),
    );
    assert.equal(result.stdout, "out b /usr\n", describe(result));
    assert.match(result.stderr, /problem/);
    assert.equal(result.status, 23);
    assert.equal(
      (await printed(["stdout"], () => e.exec(id, ["--user", "1000:2000"], "sh", "-c", "echo $(id -u) $(id -g)"))).stdout,
      "1000 2000\n",
    );
  });

  test("ctr task exec --tty gives a terminal", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    const terminal = e.terminal(
      "task",
      "exec",
      "--exec-id",
      "e1",
      "--tty",
      id,
      "sh",
      "-c",
      "echo on $(tty); read line; echo got $line; exit 9",
    );
    await terminal.shows(/on \/dev\/pts\/\d+\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    assert.equal(await terminal.end(), "exited 9");
  });

  test("ctr task exec of a program that is missing says so", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    const result = await e.exec(id, [], "nosuch");
    assert.notEqual(result.status, 0, describe(result));
    assert.match(result.stderr, /exec: "nosuch": executable file not found in \$PATH/, describe(result));
  });

  test("ten ctr task exec at once lose no exit status", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    const calls = Array.from({ length: 10 }, (_, number) =>
      printed(["stdout"], () => e.exec(id, [], "sh", "-c", `echo ${number}; exit ${number}`)),
    );
    for (const [number, result] of (await Promise.all(calls)).entries()) {
      assert.equal(result.status, number, describe(result));
      assert.equal(result.stdout, `${number}\n`, describe(result));
    }
  });

  test("ctr task pause and resume", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    const v2 = cgroupMode() === "v2";
    const freezer = cgroupDirectory(await e.pid(id), v2 ? "" : "freezer");
    const state = (): string | undefined => readCgroup(freezer, v2 ? "cgroup.freeze" : "freezer.state");
    await e.ok("task", "pause", id);
    assert.equal(await e.status(id), "PAUSED");
    assert.equal(state(), v2 ? "1" : "FROZEN");
    await e.ok("task", "resume", id);
    assert.equal(await e.status(id), "RUNNING");
    assert.equal(state(), v2 ? "0" : "THAWED");
  });

  test("ctr task ps lists the container's processes and those of exec", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "sh", "-c", "sleep 1000 & wait");
    const lines = async (): Promise<string[]> => (await e.ok("task", "ps", id)).trim().split("\n").slice(1);
    await until("both processes are listed", async () => (await lines()).length === 2);
    const pid = await e.pid(id);
    assert.equal(
      (await lines()).some((line) => line.startsWith(`${pid} `)),
      true,
    );
  });

  test("ctr task metrics tells memory and the number of processes", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached(["--memory-limit", "33554432"], "probe", "wait");
    const metrics = JSON.parse(await e.ok("task", "metrics", "--format", "json", id)) as {
      pids: { current: string };
      memory: { usage: { limit: string } };
    };
    assert.equal(metrics.pids.current, 1);
    assert.equal(metrics.memory.usage.limit, 33554432);
  });

  test("an OOM kill is reported as an event before the exit", async (c, containerd) => {
    const e = containerd.in(c);
    const events = await c.companion(e.client.program, [...e.options, "events"], { env: e.client.env });
    const id = await e.detached(["--memory-limit", "16777216"], "probe", "wait");
    const seen = (): string[] =>
      events
        .output()
        .split("\n")
        .filter((line) => line.includes(`"${id}"`));
    await until("events are heard", () => seen().some((line) => line.includes("/tasks/start")));
    assert.equal((await e.exec(id, [], "tail", "/dev/zero")).status, 137);
    await until("the event oom", () => seen().some((line) => line.includes("/tasks/oom")));
  });

  test("the runtime's files of a task are gone with it", async (c, containerd) => {
    const e = containerd.in(c);
    const id = await e.detached([], "probe", "wait");
    const root = `/run/containerd/runc/${containerd.namespace}/${id}`;
    assert.equal(JSON.parse(readFileSync(`${root}/state.json`, "utf8")) !== null, true);
    await e.ctr("task", "delete", "--force", id);
    assert.equal(existsSync(root), false);
  });

  test("ten containers at once", async (c, containerd) => {
    const e = containerd.in(c);
    const runs = Array.from({ length: 10 }, (_, number) =>
      printed(["stdout"], () =>
        e.ctr("run", "--rm", "--runc-binary", c.program, image, `${c.id}-${number}`, "sh", "-c", `echo ${number}; exit ${number}`),
      ),
    );
    for (const [number, result] of (await Promise.all(runs)).entries()) {
      assert.equal(result.status, number, describe(result));
      assert.equal(result.stdout, `${number}\n`);
    }
  });
}
