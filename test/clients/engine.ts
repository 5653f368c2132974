/**
 * A container engine with the command line that podman, Docker and nerdctl have in common, which runs containers by the runtime under test.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { describe, path, until } from "../integration/harness/execute.js";
import { hierarchies } from "../integration/harness/cgroups.js";
import { image } from "../integration/harness/image.js";
import { Terminal } from "../integration/harness/terminal.js";
import type { Context } from "../integration/harness/context.js";
import type { Options, Result, Started } from "../integration/harness/execute.js";

/** How an engine is called. */
export interface CommandLine {
  name: "podman" | "docker" | "nerdctl";
  /** The program and its global flags. */
  program: readonly string[];
  env: Record<string, string>;
  /** Flags of each `run` and `create`. */
  runFlags: readonly string[];
  /** Flags of each `rm`. */
  removeFlags: readonly string[];
}

/** The same engine in each test of a file: a test asks for `in(c)`, whose containers are gone when the test ends. */
export class Engine {
  constructor(readonly commandLine: CommandLine) {}

  in(c: Context): EngineTest {
    return new EngineTest(c, this.commandLine);
  }
}

/** The engine as one test uses it. */
export class EngineTest {
  #containers = 0;

  constructor(
    readonly c: Context,
    readonly commandLine: CommandLine,
  ) {}

  /** Starts any command of the engine, in a working directory that every user may enter. */
  start(args: readonly string[], options: Options = {}): Promise<Started> {
    const [program = "", ...flags] = this.commandLine.program;
    return this.c.spawn(program, [...flags, ...args], { env: this.commandLine.env, cwd: "/", ...options });
  }

  /** Any command, whatever its exit status. */
  async call(args: readonly string[], options: Options = {}): Promise<Result> {
    const result = await (await this.start(args, options)).wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  /** Any command, which must end with 0. Returns what it printed, trimmed. */
  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.call(args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.trim();
  }

  /** Any command, which must fail with a message. */
  async fails(args: readonly string[], message: RegExp, status?: number): Promise<void> {
    const result = await this.call(args);
    assert.match(result.stderr, message, describe(result));
    if (status === undefined) assert.notEqual(result.status, 0, describe(result));
    else assert.equal(result.status, status, describe(result));
  }

  /** `run --rm` in the foreground. */
  run(flags: readonly string[], ...command: readonly string[]): Promise<Result> {
    return this.call(this.#runArguments(["--rm", ...flags], command));
  }

  /** The exit status of the program of an `exec`. nerdctl ends with 1 itself, and its message has the program's. */
  execStatus(result: Result): number | null {
    const told = /exec failed with exit code (\d+)/.exec(this.commandLine.name === "nerdctl" ? result.stderr : "");
    return told ? Number(told[1]) : result.status;
  }

  /** `run --rm` of a shell command line, which must end with 0. Returns the lines that it printed. */
  async lines(flags: readonly string[], line: string): Promise<string[]> {
    const result = await this.run(flags, "sh", "-c", line);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.replaceAll("\t", " ").trim().split("\n");
  }

  /** `run --detach`; the container is removed after the test. Returns its name. */
  async detached(flags: readonly string[], ...command: readonly string[]): Promise<string> {
    const name = this.removeLater();
    const result = await this.call(this.#runArguments(["--detach", "--name", name, ...flags], command));
    assert.equal(result.status, 0, describe(result));
    return name;
  }

  /** `create`; the container is removed after the test. Returns its name. */
  async created(flags: readonly string[], ...command: readonly string[]): Promise<string> {
    const name = this.removeLater();
    await this.ok("create", "--name", name, ...this.commandLine.runFlags, ...flags, image, ...command);
    return name;
  }

  /** A name for a container, which is removed after the test if it is there. */
  removeLater(): string {
    this.#containers += 1;
    const name = `${this.c.id}-${this.#containers}`;
    this.c.defer(async () => {
      const result = await this.call(["rm", "--force", "--volumes", ...this.commandLine.removeFlags, name]);
      if (!/[Nn]o such container|no container with/.test(result.stderr)) assert.equal(result.status, 0, describe(result));
    });
    return name;
  }

  #runArguments(flags: readonly string[], command: readonly string[]): string[] {
    return ["run", ...this.commandLine.runFlags, ...flags, image, ...command];
  }

  /** A command of the engine on a terminal. */
  terminal(...args: readonly string[]): Terminal {
    const variables = Object.entries(this.commandLine.env).map(([name, value]) => `${name}=${value}`);
    return new Terminal(this.c, "/usr/bin/env", ["--chdir=/", ...variables, ...this.commandLine.program, ...args]);
  }

  /** `run --rm -it` on a terminal. */
  runTerminal(flags: readonly string[], ...command: readonly string[]): Terminal {
    return this.terminal(...this.#runArguments(["--rm", "-it", ...flags], command));
  }

  /** A value of `inspect` by a Go template. */
  inspect(name: string, template: string): Promise<string> {
    return this.ok("inspect", "--format", template, name);
  }

  /** The process id of a container. */
  async pid(name: string): Promise<number> {
    return Number(await this.inspect(name, "{{.State.Pid}}"));
  }
}

/**
 * Changes the size of a terminal until `probe winsize` in it has seen the new one: a client that has just sent the first size may not listen to
 * SIGWINCH yet.
 */
export async function followsResize(terminal: Terminal): Promise<void> {
  let changed = 0;
  await until("the size is followed", async () => {
    if (Date.now() - changed > 1000) {
      changed = Date.now();
      await terminal.resize(33, 110);
      await terminal.resize(33, 111);
    }
    return terminal.output.includes("33 111");
  });
}

/** PATH and folders of its own for an engine's programs. */
export function environmentOf(c: Context, ...folders: readonly string[]): Record<string, string> {
  return { PATH: [...folders, path].join(":"), HOME: c.folder("home"), TMPDIR: publicFolder(c, "tmp") };
}

/** A folder that any user may enter, as root of a container with a user namespace must. */
export function publicFolder(c: Context, name: string): string {
  const folder = c.folder(name);
  chmodSync(folder, 0o755);
  return folder;
}

/**
 * Makes the cgroup that bears the test's id in each hierarchy, the parent of all that the client makes, until the test ends. Clients do not
 * remove such a parent.
 */
export function makeParentCgroups(c: Context): void {
  for (const { mountPoint, controllers } of hierarchies()) {
    const directory = `${mountPoint}/${c.id}`;
    mkdirSync(directory);
    c.defer(() => rmdirSync(directory));
    if (controllers.includes("cpuset")) {
      for (const file of ["cpuset.cpus", "cpuset.mems"]) writeFileSync(`${directory}/${file}`, readFileSync(`${mountPoint}/${file}`));
    }
  }
}

/** Removes, after the test, empty cgroups below the client's parent that it is known to leave behind. */
export function removeEmptyCgroupsLater(c: Context, parent: string): void {
  c.defer(() => {
    for (const { mountPoint } of hierarchies()) {
      for (const entry of readdirSync(`${mountPoint}/${parent}`, { withFileTypes: true }))
        if (entry.isDirectory()) rmdirSync(`${mountPoint}/${parent}/${entry.name}`);
    }
  });
}

/** Fails when the runtime's state root still holds a container once the client has ended. */
export function stateRootIsEmptyInTheEnd(c: Context, root: string): void {
  c.defer(() => {
    if (!existsSync(root)) return;
    const left = readdirSync(root).filter((name) => !name.startsWith(".") && name !== "#seccomp");
    assert.deepEqual(left, [], `the client left containers in ${root}`);
  });
}

/** Ends a daemon by SIGTERM when the test ends. */
export function endLater(c: Context, daemon: Started): void {
  c.defer(async () => {
    daemon.process.kill("SIGTERM");
    const result = await daemon.wait();
    assert.equal(result.timedOut, false, describe(result));
  });
}

/** Makes a user of this machine's (private) /etc with 65536 subordinate ids from 200000 on. */
export function makeUser(name: string, uid: number): void {
  if (readFileSync("/etc/passwd", "utf8").includes(`\n${name}:`)) return;
  const script = `echo "${name}:x:${uid}:${uid}::/nonexistent:/bin/sh" >>/etc/passwd; echo "${name}:x:${uid}:" >>/etc/group
    for file in subuid subgid; do echo "${name}:200000:65536" >>/etc/$file; done`;
  assert.equal(spawnSync("/bin/sh", ["-ec", script]).status, 0);
}
