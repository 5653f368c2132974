/**
 * What a test is given: a directory, a state root and an id of its own, and short ways to build bundles and call the runtime.
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

/** One object of `state` or of `list -f json`. */
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
  /** A container id that no other test uses. */
  readonly id: string;
  /** A directory for this test's files, mode 0755, its path reachable by every user. */
  readonly directory: string;
  /** Given to the runtime as --root; made by the runtime. */
  readonly root: string;
  /** Given to the runtime as TMPDIR; must be empty in the end. */
  readonly temporary: string;
  /** The runtime that `runtime` calls; a parity test changes it. */
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

  /** Runs `action` after the test, the last deferred first, whether it passed or not. */
  defer(action: () => Promise<unknown> | unknown): void {
    this.#deferred.push(action);
  }

  /** Runs what was deferred. Returns the errors. */
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

  /** Ends the test without a verdict, for want of something on this host; a failure where tests must work. */
  skip(reason: string): never {
    if (mustWork) throw new Error(`cannot run on this host, but must: ${reason}`);
    throw new Skip(reason);
  }

  /** A second, third, ... container id. */
  otherId(name: string): string {
    return `${this.id}-${name}`;
  }

  /** A file of this test's directory. Returns its path. */
  file(name: string, text: string, mode = 0o644): string {
    const file = `${this.directory}/${name}`;
    writeFileSync(file, text, { mode });
    return file;
  }

  /** A fresh empty folder below this test's directory. */
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

  /** Starts any program; it is killed after the test if it is still there. */
  async companion(command: string, args: readonly string[], options: Options = {}): Promise<Started> {
    const started = await this.spawn(command, args, options);
    this.defer(async () => {
      started.process.kill("SIGKILL");
      await started.wait();
    });
    return started;
  }

  /** The same for a helper of harness/native. */
  helper(name: string, args: readonly string[], options: Options = {}): Promise<Started> {
    return this.companion(`${binaries}/${name}`, args, options);
  }

  /** Starts the runtime with --root and `args`. */
  startRuntime(args: readonly string[], options: Options = {}): Promise<Started> {
    return this.spawn(this.program, ["--root", this.root, ...args], options);
  }

  /** Starts another program that is to run the runtime: the runtime's command line follows its `command`. */
  startBelow(command: readonly [string, ...string[]], args: readonly string[], options: Options = {}): Promise<Started> {
    const [launcher, ...before] = command;
    return this.spawn(launcher, [...before, this.program, "--root", this.root, ...args], options);
  }

  /** The same below a shell with `script`, to which the runtime's command line is `"$@"`. */
  startBelowShell(script: string, args: readonly string[], options: Options = {}): Promise<Started> {
    return this.startBelow(["/bin/sh", "-c", script, "sh"], args, options);
  }

  /** Runs the runtime with --root and `args`; asserts nothing but that it ends. */
  async runtime(args: readonly string[], options: Options = {}): Promise<Result> {
    const result = await (await this.startRuntime(args, options)).wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  /** Runs the runtime, which must succeed. */
  async ok(args: readonly string[], options: Options = {}): Promise<Result> {
    const result = await this.runtime(args, options);
    assert.equal(result.status, 0, describe(result));
    return result;
  }

  /** Runs the runtime, which must fail with exit status 1 and say `message` on stderr. */
  async fails(args: readonly string[], message: RegExp, options: Options = {}): Promise<Result> {
    const result = await this.runtime(args, options);
    if (result.status === 0 && args.includes("create")) this.deleteLater(args.at(-1));
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, message, describe(result));
    return result;
  }

  /** `delete -f` after the test, unless the container is gone by then. */
  deleteLater(id = this.id): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    this.defer(() => this.ok(["delete", "-f", id]));
  }

  /** `create`; the container is deleted after the test. */
  async create(bundle: Bundle, args: readonly string[] = [], options: Options & { id?: string } = {}): Promise<Started> {
    const id = options.id ?? this.id;
    this.deleteLater(id);
    const started = await this.startRuntime(["create", "-b", bundle.directory, ...args, id], options);
    const result = await started.wait();
    assert.equal(result.timedOut, false, describe(result));
    assert.equal(result.status, 0, describe(result));
    return started;
  }

  /** `create` and `start`; the container is deleted after the test. */
  async createAndStart(bundle: Bundle, args: readonly string[] = [], options: Options & { id?: string } = {}): Promise<Started> {
    const started = await this.create(bundle, args, options);
    await this.ok(["start", options.id ?? this.id]);
    return started;
  }

  /** `run` in the foreground, whatever its exit status. */
  run(bundle: Bundle, args: readonly string[] = [], options: Options = {}): Promise<Result> {
    return this.runtime(["run", "-b", bundle.directory, ...args, this.id], options);
  }

  /** `run` of a bundle whose program must end with 0; returns what it printed, trimmed. */
  async output(options: BundleOptions, args: readonly string[] = []): Promise<string> {
    const result = await this.run(this.bundle(options), args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.trim();
  }

  /** Runs a shell command line in a container with `config`; returns what it printed, trimmed. */
  shell(line: string, config?: (config: Config) => void): Promise<string> {
    return this.output({ args: ["sh", "-c", line], ...(config && { config }) });
  }

  /** Runs `probe report` in a container with `config`. */
  async report(config?: (config: Config) => void, options: Options = {}): Promise<Report> {
    const result = await this.run(this.bundle({ args: ["probe", "report"], ...(config && { config }) }), [], options);
    assert.equal(result.status, 0, describe(result));
    return JSON.parse(result.stdout) as Report;
  }

  /** `state` of a container that must exist. */
  async state(id = this.id): Promise<State> {
    return JSON.parse((await this.ok(["state", id])).stdout) as State;
  }

  /** Waits until `state` says so. */
  async status(expected: string, id = this.id): Promise<State> {
    return until(`${id} is ${expected}`, async () => {
      const state = await this.state(id);
      return state.status === expected ? state : undefined;
    });
  }

  /** Waits until a file exists and is not empty; returns its text. */
  fileText(file: string): Promise<string> {
    return until(`${file} has content`, () => (existsSync(file) && readFileSync(file, "utf8")) || undefined);
  }

  /** Waits until a started program, or the container that it left behind, has printed `text`. */
  async printed(started: Started, text: string): Promise<void> {
    await until(`"${text}" is printed`, () => started.output().includes(text));
  }

  /** The wait status of an orphan that the subreaper reaped: an exit status, or 128+signal. */
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
