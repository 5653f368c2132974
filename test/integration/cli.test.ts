/**
 * Commands, flags and their texts. What a runtime's callers (containerd's shim, conmon, CRI-O, podman) rely on is here.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { cgroupMode } from "./harness/cgroups.js";
import fitsFeaturesSchema from "../../src/runtime/spec/generated/validate-features-report.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { defaultConfig } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import type { Context, State } from "./harness/context.js";

const commands = ["spec", "create", "start", "state", "kill", "delete", "run", "list", "features"];

/** Runs the runtime without --root. */
async function bare(c: Context, ...args: string[]): ReturnType<Context["runtime"]> {
  return (await c.spawn(c.program, args, { env: { XDG_RUNTIME_DIR: c.directory } })).wait();
}

test("--version and -v print name, version, commit and spec", async (c) => {
  const name = isTsrunc ? "tsrunc" : "runc";
  for (const flag of ["--version", "-v", "-version"]) {
    const result = await bare(c, flag);
    assert.equal(result.status, 0, describe(result));
    const lines = result.stdout.trimEnd().split("\n");
    assert.match(lines[0] ?? "", new RegExp(`^${name} version \\d+\\.\\d+\\.\\d+`));
    assert.match(lines[1] ?? "", /^commit: \S+$/);
    assert.match(lines[2] ?? "", /^spec: 1\.\d+\.\d+/);
  }
});

test("--version prints exactly three lines", async (c) => {
  const result = await bare(c, "--version");
  assert.match(result.stdout, /^.+\n.+\n.+\n$/);
});

test("--help and -h of the program and of each command print usage and end with 0", async (c) => {
  for (const flag of ["--help", "-h", "-help"]) {
    const result = await bare(c, flag);
    assert.equal(result.status, 0, describe(result));
    for (const command of commands) assert.match(result.stdout, new RegExp(`^\\s+${command}\\b`, "m"));
    for (const name of ["debug", "log", "log-format", "root", "systemd-cgroup", "rootless", "version"]) {
      assert.match(result.stdout, new RegExp(`--${name}\\b`));
    }
    assert.equal(result.stderr, "");
  }
});

const flags: Record<string, string[]> = {
  spec: ["bundle", "rootless"],
  create: ["bundle", "console-socket", "pid-file", "no-pivot", "no-new-keyring", "preserve-fds"],
  run: ["bundle", "console-socket", "pid-file", "no-pivot", "no-new-keyring", "preserve-fds", "detach", "keep", "no-subreaper"],
  delete: ["force"],
  list: ["format", "quiet"],
  start: [],
  state: [],
  kill: [],
  features: [],
};

for (const command of commands) {
  test(`${command} --help names its flags and ends with 0`, async (c) => {
    for (const flag of ["--help", "-h"]) {
      const result = await bare(c, command, flag);
      assert.equal(result.status, 0, describe(result));
      assert.match(result.stdout, new RegExp(`\\b${command}\\b`));
      for (const name of flags[command] ?? []) assert.match(result.stdout, new RegExp(`--${name}\\b`));
      assert.equal(result.stderr, "");
    }
  });
}

test("create and run --help name --pidfd-socket", async (c) => {
  for (const command of ["create", "run"]) assert.match((await bare(c, command, "--help")).stdout, /--pidfd-socket\b/);
});

test("no command prints the help and ends with 0", async (c) => {
  const result = await bare(c);
  assert.equal(result.status, 0, describe(result));
  assert.match(result.stdout, /\bcreate\b/);
});

test("an unknown command is an error that names it and the nearest", async (c) => {
  for (const [wrong, right] of [
    ["creat", "create"],
    ["stae", "state"],
    ["strat", "start"],
    ["lists", "list"],
  ] as const) {
    const result = await bare(c, wrong);
    assert.equal(result.status, 1, describe(result));
    assert.equal(result.stdout, "");
    assert.match(result.stderr, new RegExp(`"${wrong}".*"${right}"`));
  }
  const result = await bare(c, "frobnicate");
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /"frobnicate"/);
});

test("an unknown flag is an error with exit status 1 that names it", async (c) => {
  for (const args of [
    ["--bogus", "list"],
    ["list", "--bogus"],
    ["create", "--bogus", c.id],
    ["delete", "-x", c.id],
  ]) {
    const result = await bare(c, ...args);
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, /bogus|-x/);
  }
});

test("an unknown flag is answered with the nearest", async (c) => {
  for (const [args, right] of [
    [["create", "--bundel", "x", c.id], "--bundle"],
    [["create", "--pidfile", "x", c.id], "--pid-file"],
    [["run", "--detatch", c.id], "--detach"],
    [["delete", "--forse", c.id], "--force"],
    [["--log-fromat", "json", "list"], "--log-format"],
    [["list", "--quite"], "--quiet"],
  ] as const) {
    const result = await bare(c, ...args);
    assert.equal(result.status, 1, describe(result));
    assert.ok(result.stderr.includes(right), describe(result));
    assert.equal(result.stdout, "");
  }
});

test("a flag that needs a value and has none is an error", async (c) => {
  for (const args of [["list", "--format"], ["create", "--bundle"], ["--root"], ["create", "--preserve-fds", "two", c.id]]) {
    const result = await bare(c, ...args);
    assert.equal(result.status, 1, describe(result));
    assert.notEqual(result.stderr, "");
  }
});

test("a wrong number of arguments is an error", async (c) => {
  for (const command of ["create", "run", "start", "state", "kill", "delete"]) {
    const none = await c.runtime([command]);
    assert.equal(none.status, 1, describe(none));
    assert.match(none.stderr, isTsrunc ? new RegExp(`^${command}: missing container ID\n$`) : /argument/);
  }
  for (const args of [
    ["create", "a", "b"],
    ["run", "a", "b"],
    ["start", "a", "b"],
    ["state", "a", "b"],
    ["kill", "a", "TERM", "c"],
  ]) {
    const many = await c.runtime(args);
    assert.equal(many.status, 1, describe(many));
    assert.match(many.stderr, /argument/);
  }
});

test("long flags are taken with one dash and with =", async (c) => {
  const bundle = c.bundle();
  const pidFile = `${c.directory}/pid`;
  c.deleteLater();
  const result = await (
    await c.spawn(c.program, ["-root", c.root, "create", `-bundle=${bundle.directory}`, "-pid-file", pidFile, "-no-new-keyring", c.id])
  ).wait();
  assert.equal(result.status, 0, describe(result));
  assert.ok(existsSync(pidFile));
  const list = await (await c.spawn(c.program, [`--root=${c.root}`, "list", "-format=json"])).wait();
  assert.equal(JSON.parse(list.stdout)[0].id, c.id);
  await c.ok(["kill", "-all", c.id, "KILL"]);
  await c.status("stopped");
});

test("the last --root counts", async (c) => {
  await c.create(c.bundle());
  const result = await (await c.spawn(c.program, ["--root", `${c.directory}/none`, "--root", c.root, "list", "-q"])).wait();
  assert.equal(result.stdout, `${c.id}\n`);
});

test("--root / is refused", async (c) => {
  const result = await (await c.spawn(c.program, ["--root", "/", "list"])).wait();
  assert.equal(result.status, 1, describe(result));
  assert.match(result.stderr, /root/);
});

test("--rootless takes true, false and auto", async (c) => {
  for (const value of ["true", "false", "auto"]) await c.ok(["--rootless", value, "list"]);
  await c.fails(["--rootless", "maybe", "list"], /maybe/);
});

/** `spec` writes a cgroup namespace where cgroup v2 is the only version. */
const ownCgroupNamespace = cgroupMode() === "v2" ? ["cgroup"] : [];

test("spec writes a config.json that runs once it has a root file system", async (c) => {
  const bundle = c.bundle();
  const example = `${c.directory}/example`;
  await (await c.spawn("/bin/cp", ["-a", bundle.directory, example])).wait();
  await (await c.spawn("/bin/rm", [`${example}/config.json`])).wait();
  const result = await c.ok(["spec"], { cwd: example });
  assert.equal(result.stdout + result.stderr, "");
  const text = readFileSync(`${example}/config.json`, "utf8");
  const config = JSON.parse(text) as Config;
  assert.match(config.ociVersion, /^1\.\d+\.\d+/);
  assert.deepEqual(config.process.args, ["sh"]);
  assert.equal(config.process.terminal, true);
  assert.equal(config.process.noNewPrivileges, true);
  assert.equal(config.root.readonly, true);
  assert.deepEqual(
    config.mounts.map(({ destination }) => destination),
    defaultConfig().mounts.map(({ destination }) => destination),
  );
  assert.deepEqual(config.linux.namespaces.map(({ type }) => type).sort(), [
    ...ownCgroupNamespace,
    "ipc",
    "mount",
    "network",
    "pid",
    "uts",
  ]);
  assert.equal(statSync(`${example}/config.json`).mode & 0o133, 0);
  config.process.terminal = false;
  config.process.args = ["echo", "it runs"];
  writeFileSync(`${example}/config.json`, JSON.stringify(config));
  assert.equal((await c.ok(["run", "-b", example, c.id])).stdout, "it runs\n");
});

test("spec -b writes into the named bundle and never over a config.json", async (c) => {
  const folder = c.folder("bundle");
  await c.ok(["spec", "-b", folder]);
  const first = readFileSync(`${folder}/config.json`, "utf8");
  await c.fails(["spec", "--bundle", folder], /config\.json.*exists/);
  assert.equal(readFileSync(`${folder}/config.json`, "utf8"), first);
  await c.fails(["spec", "-b", `${c.directory}/missing`], /no such file or directory/i);
});

test("spec --rootless maps the caller and leaves out what a plain user may not", async (c) => {
  const folder = c.folder("bundle");
  await c.ok(["spec", "--rootless", "-b", folder]);
  const config = JSON.parse(readFileSync(`${folder}/config.json`, "utf8")) as Config;
  assert.deepEqual(config.linux.uidMappings, [{ containerID: 0, hostID: 0, size: 1 }]);
  assert.deepEqual(config.linux.gidMappings, [{ containerID: 0, hostID: 0, size: 1 }]);
  const types = config.linux.namespaces.map(({ type }) => type);
  assert.deepEqual(types.sort(), [...ownCgroupNamespace, "ipc", "mount", "pid", "user", "uts"]);
  const sys = config.mounts.find(({ destination }) => destination === "/sys");
  assert.equal(sys?.source, "/sys");
  assert.ok(sys?.options?.includes("rbind") && sys.options.includes("ro"));
  for (const mount of config.mounts) assert.ok(!mount.options?.some((option) => option.startsWith("gid=")), mount.destination);
});

test("list prints a table with the columns that callers know", async (c) => {
  await c.createAndStart(c.bundle());
  const id = c.otherId("stopped");
  await c.createAndStart(c.bundle({ args: ["true"] }), [], { id });
  await c.status("stopped", id);
  for (const args of [["list"], ["list", "-f", "table"], ["list", "--format", "table"]]) {
    const lines = (await c.ok(args)).stdout.trimEnd().split("\n");
    assert.match(lines[0] ?? "", /^ID\s+PID\s+STATUS\s+BUNDLE\s+CREATED\s+OWNER\s*$/);
    assert.equal(lines.length, 3);
    const column = (lines[0] ?? "").indexOf("STATUS");
    const { pid } = await c.state();
    const running = lines.find((line) => line.startsWith(`${c.id} `));
    assert.match(running ?? "", new RegExp(`^${c.id}\\s+${pid}\\s+running\\s+/\\S+\\s+\\d{4}-\\d\\d-\\d\\dT\\S+Z\\s+root\\s*$`));
    assert.equal(running?.indexOf("running"), column);
    assert.match(lines.find((line) => line.startsWith(id)) ?? "", new RegExp(`^${id}\\s+0\\s+stopped\\s`));
  }
});

test("list -f json prints an array of states", async (c) => {
  assert.deepEqual(JSON.parse((await c.ok(["list", "-f", "json"])).stdout) ?? [], []);
  await c.create(c.bundle({ config: (config) => (config.annotations = { a: "b" }) }));
  const list = JSON.parse((await c.ok(["list", "--format=json"])).stdout) as State[];
  assert.equal(list.length, 1);
  const state = await c.state();
  assert.deepEqual({ ...list[0], owner: state.owner }, state);
  assert.equal(list[0]?.owner, "root");
});

test("list -q prints ids only", async (c) => {
  assert.equal((await c.ok(["list", "-q"])).stdout, "");
  const second = c.otherId("b");
  await c.create(c.bundle());
  await c.create(c.bundle(), [], { id: second });
  assert.equal((await c.ok(["list", "--quiet"])).stdout, `${c.id}\n${second}\n`);
});

test("list refuses an unknown format", async (c) => {
  await c.fails(["list", "-f", "xml"], /format/);
});

test("list of a root directory that does not exist is empty", async (c) => {
  const result = await c.ok(["list"]);
  assert.match(result.stdout, /^ID\s+PID\s+STATUS\s+BUNDLE\s+CREATED\s+OWNER\s*\n$/);
});

test("features names versions, hooks, mount options, namespaces and capabilities", async (c) => {
  const result = await c.ok(["features"]);
  assert.equal(result.stderr, "");
  const features = JSON.parse(result.stdout);
  assert.equal(features.ociVersionMin, "1.0.0");
  assert.match(features.ociVersionMax, /^1\.\d+\.\d+/);
  assert.deepEqual([...features.hooks].sort(), ["createContainer", "createRuntime", "poststart", "poststop", "prestart", "startContainer"]);
  for (const option of ["ro", "rbind", "rprivate", "rro", "nosuid", "remount"]) assert.ok(features.mountOptions.includes(option), option);
  for (const type of ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"]) assert.ok(features.linux.namespaces.includes(type), type);
  assert.ok(features.linux.capabilities.includes("CAP_CHECKPOINT_RESTORE"));
  assert.equal(features.linux.cgroup.v1, true);
  assert.equal(features.linux.cgroup.v2, true);
});

test("features fits the specification's schema", async (c) => {
  const features = JSON.parse((await c.ok(["features"])).stdout) as unknown;
  assert.ok(fitsFeaturesSchema(features), JSON.stringify(fitsFeaturesSchema.errors));
});

test("--systemd-cgroup is refused where systemd does not run and a cgroup is to be made", async (c) => {
  if (existsSync("/run/systemd/system")) c.skip("systemd runs here");
  const bundle = c.bundle({ config: (config) => (config.linux.cgroupsPath = `system.slice:tsrunc:${c.id}`) });
  const text = /systemd (cgroup flag passed, but systemd support for managing cgroups is not available|not running on this host)/;
  await c.fails(["--systemd-cgroup", "create", "-b", bundle.directory, c.id], text);
  await c.ok(["--systemd-cgroup", "list"]);
  await c.fails(["--systemd-cgroup", "state", c.id], /container does not exist/);
});

test("--log writes the error to the file and to stderr", async (c) => {
  const log = `${c.directory}/log`;
  writeFileSync(log, "earlier line\n");
  await c.fails(["--log", log, "state", c.id], /container does not exist/);
  const text = readFileSync(log, "utf8");
  assert.match(text, /^earlier line\n.*level=error.*container does not exist/);
});

test("--log-format json writes one object a line with level, msg and time", async (c) => {
  const log = `${c.directory}/log.json`;
  const bundle = c.bundle({ args: ["nosuchprogram"] });
  await c.fails(["--log", log, "--log-format", "json", "create", "-b", bundle.directory, c.id], /executable file not found in \$PATH/);
  const lines = readFileSync(log, "utf8").trimEnd().split("\n");
  const last = JSON.parse(lines.at(-1) ?? "");
  assert.deepEqual(Object.keys(last).sort(), ["level", "msg", "time"]);
  assert.equal(last.level, "error");
  assert.match(last.msg, /exec: "nosuchprogram": executable file not found in \$PATH/);
  assert.match(last.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
});

test("a failure is exactly one object in the JSON log", async (c) => {
  const log = `${c.directory}/log.json`;
  const bundle = c.bundle({ args: ["nosuchprogram"] });
  await c.runtime(["--log", log, "--log-format", "json", "create", "-b", bundle.directory, c.id]);
  assert.equal(typeof JSON.parse(readFileSync(log, "utf8")).msg, "string");
});

test("without a log file the error is one line on stderr in the log's format", async (c) => {
  const { stderr } = await c.fails(["--log-format", "json", "state", c.id], /container does not exist/);
  assert.equal(JSON.parse(stderr).level, "error");
  const text = await c.fails(["state", c.id], /container does not exist/);
  assert.equal(text.stderr.trimEnd().split("\n").length, 1);
});

test("an unknown log format is refused", async (c) => {
  await c.fails(["--log-format", "xml", "list"], /log-format|log format/);
});

test("a log file that cannot be opened is an error", async (c) => {
  await c.fails(["--log", `${c.directory}/no/such/folder/log`, "list"], /no such file or directory/i);
});

test("--debug writes debug lines to the log and changes nothing else", async (c) => {
  const log = `${c.directory}/debug.log`;
  const bundle = c.bundle({ args: ["echo", "hello"] });
  const result = await c.ok(["--debug", "--log", log, "--log-format", "json", "run", "-b", bundle.directory, c.id]);
  assert.equal(result.stdout, "hello\n");
  const levels = readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).level as string);
  assert.ok(levels.includes("debug"), levels.join());
  assert.ok(!levels.includes("error"), levels.join());
});

test("a log in a directory and a bundle with spaces and other letters work", async (c) => {
  const folder = `${c.directory}/a b ä "q" \\`;
  const bundle = c.bundle({ args: ["echo", "fine"] });
  await (await c.spawn("/bin/mv", [bundle.directory, folder])).wait();
  const result = await c.ok(["--log", `${folder}/log file`, "run", "-b", folder, c.id]);
  assert.equal(result.stdout, "fine\n");
});

test("-- ends the flags, also those of a command", async (c) => {
  await c.fails(["state", "--", "-x"], /container does not exist/);
});

test("an argument that is not UTF-8 is refused by name", async (c) => {
  const started = await c.startBelowShell(`exec "$@" "$(printf '/b\\377')" ${c.id}`, ["create", "-b"]);
  const { status, stderr } = await started.wait();
  assert.equal(status, 1);
  if (isTsrunc) assert.equal(stderr, 'tsrunc: argument "/b\ufffd" is not UTF-8\n');
});
