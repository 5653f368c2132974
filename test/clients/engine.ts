/**
 * Drives a container engine through the command line that podman, Docker and nerdctl share. The engine uses the runtime under test.
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

/** How to call an engine. */
export interface CommandLine {
  name: "podman" | "docker" | "nerdctl";
  /** The program with its global flags. */
  program: readonly string[];
  env: Record<string, string>;
  /** Flags for each `run` and `create`. */
  runFlags: readonly string[];
  /** Flags for each `rm`. */
  removeFlags: readonly string[];
}

/** An engine that all tests of a file share. Each test uses `in(c)`, which removes the test's containers when it ends. */
export class Engine {
  constructor(readonly commandLine: CommandLine) {}

  in(c: Context): EngineTest {
    return new EngineTest(c, this.commandLine);
  }
}

/** The engine in one test. */
export class EngineTest {
  #containers = 0;

  constructor(
    readonly c: Context,
    readonly commandLine: CommandLine,
  ) {}

  /** Starts a command of the engine, in a working directory that every user may enter. */
  start(args: readonly string[], options: Options = {}): Promise<Started> {
    const [program = "", ...flags] = this.commandLine.program;
    return this.c.spawn(program, [...flags, ...args], { env: this.commandLine.env, cwd: "/", ...options });
  }

  /** Runs a command and accepts any exit status. */
  async call(args: readonly string[], options: Options = {}): Promise<Result> {
    const result = await (await this.start(args, options)).wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  /** Runs a command, which must exit with 0. Returns its trimmed output. */
  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.call(args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.trim();
  }

  /** Runs a command, which must fail with a message. */
  async fails(args: readonly string[], message: RegExp, status?: number): Promise<void> {
    const result = await this.call(args);
    assert.match(result.stderr, message, describe(result));
    if (status === undefined) assert.notEqual(result.status, 0, describe(result));
    else assert.equal(result.status, status, describe(result));
  }

  /** Calls `run --rm` in the foreground. */
  run(flags: readonly string[], ...command: readonly string[]): Promise<Result> {
    return this.call(this.#runArguments(["--rm", ...flags], command));
  }

  /** The exit status of the program of an `exec`. nerdctl itself exits with 1, and prints the program's status. */
  execStatus(result: Result): number | null {
    const match = /exec failed with exit code (\d+)/.exec(this.commandLine.name === "nerdctl" ? result.stderr : "");
    return match ? Number(match[1]) : result.status;
  }

  /** Runs a shell command line with `run --rm`, which must exit with 0. Returns the lines of its output. */
  async lines(flags: readonly string[], line: string): Promise<string[]> {
    const result = await this.run(flags, "sh", "-c", line);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.replaceAll("\t", " ").trim().split("\n");
  }

  /** Calls `run --detach`, and removes the container after the test. Returns its name. */
  async detached(flags: readonly string[], ...command: readonly string[]): Promise<string> {
    const name = this.removeLater();
    const result = await this.call(this.#runArguments(["--detach", "--name", name, ...flags], command));
    assert.equal(result.status, 0, describe(result));
    return name;
  }

  /** Calls `create`, and removes the container after the test. Returns its name. */
  async created(flags: readonly string[], ...command: readonly string[]): Promise<string> {
    const name = this.removeLater();
    await this.ok("create", "--name", name, ...this.commandLine.runFlags, ...flags, image, ...command);
    return name;
  }

  /** Returns a name for a container, and removes the container after the test if it exists. */
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

  /** Starts a command of the engine on a terminal. */
  terminal(...args: readonly string[]): Terminal {
    const variables = Object.entries(this.commandLine.env).map(([name, value]) => `${name}=${value}`);
    return new Terminal(this.c, "/usr/bin/env", ["--chdir=/", ...variables, ...this.commandLine.program, ...args]);
  }

  /** Starts `run --rm -it` on a terminal. */
  runTerminal(flags: readonly string[], ...command: readonly string[]): Terminal {
    return this.terminal(...this.#runArguments(["--rm", "-it", ...flags], command));
  }

  /** Reads a value with `inspect` and a Go template. */
  inspect(name: string, template: string): Promise<string> {
    return this.ok("inspect", "--format", template, name);
  }

  /** The process ID of a container's init. */
  async pid(name: string): Promise<number> {
    return Number(await this.inspect(name, "{{.State.Pid}}"));
  }
}

/**
 * Resizes a terminal until `probe winsize` in it has seen the new size. It repeats because a client may not handle SIGWINCH yet right after it
 * sent the first size.
 */
export async function checkResize(terminal: Terminal): Promise<void> {
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

/** An environment for an engine's programs: PATH with additional folders, and a new HOME and TMPDIR. */
export function environmentOf(c: Context, ...folders: readonly string[]): Record<string, string> {
  return { PATH: [...folders, path].join(":"), HOME: c.folder("home"), TMPDIR: publicFolder(c, "tmp") };
}

/** Makes a folder that any user may enter, such as the mapped root of a container with a user namespace. */
export function publicFolder(c: Context, name: string): string {
  const folder = c.folder(name);
  chmodSync(folder, 0o755);
  return folder;
}

/**
 * Makes a cgroup named after the test in each hierarchy, as the parent of the client's cgroups. Removes it after the test, since clients do
 * not.
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

/** Removes the empty cgroups below the parent after the test, for clients that are known to leave them. */
export function removeEmptyCgroupsLater(c: Context, parent: string): void {
  c.defer(() => {
    for (const { mountPoint } of hierarchies()) {
      for (const entry of readdirSync(`${mountPoint}/${parent}`, { withFileTypes: true }))
        if (entry.isDirectory()) rmdirSync(`${mountPoint}/${parent}/${entry.name}`);
    }
  });
}

/** Asserts after the client has ended that the runtime's state root contains no containers. */
export function checkStateRootLater(c: Context, root: string): void {
  c.defer(() => {
    if (!existsSync(root)) return;
    const left = readdirSync(root).filter((name) => !name.startsWith(".") && name !== "#seccomp");
    assert.deepEqual(left, [], `the client left containers in ${root}`);
  });
}

/** Stops a daemon with SIGTERM when the test ends. */
export function stopLater(c: Context, daemon: Started): void {
  c.defer(async () => {
    daemon.process.kill("SIGTERM");
    const result = await daemon.wait();
    assert.equal(result.timedOut, false, describe(result));
  });
}

/** Adds a user to the private /etc, with 65536 subordinate IDs from 200000. */
export function makeUser(name: string, uid: number): void {
  if (readFileSync("/etc/passwd", "utf8").includes(`\n${name}:`)) return;
  const script = `echo "${name}:x:${uid}:${uid}::/nonexistent:/bin/sh" >>/etc/passwd; echo "${name}:x:${uid}:" >>/etc/group
    for file in subuid subgid; do echo "${name}:200000:65536" >>/etc/$file; done`;
  assert.equal(spawnSync("/bin/sh", ["-ec", script]).status, 0);
}
