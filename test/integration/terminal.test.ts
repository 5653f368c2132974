/**
 * process.terminal: `run` on the caller's terminal, and the terminal handed over by --console-socket.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { Terminal } from "./harness/terminal.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Report } from "./harness/report.js";
import type { Started } from "./harness/execute.js";

/** Starts `run` of a container with a terminal on a terminal. */
function runOnTerminal(c: Context, args: string[], config?: (config: Config) => void): Terminal {
  const bundle = c.bundle({
    args,
    config: (spec) => {
      spec.process.terminal = true;
      config?.(spec);
    },
  });
  return new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
}

test("run shows what the program writes and returns its exit status", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "echo hello from $(tty); exit 42"]);
  assert.equal(await terminal.end(), "exited 42");
  assert.match(terminal.output, /hello from \/dev\/(pts\/0|console)\r\n/);
});

test("the program has a controlling terminal on its standard streams and as /dev/console", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "probe report /report; echo to console >/dev/console; stat -c '%t:%T %a %u' /dev/console"],
    config: (config) => (config.process.terminal = true),
  });
  const terminal = new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
  assert.equal(await terminal.end(), "exited 0");
  const report = JSON.parse(readFileSync(`${bundle.rootfs}/report`, "utf8")) as Report;
  assert.deepEqual(Object.values(report.descriptors), ["/dev/pts/0", "/dev/pts/0", "/dev/pts/0"]);
  assert.equal(report.controllingTerminal, true);
  assert.match(terminal.output, /to console\r\n88:0 6[02]0 0\r\n/);
});

test("what is typed reaches the program, through the container's own terminal settings", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "echo up; read line; echo got $line; read line; echo then $line"]);
  await terminal.shows("up\r\n");
  terminal.type("first\r");
  await terminal.shows("got first\r\n");
  terminal.type("second\r");
  await terminal.shows("then second\r\n");
  assert.equal(await terminal.end(), "exited 0");
  assert.equal(terminal.output.split("first").length - 1, 2, "echoed once, by the container's terminal, and answered");
});

test("the caller's terminal is raw while the program runs and restored afterwards", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "echo up; read line"]);
  const before = await terminal.modes();
  await terminal.shows("up\r\n");
  assert.equal(await terminal.isRaw(), true);
  terminal.type("\r");
  assert.equal(await terminal.end(), "exited 0");
  assert.equal(await terminal.modes(), before);
});

test("the terminal is restored when the program is killed", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "echo up; exec probe wait"]);
  const before = await terminal.modes();
  await terminal.shows("ready");
  process.kill((await c.state()).pid, "SIGKILL");
  assert.equal(await terminal.end(), "exited 137");
  assert.equal(await terminal.modes(), before);
});

test("the terminal is restored when the container cannot be started", async (c) => {
  for (const args of [["nosuchprogram"], ["/etc/passwd"]]) {
    const terminal = runOnTerminal(c, args);
    const before = await terminal.modes();
    assert.notEqual(await terminal.end(), "exited 0");
    assert.equal(await terminal.modes(), before);
    assert.match(terminal.output, /executable file not found|permission denied/);
  }
});

test("the terminal is restored when a signal ends the runtime", async (c) => {
  const terminal = runOnTerminal(c, ["probe", "wait"]);
  const before = await terminal.modes();
  await terminal.shows("ready");
  await terminal.signal(15);
  assert.equal(await terminal.end(), "exited 0");
  await terminal.shows("signal 15");
  assert.equal(await terminal.modes(), before);
});

test("ctrl-C on the terminal interrupts the program, not the runtime", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "trap 'echo interrupted; exit 5' INT; echo up; while :; do sleep 0.05; done"]);
  await terminal.shows("up\r\n");
  terminal.type("\x03");
  await terminal.shows("interrupted");
  assert.equal(await terminal.end(), "exited 5");
});

test("ctrl-Z and ctrl-\\ reach the program as well", async (c) => {
  const terminal = runOnTerminal(c, ["probe", "wait"]);
  await terminal.shows("ready");
  terminal.type("\x1a");
  await terminal.shows("signal 20");
  terminal.type("\x1c");
  await terminal.shows("signal 3");
  terminal.type("\x03");
  assert.equal(await terminal.end(), "exited 3");
});

test("the window size is the caller's, and so is every change of it", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "echo up; read line; probe winsize; exit 4"]);
  await terminal.shows("up\r\n");
  await terminal.resize(33, 111);
  await new Promise((resolve) => setTimeout(resolve, 150));
  terminal.type("\r");
  await terminal.shows("33 111\r\n");
  await terminal.resize(50, 200);
  await terminal.shows("50 200\r\n");
  await terminal.resize(10, 20);
  await terminal.shows("10 20\r\n");
  terminal.type("\r");
  assert.equal(await terminal.end(), "exited 4");
});

test("the window size is right from the first instruction of the program", async (c) => {
  const terminal = runOnTerminal(c, ["probe", "winsize"]);
  await terminal.shows(/\d+ \d+\r\n/);
  assert.match(terminal.output, /^24 80\r\n/);
  terminal.type("\r");
  await terminal.end();
});

test("much output arrives complete and in order", async (c) => {
  const terminal = runOnTerminal(c, ["seq", "1", "100000"]);
  assert.equal(await terminal.end(), "exited 0");
  const expected = Array.from({ length: 100000 }, (_, index) => `${index + 1}\r\n`).join("");
  await terminal.shows("100000\r\n");
  assert.ok(terminal.output === expected, `${terminal.output.length} of ${expected.length} characters`);
});

test("much input arrives complete", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "stty raw -echo; echo up; head -c 200000 | wc -c"]);
  await terminal.shows("up");
  terminal.type("x".repeat(200000));
  await terminal.shows("200000");
  assert.equal(await terminal.end(), "exited 0");
});

test("output that is written just before the end is not lost", async (c) => {
  for (let round = 0; round < 10; round++) {
    const terminal = runOnTerminal(c, ["sh", "-c", "seq 1 500; echo the last line"]);
    assert.equal(await terminal.end(), "exited 0");
    await terminal.shows("the last line\r\n");
  }
});

test("a program that closes its terminal and goes on is waited for", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "echo up; exec </dev/null >/dev/null 2>&1; sleep 0.3; exit 6"]);
  assert.equal(await terminal.end(), "exited 6");
  await terminal.shows("up");
});

test("a terminal that every process has closed is copied again once one opens it again", async (c) => {
  const terminal = runOnTerminal(c, [
    "sh",
    "-c",
    "exec </dev/null >/dev/null 2>&1; sleep 0.5; echo again >/dev/console; sleep 0.5; read line </dev/console; echo got $line >/dev/console; exit 6",
  ]);
  await terminal.shows("again\r\n");
  terminal.type("typed\r");
  await terminal.shows("got typed\r\n");
  assert.equal(await terminal.end(), "exited 6");
});

test("signals of the caller are forwarded also with a terminal", async (c) => {
  const terminal = runOnTerminal(c, ["probe", "wait"]);
  await terminal.shows("ready");
  for (const number of [10, 12, 1]) {
    await terminal.signal(number);
    await terminal.shows(`signal ${number}\r\n`);
  }
  await terminal.signal(2);
  assert.equal(await terminal.end(), "exited 3");
});

test("the terminal belongs to the container's user", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "stat -c '%u' $(tty); echo x >/dev/tty"], (config) => {
    config.process.user = { uid: 1000, gid: 1000 };
    config.process.capabilities = {};
  });
  assert.equal(await terminal.end(), "exited 0");
  assert.match(terminal.output, /^1000\r\nx\r\n/);
});

test("a terminal needs no /dev/pts of its own name", async (c) => {
  const terminal = runOnTerminal(c, ["sh", "-c", "ls /dev/pts; tty"]);
  assert.equal(await terminal.end(), "exited 0");
  assert.match(terminal.output, /ptmx/);
});

test("run of a container with a terminal by a caller without one is an error, before anything is made", async (c) => {
  const hook = c.file("hook", `#!/bin/sh\ntouch ${c.directory}/ran\n`, 0o755);
  const bundle = c.bundle({
    args: ["sh"],
    config: (config) => {
      config.process.terminal = true;
      config.hooks = { createRuntime: [{ path: hook }] };
    },
  });
  c.deleteLater();
  for (const input of [undefined, "echo typed\n"]) {
    const started = await c.startBelow(["/usr/bin/setsid", "--wait"], ["run", "-b", bundle.directory, c.id], { input, timeoutSeconds: 10 });
    const result = await started.wait();
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, /open "?\/dev\/tty"?: .*no such device or address/);
    if (isTsrunc) assert.ok(!existsSync(`${c.directory}/ran`));
    await c.fails(["state", c.id], /container does not exist/);
  }
});

test("output that goes to a file has the program's line ends, and the caller's terminal keeps its own", async (c) => {
  const output = `${c.directory}/output`;
  const bundle = c.bundle({
    args: ["sh", "-c", "echo one; echo two; echo more >/dev/tty"],
    config: (config) => (config.process.terminal = true),
  });
  const run = ["--root", c.root, "run", "-b", bundle.directory, c.id];
  const file = new Terminal(c, "/bin/sh", ["-c", `"$@" >${output}; echo done`, "sh", c.program, ...run]);
  assert.equal(await file.end(), "exited 0");
  assert.equal(readFileSync(output, "utf8"), "one\ntwo\nmore\n");
  const pipe = new Terminal(c, "/bin/sh", ["-c", '"$@" | cat', "sh", c.program, ...run]);
  assert.equal(await pipe.end(), "exited 0");
  assert.equal(pipe.output, "one\r\ntwo\r\nmore\r\n");
});

test("lines on the caller's terminal end once where the input comes from a pipe", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "read line; echo got $line"],
    config: (config) => (config.process.terminal = true),
  });
  const run = ["--root", c.root, "run", "-b", bundle.directory, c.id];
  const terminal = new Terminal(c, "/bin/sh", ["-c", 'echo typed | "$@"', "sh", c.program, ...run]);
  assert.equal(await terminal.end(), "exited 0");
  assert.equal(terminal.output, "typed\r\ngot typed\r\n");
});

// ---- --console-socket ----

interface Console {
  socket: string;
  receiver: Started;
}

async function listen(c: Context, input?: string): Promise<Console> {
  const socket = `${c.directory}/console.sock`;
  const receiver = await c.helper("recvfd", ["terminal", socket], input === undefined ? {} : { input });
  await c.printed(receiver, "listening");
  return { socket, receiver };
}

test("--console-socket receives the terminal of a created container", async (c) => {
  const { socket, receiver } = await listen(c, "typed\r");
  const bundle = c.bundle({
    args: ["sh", "-c", "echo on $(tty); read line; echo got $line"],
    config: (config) => (config.process.terminal = true),
  });
  const created = await c.create(bundle, ["--console-socket", socket]);
  await c.printed(receiver, "received ");
  await c.ok(["start", c.id]);
  await c.printed(receiver, "got typed\r\n");
  assert.match(receiver.output(), /on \/dev\/(pts\/0|console)\r\n/);
  assert.equal(created.output() + created.errors(), "");
  await c.status("stopped");
});

test("--console-socket works with run --detach", async (c) => {
  const { socket, receiver } = await listen(c);
  const bundle = c.bundle({ args: ["sh", "-c", "echo up; sleep 0.2"], config: (config) => (config.process.terminal = true) });
  c.deleteLater();
  const result = await c.ok(["run", "-d", "--console-socket", socket, "-b", bundle.directory, c.id]);
  assert.equal(result.stdout + result.stderr, "", describe(result));
  await c.printed(receiver, "up\r\n");
  await c.status("stopped");
});

test("consoleSize is the terminal's size at the first instruction", async (c) => {
  const { socket, receiver } = await listen(c);
  const bundle = c.bundle({
    args: ["probe", "winsize"],
    config: (config) => {
      config.process.terminal = true;
      config.process.consoleSize = { height: 43, width: 132 };
    },
  });
  await c.createAndStart(bundle, ["--console-socket", socket]);
  await c.printed(receiver, "43 132\r\n");
});

test("a console socket with a path longer than a socket address is reached", async (c) => {
  // sun_path holds 108 bytes (unix(7)); the socket itself is made by its short, relative name.
  const folder = `${c.directory}/${"deep".repeat(20)}`;
  mkdirSync(folder);
  const receiver = await c.helper("recvfd", ["terminal", "s"], { cwd: folder });
  await c.printed(receiver, "listening");
  assert.ok(existsSync(`${folder}/s`));
  const bundle = c.bundle({ args: ["echo", "reached"], config: (config) => (config.process.terminal = true) });
  await c.createAndStart(bundle, ["--console-socket", `${folder}/s`]);
  await c.printed(receiver, "reached\r\n");
});

test("--pidfd-socket receives a pidfd of the container's init", async (c) => {
  const socket = `${c.directory}/pidfd.sock`;
  const receiver = await c.helper("recvfd", ["pidfd", socket]);
  await c.printed(receiver, "listening");
  await c.create(c.bundle(), ["--pidfd-socket", socket]);
  const { pid } = await c.state();
  await c.printed(receiver, `pid ${pid}\n`);
  await c.ok(["kill", c.id, "KILL"]);
  await c.printed(receiver, "ended");
});
