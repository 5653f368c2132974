/**
 * Starts programs. Their standard output and error are files, not pipes: the container that `create` leaves running holds them open,
 * so a reader of a pipe would wait until the container ends.
 */
import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { slowness } from "./environment.js";

export interface Options {
  /** Replaces the environment. Default: PATH, HOME and TMPDIR only. */
  env?: Record<string, string> | undefined;
  /** Text for standard input. Default: /dev/null. */
  input?: string | undefined;
  /** Open descriptors that the program inherits as 3, 4, ... */
  descriptors?: number[];
  cwd?: string;
  /** After this time the program is killed, and the result has `timedOut`. Default 30. */
  timeoutSeconds?: number;
}

export interface Result {
  command: string;
  /** The exit status; null if a signal killed the program. */
  status: number | null;
  signal: NodeJS.Signals | null;
  timedOut: boolean;
  stdout: string;
  stderr: string;
}

/** A started program. */
export interface Started {
  pid: number;
  process: ChildProcess;
  /** The output so far of the program, or of the container that it left running. */
  output(): string;
  errors(): string;
  wait(): Promise<Result>;
}

export interface Launch extends Options {
  /** The path prefix of the output files. */
  output: string;
}

export const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Starts `command` with its output in `<output>.out` and `<output>.err`. Throws if the command cannot be executed. */
export async function start(command: string, args: readonly string[], launch: Launch): Promise<Started> {
  const input = launch.input === undefined ? "ignore" : "pipe";
  const out = openSync(`${launch.output}.out`, "a");
  const err = openSync(`${launch.output}.err`, "a");
  const stdio: StdioOptions = [input, out, err, ...(launch.descriptors ?? [])];
  const child = spawn(command, args, {
    stdio,
    cwd: launch.cwd,
    env: launch.env ?? { PATH: path, HOME: "/root", TMPDIR: "/tmp" },
  });
  const ended = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => resolve({ status, signal }));
  });
  closeSync(out);
  closeSync(err);
  // Until `wait` awaits the promise, a failed spawn must not count as an unhandled rejection.
  ended.catch(() => undefined);
  if (child.pid === undefined) await ended;
  if (launch.input !== undefined) {
    child.stdin?.on("error", () => undefined); // EPIPE: the program need not read its input
    child.stdin?.end(launch.input);
  }
  const output = (): string => readFileSync(`${launch.output}.out`, "utf8");
  const errors = (): string => readFileSync(`${launch.output}.err`, "utf8");
  const wait = async (): Promise<Result> => {
    let timedOut = false;
    const timer = setTimeout(
      () => {
        timedOut = true;
        child.kill("SIGKILL");
      },
      (launch.timeoutSeconds ?? 30) * slowness * 1000,
    );
    const end = await ended;
    clearTimeout(timer);
    return { command: [command, ...args].join(" "), ...end, timedOut, stdout: output(), stderr: errors() };
  };
  return { pid: child.pid as number, process: child, output, errors, wait };
}

/** Formats a result for the message of a failed assertion. */
export function describe(result: Result): string {
  const end = result.timedOut ? "killed: took too long" : (result.signal ?? `status ${result.status}`);
  return `${result.command}\n  ${end}\n  stdout: ${result.stdout.slice(-2000)}\n  stderr: ${result.stderr.slice(-2000)}`;
}

/** Waits until `check` returns a value other than undefined or false. Throws an error with `what` after `seconds`. */
export async function until<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  seconds = 10,
): Promise<T> {
  const end = Date.now() + seconds * slowness * 1000;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`timed out after ${seconds * slowness} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
