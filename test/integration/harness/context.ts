/**
 * The context of a test: its own directory, state root and container ID, and methods to make bundles and call the runtime.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { binaries, mustWork, prefix, runtimePath, workDirectory } from "./environment.js";
import { defaultConfig, toJson } from "./config.js";
import { describe, path, start, until } from "./execute.js";
import { makeRootfs } from "./rootfs.js";
import type { Config } from "./config.js";
import type { Options, Result, Started } from "./execute.js";
import type { Report } from "./report.js";
import type { Rootfs } from "./rootfs.js";

/** Thrown by `Context.skip`. */
export class Skip extends Error {}

/** An object printed by `state` or `list -f json`. */
export interface State {
  ociVersion: string;
  id: string;
  pid: number;
  status: string;
  bundle: string;
  rootfs: string;
  created: string;
  annotations?: Record<string, string>;
  owner: string;
}

export interface BundleOptions {
  /** Default busybox. */
  rootfs?: Rootfs;
  /** process.args. Default `["probe", "wait"]`. */
  args?: string[];
  /** Changes the default config. */
  config?: (config: Config) => void;
}

export interface Bundle {
  directory: string;
  rootfs: string;
}

let serial = 0;

export class Context {
  /** A container ID that no other test uses. */
  readonly id: string;
  /** A directory for this test's files, accessible to every user (mode 0755). */
  readonly directory: string;
  /** The runtime's --root, which the runtime creates. */
  readonly root: string;
  /** The runtime's TMPDIR; must be empty when the test ends. */
  readonly temporary: string;
  /** The runtime that the methods call. Parity tests change it. */
  program = runtimePath;
  readonly #deferred: (() => Promise<unknown> | unknown)[] = [];
  readonly #ids = new Set<string>();
  #calls = 0;
  #bundles = 0;

  constructor() {
    serial += 1;
    this.id = `${prefix}-${serial}`;
    this.directory = `${workDirectory}/${this.id}`;
    mkdirSync(this.directory, { mode: 0o755 });
    this.root = `${this.directory}/state`;
    this.temporary = `${this.directory}/tmp`;
    mkdirSync(this.temporary, { mode: 0o1777 });
  }

  /** Runs `action` after the test, even if it fails; the last deferred action runs first. */
  defer(action: () => Promise<unknown> | unknown): void {
    this.#deferred.push(action);
  }

  /** Runs the deferred actions. Returns their errors. */
  async finish(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (let action = this.#deferred.pop(); action; action = this.#deferred.pop()) {
      try {
        await action();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  /** Skips the test because the host lacks something. With TSRUNC_MUST_WORK=1, the test fails instead. */
  skip(reason: string): never {
    if (mustWork) throw new Error(`cannot run on this host, but must: ${reason}`);
    throw new Skip(reason);
  }

  /** Another container ID, for tests with several containers. */
  otherId(name: string): string {
    return `${this.id}-${name}`;
  }

  /** Writes a file in this test's directory. Returns its path. */
  file(name: string, text: string, mode = 0o644): string {
    const file = `${this.directory}/${name}`;
    writeFileSync(file, text, { mode });
    return file;
  }

  /** Makes an empty folder in this test's directory. Returns its path. */
  folder(name: string): string {
    return mkdtempSync(`${this.directory}/${name}-`);
  }

  /** Makes a bundle: a root file system and a config.json. */
  bundle(options: BundleOptions = {}): Bundle {
    this.#bundles += 1;
    const directory = `${this.directory}/bundle${this.#bundles}`;
    makeRootfs(options.rootfs ?? "busybox", `${directory}/rootfs`);
    const config = defaultConfig();
    config.process.args = options.args ?? ["probe", "wait"];
    options.config?.(config);
    writeFileSync(`${directory}/config.json`, toJson(config));
    return { directory, rootfs: `${directory}/rootfs` };
  }

  #launch(options: Options): Options & { output: string } {
    this.#calls += 1;
    const output = `${this.directory}/call${this.#calls}`;
    const env = options.env ?? {};
    return { ...options, output, env: { PATH: path, HOME: "/root", TMPDIR: this.temporary, ...env } };
  }

  /** Starts any program. */
  spawn(command: string, args: readonly string[], options: Options = {}): Promise<Started> {
    return start(command, args, this.#launch(options));
  }

  /** Starts any program, and kills it after the test if it still runs. */
  async companion(command: string, args: readonly string[], options: Options = {}): Promise<Started> {
    const started = await this.spawn(command, args, options);
    this.defer(async () => {
      started.process.kill("SIGKILL");
      await started.wait();
    });
    return started;
  }

  /** Starts a helper of harness/native as a `companion`. */
  helper(name: string, args: readonly string[], options: Options = {}): Promise<Started> {
    return this.companion(`${binaries}/${name}`, args, options);
  }

  /** Starts the runtime with --root and `args`. */
  startRuntime(args: readonly string[], options: Options = {}): Promise<Started> {
    return this.spawn(this.program, ["--root", this.root, ...args], options);
  }

  /** Starts another program that runs the runtime: appends the runtime's command line to `command`. */
  startBelow(command: readonly [string, ...string[]], args: readonly string[], options: Options = {}): Promise<Started> {
    const [launcher, ...before] = command;
    return this.spawn(launcher, [...before, this.program, "--root", this.root, ...args], options);
  }

  /** Starts a shell script that runs the runtime: `"$@"` is the runtime's command line. */
  startBelowShell(script: string, args: readonly string[], options: Options = {}): Promise<Started> {
    return this.startBelow(["/bin/sh", "-c", script, "sh"], args, options);
  }

  /** Runs the runtime with --root and `args`; asserts only that it ends in time. */
  async runtime(args: readonly string[], options: Options = {}): Promise<Result> {
    const result = await (await this.startRuntime(args, options)).wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  /** Runs the runtime and asserts that it succeeds. */
  async ok(args: readonly string[], options: Options = {}): Promise<Result> {
    const result = await this.runtime(args, options);
    assert.equal(result.status, 0, describe(result));
    return result;
  }

  /** Runs the runtime and asserts that it fails with exit status 1 and prints `message` on stderr. */
  async fails(args: readonly string[], message: RegExp, options: Options = {}): Promise<Result> {
    const result = await this.runtime(args, options);
    if (result.status === 0 && args.includes("create")) this.deleteLater(args.at(-1));
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, message, describe(result));
    return result;
  }

  /** Runs `delete -f` after the test, which succeeds even if the container is gone by then. */
  deleteLater(id = this.id): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    this.defer(() => this.ok(["delete", "-f", id]));
  }

  /** Runs `create`, and deletes the container after the test. */
  async create(bundle: Bundle, args: readonly string[] = [], options: Options & { id?: string } = {}): Promise<Started> {
    const id = options.id ?? this.id;
    this.deleteLater(id);
    const started = await this.startRuntime(["create", "-b", bundle.directory, ...args, id], options);
    const result = await started.wait();
    assert.equal(result.timedOut, false, describe(result));
    assert.equal(result.status, 0, describe(result));
    return started;
  }

  /** Runs `create` and `start`, and deletes the container after the test. */
  async createAndStart(bundle: Bundle, args: readonly string[] = [], options: Options & { id?: string } = {}): Promise<Started> {
    const started = await this.create(bundle, args, options);
    await this.ok(["start", options.id ?? this.id]);
    return started;
  }

  /** Runs `run` in the foreground and accepts any exit status. */
  run(bundle: Bundle, args: readonly string[] = [], options: Options = {}): Promise<Result> {
    return this.runtime(["run", "-b", bundle.directory, ...args, this.id], options);
  }

  /** Runs a new bundle, whose program must exit with 0. Returns its trimmed output. */
  async output(options: BundleOptions, args: readonly string[] = []): Promise<string> {
    const result = await this.run(this.bundle(options), args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.trim();
  }

  /** Runs a shell command line in a container with `config`. Returns its trimmed output. */
  shell(line: string, config?: (config: Config) => void): Promise<string> {
    return this.output({ args: ["sh", "-c", line], ...(config && { config }) });
  }

  /** Runs `probe report` in a container with `config`. */
  async report(config?: (config: Config) => void, options: Options = {}): Promise<Report> {
    const result = await this.run(this.bundle({ args: ["probe", "report"], ...(config && { config }) }), [], options);
    assert.equal(result.status, 0, describe(result));
    return JSON.parse(result.stdout) as Report;
  }

  /** The `state` of a container, which must exist. */
  async state(id = this.id): Promise<State> {
    return JSON.parse((await this.ok(["state", id])).stdout) as State;
  }

  /** Waits until `state` reports the status `expected`. */
  async status(expected: string, id = this.id): Promise<State> {
    return until(`${id} is ${expected}`, async () => {
      const state = await this.state(id);
      return state.status === expected ? state : undefined;
    });
  }

  /** Waits until a file exists and is not empty. Returns its text. */
  fileText(file: string): Promise<string> {
    return until(`${file} has content`, () => (existsSync(file) && readFileSync(file, "utf8")) || undefined);
  }

  /** Waits until a started program, or the container that it created, has printed `text`. */
  async printed(started: Started, text: string): Promise<void> {
    await until(`"${text}" is printed`, () => started.output().includes(text));
  }

  /** Waits until the subreaper has reaped an orphan. Returns its exit status, or 128+signal. */
  exitOf(pid: number): Promise<number> {
    return until(`process ${pid} ends`, () => {
      const line = readFileSync(`${workDirectory}/exits`, "utf8")
        .split("\n")
        .findLast((entry) => entry.startsWith(`${pid} `));
      if (line === undefined) return undefined;
      const status = Number(line.split(" ")[1]);
      return status & 0x7f ? 128 + (status & 0x7f) : status >> 8;
    });
  }
}
