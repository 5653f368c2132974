/**
 * What create and run hand from their caller to the container, and back: pid-file, descriptors, sd_notify, umask, signals.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, statSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import { environmentOf } from "./harness/report.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Started } from "./harness/execute.js";
import type { Report } from "./harness/report.js";

test("the pid-file holds the pid and replaces an older one at once", async (c) => {
  const pidFile = c.file("pid", "old content that is longer than a pid\n");
  const older = openSync(pidFile, "r");
  await c.create(c.bundle(), ["--pid-file", pidFile]);
  assert.equal(readFileSync(pidFile, "utf8"), String((await c.state()).pid));
  const buffer = Buffer.alloc(100);
  const length = readSync(older, buffer);
  closeSync(older);
  assert.equal(buffer.toString("utf8", 0, length), "old content that is longer than a pid\n");
  assert.equal(existsSync(`${c.directory}/.pid`), false);
});

test("run writes the pid-file while the program runs", async (c) => {
  const pidFile = `${c.directory}/pid`;
  const started = await c.startRuntime(["run", "--pid-file", pidFile, "-b", c.bundle().directory, c.id]);
  await c.printed(started, "ready");
  const { pid } = await c.state();
  assert.equal(await c.fileText(pidFile), String(pid));
  process.kill(pid, "SIGTERM");
  assert.equal((await started.wait()).status, 0);
});

test("a pid-file that cannot be written fails create, which is undone", async (c) => {
  await c.fails(["create", "--pid-file", `${c.directory}/no/folder/pid`, "-b", c.bundle().directory, c.id], /no such file or directory/i);
  await c.fails(["state", c.id], /container does not exist/);
});

/** Opens files whose names show which descriptor is which. */
function openMarked(c: Context, count: number): number[] {
  return Array.from({ length: count }, (_, index) => openSync(c.file(`mark${index}`, `mark${index}`), "r"));
}

/** `run` with marked descriptors from 3 on, below a shell that first runs `prelude`, as LISTEN_PID must be the runtime's own pid. */
async function reportWithDescriptors(c: Context, count: number, args: string[], prelude = ""): Promise<Report> {
  const descriptors = openMarked(c, count);
  const bundle = c.bundle({ args: ["probe", "report"] });
  const started = await c.startBelowShell(`${prelude} exec "$@"`, ["run", "-b", bundle.directory, ...args, c.id], { descriptors });
  const result = await started.wait();
  for (const descriptor of descriptors) closeSync(descriptor);
  assert.equal(result.status, 0, describe(result));
  return JSON.parse(result.stdout) as Report;
}

/** The descriptors above 2, with the last part of what they are. */
function extra(report: Report): string[] {
  return Object.entries(report.descriptors)
    .filter(([number]) => Number(number) > 2)
    .map(([number, target]) => `${number}=${target.split("/").at(-1)}`);
}

test("descriptors of the caller do not reach the container", async (c) => {
  const report = await reportWithDescriptors(c, 3, []);
  assert.deepEqual(Object.keys(report.descriptors), ["0", "1", "2"]);
});

test("--preserve-fds passes that many descriptors and no more", async (c) => {
  const report = await reportWithDescriptors(c, 3, ["--preserve-fds", "2"]);
  assert.deepEqual(extra(report), ["3=mark0", "4=mark1"]);
});

test("--preserve-fds of a descriptor that is not open is refused", async (c) => {
  const bundle = c.bundle();
  const result = await c.runtime(["create", "--preserve-fds", "5", "-b", bundle.directory, c.id]);
  assert.equal(result.status, 1, describe(result));
});

test("LISTEN_FDS passes descriptors and sets LISTEN_PID to 1", async (c) => {
  const report = await reportWithDescriptors(c, 3, [], "export LISTEN_PID=$$ LISTEN_FDS=2;");
  assert.deepEqual(extra(report), ["3=mark0", "4=mark1"]);
  const environment = environmentOf(report);
  assert.equal(environment["LISTEN_FDS"], "2");
  assert.equal(environment["LISTEN_PID"], "1");
});

test("LISTEN_FDS that is meant for another process is left alone (sd_listen_fds(3))", async (c) => {
  const report = await reportWithDescriptors(c, 2, [], "export LISTEN_PID=1 LISTEN_FDS=2;");
  assert.deepEqual(extra(report), []);
  assert.equal("LISTEN_FDS" in environmentOf(report), false);
});

test("LISTEN_FDS and --preserve-fds add up", async (c) => {
  const report = await reportWithDescriptors(c, 3, ["--preserve-fds=1"], "export LISTEN_PID=$$ LISTEN_FDS=1;");
  assert.deepEqual(extra(report), ["3=mark0", "4=mark1"]);
});

for (const own of [[], ["LISTEN_FDS=7", "LISTEN_PID=5", "NOTIFY_SOCKET=/own"]]) {
  const what = own.length > 0 ? "those of config.json" : "none";
  test(`of the variables of socket activation and readiness exec gives its process ${what}, not the first process's`, async (c) => {
    const { path } = await notifySocket(c);
    const descriptors = openMarked(c, 1);
    const bundle = c.bundle({
      config: ({ process, mounts }) => {
        process.env.push(...own);
        mounts.push({ destination: "/run", type: "tmpfs", source: "tmpfs" });
      },
    });
    const script = `export LISTEN_PID=$$ LISTEN_FDS=1 NOTIFY_SOCKET=${path}; exec "$@"`;
    const created = await c.startBelowShell(script, ["create", "-b", bundle.directory, c.id], { descriptors });
    c.deleteLater();
    assert.equal((await created.wait()).status, 0, created.output());
    for (const descriptor of descriptors) closeSync(descriptor);
    await c.ok(["start", c.id]);
    const { stdout } = await c.ok(["exec", c.id, "env"]);
    assert.deepEqual(
      stdout.split("\n").filter((line) => /^(LISTEN_|NOTIFY_)/.test(line)),
      own,
    );
  });
}

test("exec passes descriptors by --preserve-fds alone: a caller's LISTEN_FDS is not its process's", async (c) => {
  await c.createAndStart(c.bundle());
  const descriptors = openMarked(c, 2);
  const args = ["exec", "--preserve-fds", "1", c.id, "probe", "report"];
  const result = await (await c.startBelowShell('export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"', args, { descriptors })).wait();
  for (const descriptor of descriptors) closeSync(descriptor);
  assert.equal(result.status, 0, describe(result));
  const report = JSON.parse(result.stdout) as Report;
  assert.deepEqual(extra(report), ["3=mark0"]);
  assert.equal("LISTEN_FDS" in environmentOf(report), false);
});

test("descriptors reach a program that create made and start started", async (c) => {
  const descriptors = openMarked(c, 1);
  const started = await c.create(c.bundle({ args: ["sh", "-c", "cat <&3"] }), ["--preserve-fds", "1"], { descriptors });
  for (const descriptor of descriptors) closeSync(descriptor);
  await c.ok(["start", c.id]);
  await c.printed(started, "mark0");
});

/** A listening datagram socket in the place of systemd's. */
async function notifySocket(c: Context): Promise<{ path: string; messages: Started }> {
  const path = `${c.directory}/notify`;
  const messages = await c.helper("notifysocket", [path]);
  await c.printed(messages, "listening");
  return { path, messages };
}

test("NOTIFY_SOCKET: READY=1 is forwarded, then the pid as the host sees it", async (c) => {
  const { path, messages } = await notifySocket(c);
  const bundle = c.bundle({ args: ["sh", "-c", "probe notify READY=1; exec probe wait"] });
  await c.create(bundle, [], { env: { NOTIFY_SOCKET: path } });
  await c.ok(["start", c.id], { env: { NOTIFY_SOCKET: path } });
  const { pid } = await c.state();
  await c.printed(messages, `MAINPID=${pid}`);
  const lines = messages.output().trim().split("\n").slice(1);
  assert.match(lines[0] ?? "", /^READY=1/);
});

test("NOTIFY_SOCKET: only READY=1 is taken from the container", async (c) => {
  const { path, messages } = await notifySocket(c);
  const bundle = c.bundle({
    args: ["sh", "-c", "probe notify MAINPID=1; probe notify STATUS=x; sleep 0.2; probe notify READY=1; sleep 0.2"],
  });
  const result = await c.run(bundle, [], { env: { NOTIFY_SOCKET: path } });
  assert.equal(result.status, 0, describe(result));
  await c.printed(messages, "READY=1");
  assert.doesNotMatch(messages.output(), /STATUS=x|MAINPID=1\b/);
});

for (const kind of ["run", "create and start"] as const) {
  test(`NOTIFY_SOCKET: a container that may mount puts nothing beside the socket that ${kind} made, and delete removes it`, async (c) => {
    const { path } = await notifySocket(c);
    const env = { NOTIFY_SOCKET: path };
    const attack = [
      "for point in /run/notify /run/notify/notify.sock; do mount -o remount,bind,rw $point; done 2>/dev/null",
      "mkdir -p /run/notify/folder/folder; i=0; while [ $i -lt 100 ]; do echo x >/run/notify/file$i; i=$((i + 1)); done 2>/dev/null",
      "mv /run/notify/notify.sock /run/notify/moved 2>/dev/null",
      "probe notify READY=1; echo attacked; exec probe wait",
    ].join("; ");
    const bundle = c.bundle({ args: ["sh", "-c", attack], config: mayMount });
    let started: Started;
    c.deleteLater();
    if (kind === "run") {
      started = await c.startRuntime(["run", "-b", bundle.directory, c.id], { env });
    } else {
      started = await c.create(bundle, [], { env });
      await c.ok(["start", c.id], { env });
    }
    await c.printed(started, "attacked");
    const found = spawnSync("find", [c.root, "-type", "f", "-o", "-type", "d"], { encoding: "utf8" }).stdout.trim().split("\n").sort();
    assert.deepEqual(found, [c.root, `${c.root}/${c.id}`, `${c.root}/${c.id}/state.json`]);
    await c.ok(["delete", "-f", c.id]);
    if (kind === "run") await started.wait();
    assert.deepEqual(readdirSync(c.root), []);
  });
}

function mayMount(config: Config): void {
  const capabilities = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_LINUX_IMMUTABLE"];
  config.process.capabilities = { bounding: capabilities, effective: capabilities, permitted: capabilities };
  config.mounts.push({ destination: "/run", type: "tmpfs", source: "tmpfs", options: ["mode=0755"] });
}

test("NOTIFY_SOCKET: start without one leaves the container's messages unheard and does not wait", async (c) => {
  const { path, messages } = await notifySocket(c);
  const bundle = c.bundle({ args: ["sh", "-c", "probe notify READY=1 || echo unheard; exec probe wait"] });
  const started = await c.create(bundle, [], { env: { NOTIFY_SOCKET: path } });
  await c.ok(["start", c.id]);
  await c.printed(started, "ready");
  assert.doesNotMatch(messages.output(), /READY/);
});

test("the caller's umask does not change what create makes", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "stat -c '%a' /dev/shm /sub/dir; umask"],
    config: (config) => {
      config.mounts.push({ destination: "/sub/dir", type: "tmpfs", source: "tmpfs", options: ["mode=0711"] });
    },
  });
  chmodSync(bundle.rootfs, 0o755);
  const result = await (await c.startBelowShell('umask 0077; exec "$@"', ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stdout, "1777\n711\n0022\n");
  assert.equal(statSync(`${bundle.rootfs}/sub/dir`).mode & 0o777, 0o755);
});

test("the caller's signal mask and ignored signals do not reach the container", async (c) => {
  const bundle = c.bundle({ args: ["probe", "report"] });
  const result = await (await c.startBelowShell(`trap '' HUP PIPE USR1 CHLD; exec "$@"`, ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  const report = JSON.parse(result.stdout) as Report;
  assert.equal(report.blockedSignals, "0000000000000000");
  assert.equal(report.ignoredSignals, "0000000000000000");
});
