/**
 * `--log journald:NAME` and `--log syslog:NAME`, whose daemons are played by a socket in a mount namespace of the test's own; what else --log
 * takes, and --log-level. runc has files alone.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Context } from "./harness/context.js";
import type { Result, Started } from "./harness/execute.js";

/** Mounts `/dev` and `/run` that hold nothing but what the script puts there; `$1` is a folder for them, `$2` the daemon's socket. */
const privately = `
  folder=$1 socket=$2; shift 2
  mkdir "$folder/dev" && mount -t tmpfs tmpfs "$folder/dev" && cp -a /dev/null "$folder/dev" &&
  ln -s "$socket" "$folder/dev/log" && mount --bind "$folder/dev" /dev &&
  mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && ln -s "$socket" /run/systemd/journal/socket && exec "$@"`;

interface Daemon {
  socket: string;
  messages: Started;
}

async function daemon(c: Context): Promise<Daemon> {
  const socket = `${c.directory}/daemon`;
  const messages = await c.helper("datagrams", [socket]);
  await c.printed(messages, "listening");
  return { socket, messages };
}

async function logTo(c: Context, { socket }: Pick<Daemon, "socket">, ...args: string[]): Promise<Result> {
  const folder = c.folder("namespace");
  const started = await c.startBelow(["unshare", "--mount", "--propagation", "private", "sh", "-c", privately, "sh", folder, socket], args);
  return started.wait();
}

/** A field of the journal's native protocol, as `datagrams` prints it. */
function field(name: string, value: string): string {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(value)));
  const escape = (bytes: Buffer): string =>
    [...bytes]
      .map((byte) => (byte < 32 || byte > 126 || byte === 92 ? `\\x${byte.toString(16).padStart(2, "0")}` : String.fromCharCode(byte)))
      .join("");
  return escape(Buffer.concat([Buffer.from(`${name}\n`), size, Buffer.from(`${value}\n`)]));
}

const unknown = 'state "ä": use the id "ä": invalid container ID format';

if (isTsrunc) {
  test("--log journald:NAME writes errors to the journal, whatever is in them", async (c) => {
    const journal = await daemon(c);
    const result = await logTo(c, journal, "--log", "journald:web", "state", "ä");
    assert.equal(result.status, 1, describe(result));
    assert.ok(result.stderr.startsWith(unknown), result.stderr);
    await c.printed(journal.messages, "MESSAGE");
    const entry = [field("PRIORITY", "3"), field("SYSLOG_IDENTIFIER", "web"), field("MESSAGE", result.stderr.trimEnd())].join("");
    assert.equal(journal.messages.output(), `listening\n${entry}\n`);
  });

  test("--log syslog:NAME writes errors to syslog", async (c) => {
    const syslog = await daemon(c);
    const result = await logTo(c, syslog, "--log", "syslog:", "state", "none");
    assert.equal(result.status, 1, describe(result));
    await c.printed(syslog.messages, "<11>");
    assert.equal(syslog.messages.output(), 'listening\n<11>tsrunc: state "none": container does not exist\n');
    const inJson = await logTo(c, syslog, "--log=syslog:a", "--log-format=json", "state", "none");
    assert.equal(inJson.stderr, 'state "none": container does not exist\n');
    await c.printed(syslog.messages, "<11>a: {");
    assert.match(
      syslog.messages.output(),
      /\n<11>a: \{"level":"error","msg":"state \\x5c"none\\x5c": container does not exist","time":"[^"]+"\}\n$/,
    );
  });

  test("a log daemon that is not there is an error before anything is done", async (c) => {
    const bundle = c.bundle();
    for (const [log, path] of [
      ["journald:x", "/run/systemd/journal/socket"],
      ["syslog:x", "/dev/log"],
    ] as const) {
      const result = await logTo(c, { socket: `${c.directory}/nobody` }, "--log", log, "create", "-b", bundle.directory, c.id);
      assert.equal(result.status, 1, describe(result));
      assert.equal(result.stderr, `send to "${path}": ENOENT (no such file or directory)\n`);
    }
    assert.equal((await c.ok(["list", "-q"])).stdout, "");
  });

  test("--log file:PATH is a file, and so is a path with another word before a colon", async (c) => {
    await c.fails(["--log", `file:${c.directory}/log`, "state", c.id], /does not exist/);
    assert.match(readFileSync(`${c.directory}/log`, "utf8"), /level=error/);
    mkdirSync(`${c.directory}/other:`);
    await c.fails(["--log", `${c.directory}/other:/log`, "state", c.id], /does not exist/);
    assert.match(readFileSync(`${c.directory}/other:/log`, "utf8"), /level=error/);
  });

  test("--log-level drops messages of lower levels, and debug logs every request", async (c) => {
    const warned = ["--log", `${c.directory}/log`, "--log-format=json"];
    const levels = async (...flags: string[]): Promise<string[]> => {
      const log = c.file("log", "");
      const bundle = c.bundle({ args: ["true"], config: (config) => (config.annotations = { "run.oci.nothing": "1" }) });
      await c.ok([...warned, ...flags, "run", "-b", bundle.directory, c.id]);
      const lines = readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line !== "");
      return [...new Set(lines.map((line) => JSON.parse(line).level as string))].sort();
    };
    assert.deepEqual(await levels(), ["warning"]);
    assert.deepEqual(await levels("--log-level", "error"), []);
    assert.deepEqual(await levels("--log-level=info"), ["warning"]);
    assert.deepEqual(await levels("--log-level=debug"), ["debug", "warning"]);
    assert.deepEqual(await levels("--debug", "--log-level=debug"), ["debug", "warning"]);
  });
}
