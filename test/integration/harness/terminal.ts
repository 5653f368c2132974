/**
 * Runs a program on a pseudoterminal, with the helper harness/native/pty.c.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { binaries } from "./environment.js";
import { path, until } from "./execute.js";
import type { Readable, Writable } from "node:stream";
import type { Context } from "./context.js";

export class Terminal {
  #output = "";
  #end: string | undefined;
  readonly #replies: ((line: string) => void)[] = [];
  readonly #input: Writable;
  readonly #commands: Writable;

  /** Starts `command` in a new session with this controlling terminal. The test kills it when it ends. */
  constructor(c: Context, command: string, args: readonly string[]) {
    const child = spawn(`${binaries}/pty`, [command, ...args], {
      stdio: ["pipe", "pipe", "inherit", "pipe", "pipe"],
      env: { PATH: path, HOME: "/root", TMPDIR: c.temporary, TERM: "xterm" },
    });
    const [input, output, , commands, replies] = child.stdio;
    this.#input = input as Writable;
    this.#commands = commands as Writable;
    for (const stream of [this.#input, this.#commands]) stream.on("error", () => undefined); // the pty has closed; the test notices that anyway
    (output as Readable).setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    createInterface({ input: replies as Readable }).on("line", (line) => {
      if (/^(exited|signalled) /.test(line)) this.#end = line;
      else this.#replies.shift()?.(line);
    });
    const closed = new Promise((resolve) => child.once("close", resolve));
    c.defer(async () => {
      if (this.#end === undefined) await this.signal(9);
      this.#commands.end();
      this.#input.end();
      await closed;
    });
  }

  /** The complete output, with \r\n line ends. */
  get output(): string {
    return this.#output;
  }

  async shows(text: string | RegExp): Promise<void> {
    const shown = (): boolean => (typeof text === "string" ? this.#output.includes(text) : text.test(this.#output));
    try {
      await until(`the terminal shows ${String(text)}`, shown);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows:\n${this.#output}`, { cause: error });
    }
  }

  type(text: string): void {
    this.#input.write(text);
  }

  #ask(command: string): Promise<string> {
    const reply = new Promise<string>((resolve) => this.#replies.push(resolve));
    this.#commands.write(`${command}\n`);
    return reply;
  }

  async resize(rows: number, columns: number): Promise<void> {
    assert.equal(await this.#ask(`size ${rows} ${columns}`), "ok");
  }

  /** Sends a signal to the program. */
  async signal(number: number): Promise<void> {
    assert.equal(await this.#ask(`signal ${number}`), "ok");
  }

  /** The terminal's settings (termios) as text, for comparison. */
  modes(): Promise<string> {
    return this.#ask("modes");
  }

  /** Whether the terminal is in raw mode: no line editing, no echo, no signals from keys. */
  async isRaw(): Promise<boolean> {
    const [, , , , local = "0"] = (await this.modes()).split(" ");
    const [isig, icanon, echo] = [0o1, 0o2, 0o10];
    return (parseInt(local, 16) & (isig | icanon | echo)) === 0;
  }

  /** Waits until the program ends. Returns `exited STATUS` or `signalled NUMBER`. */
  end(): Promise<string> {
    return until("the program on the terminal ends", () => this.#end, 20);
  }
}
