/** checkpoint and restore by CRIU: what is saved and what comes back. */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { COUNT, counter, counts, criu, isGone, needCriu, restoreArgs, saved } from "./harness/checkpoints.js";
import { test } from "./harness/suite.js";
import { setNamespace } from "./harness/config.js";
import { isTsrunc } from "./harness/environment.js";
import { until } from "./harness/execute.js";
import { Terminal } from "./harness/terminal.js";
import type { Context } from "./harness/context.js";
import type { Started } from "./harness/execute.js";

criu.test("a container that was checkpointed is gone, and restore -d goes on where it was", async (c) => {
  const bundle = counter(c);
  const before = await saved(c, bundle);
  await isGone(c);
  assert.deepEqual(JSON.parse(readFileSync(`${c.directory}/images/descriptors.json`, "utf8")), ["/dev/null", "/dev/null", "/dev/null"]);
  await c.ok(restoreArgs(c, bundle, "-d", "--pid-file", `${c.directory}/pid`));
  const state = await c.state();
  assert.equal(state.status, "running");
  assert.equal(String(state.pid), readFileSync(`${c.directory}/pid`, "utf8"));
  // From memory: a program that had been started anew would count from 1.
  rmSync(`${bundle.rootfs}/count`);
  assert.ok((await counts(bundle)) > before);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
});

criu.test("a restored container is in its cgroup, with the limits of config.json", async (c) => {
  const bundle = counter(c, (config) => (config.linux.resources = { pids: { limit: 77 } }));
  await saved(c, bundle);
  await c.ok(restoreArgs(c, bundle, "-d"));
  const { pid } = await c.state();
  const cgroup = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("::")[1] ?? "";
  assert.ok(cgroup.endsWith(`/${c.id}`), cgroup);
  assert.equal(readFileSync(`/sys/fs/cgroup${cgroup}/pids.max`, "utf8"), "77\n");
  await c.ok(["delete", "-f", c.id]);
  assert.equal(existsSync(`/sys/fs/cgroup${cgroup}`), false);
});

criu.test("with --leave-running the container runs on, and its images restore another one", async (c) => {
  const bundle = counter(c);
  const before = await saved(c, bundle, "--leave-running");
  assert.equal((await c.state()).status, "running");
  await counts(bundle, before);
  await c.ok(["delete", "-f", c.id]);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before - 1);
});

criu.test("checkpoint after --pre-dump saves what has changed, with --parent-path", async (c) => {
  const bundle = counter(c);
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.ok(["checkpoint", "--pre-dump", "--image-path", `${c.directory}/first`, c.id]);
  assert.equal((await c.state()).status, "running");
  const before = await counts(bundle);
  await c.ok(["checkpoint", "--parent-path", "../first", "--image-path", `${c.directory}/images`, c.id]);
  await isGone(c);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await counts(bundle, before);
});

criu.test("restore in the foreground returns the program's exit status and deletes the container", async (c) => {
  const bundle = counter(c, undefined, `exec >/dev/null 2>&1; trap 'exit 42' USR1; ln -s 1 /count; while :; do sleep 0.1; done`);
  await saved(c, bundle);
  const restored = await c.startRuntime(restoreArgs(c, bundle));
  await until("it is restored", async () => (await c.runtime(["state", c.id])).stdout.includes('"running"'), 30);
  await c.ok(["kill", c.id, "USR1"]);
  assert.equal((await restored.wait()).status, 42);
  await isGone(c);
});

criu.test("a program's pipe is that of whoever restores it", async (c) => {
  const bundle = counter(c, undefined, "ln -s 1 /count; while sleep 0.1; do echo tick; done");
  c.deleteLater();
  const run = await c.startBelowShell(`"$@" </dev/null 2>&1 | cat >"${c.directory}/first"`, ["run", "-d", "-b", bundle.directory, c.id]);
  await counts(bundle);
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  await run.wait();
  const again = await c.startBelowShell(`"$@" </dev/null 2>&1 | cat >"${c.directory}/second"`, restoreArgs(c, bundle, "-d"));
  await until(
    "it writes to the new pipe",
    () => existsSync(`${c.directory}/second`) && readFileSync(`${c.directory}/second`, "utf8").includes("tick"),
    30,
  );
  await c.ok(["kill", c.id, "KILL"]);
  await again.wait();
});

criu.test("bind mounts are saved as they were made, whatever config.json says by then, and restored from its sources", async (c) => {
  for (const name of ["shared", "other"]) mkdirSync(`${c.directory}/${name}`);
  writeFileSync(`${c.directory}/file`, "old");
  const bundle = counter(
    c,
    (config) =>
      config.mounts.push(
        { destination: "/mnt/dir", type: "bind", source: `${c.directory}/shared`, options: ["bind", "rprivate"] },
        { destination: "/mnt/file", type: "bind", source: `${c.directory}/file`, options: ["bind", "ro", "rprivate"] },
      ),
    // The files are closed between two writes, but a checkpoint may come while they are open: they must be there at the restore.
    COUNT.replace("ln ", "cat /mnt/file >/mnt/dir/copy; ln "),
  );
  await c.createAndStart(bundle);
  await counts(bundle);
  const file = `${bundle.directory}/config.json`;
  const config = readFileSync(file, "utf8");
  writeFileSync(file, "{}");
  await c.ok(["checkpoint", "--image-path", `${c.directory}/images`, c.id]);
  writeFileSync(file, config.replace(`${c.directory}/shared`, `${c.directory}/other`));
  writeFileSync(`${c.directory}/file`, "new");
  copyFileSync(`${c.directory}/shared/copy`, `${c.directory}/other/copy`);
  await c.ok(restoreArgs(c, bundle, "-d"));
  await until("it reads and writes them", () => readFileSync(`${c.directory}/other/copy`, "utf8") === "new", 30);
  assert.equal(readFileSync(`${c.directory}/shared/copy`, "utf8"), "old");
});

criu.test("mount points that the root file system lacks are made again at a restore", async (c) => {
  mkdirSync(`${c.directory}/shared`);
  const bundle = counter(c, (config) =>
    config.mounts.push({ destination: "/mnt/a/b", type: "bind", source: `${c.directory}/shared`, options: ["bind", "rprivate"] }),
  );
  await saved(c, bundle);
  rmSync(`${bundle.rootfs}/mnt`, { recursive: true });
  await c.ok(restoreArgs(c, bundle, "-d"));
  assert.ok(existsSync(`${bundle.rootfs}/mnt/a/b`));
});

criu.test("a network namespace that the container joined is joined again", async (c) => {
  needCriu(c);
  const holder = await c.companion("unshare", ["--net", "sleep", "1000"]);
  await until("the namespace is there", () => readNamespace(holder.pid) !== readNamespace(process.pid));
  const path = `/proc/${holder.pid}/ns/net`;
  const bundle = counter(c, (config) => setNamespace(config, "network", path));
  await saved(c, bundle);
  await c.ok(restoreArgs(c, bundle, "-d"));
  const { pid } = await c.state();
  assert.equal(readNamespace(pid), readNamespace(holder.pid));
});

function readNamespace(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}

criu.test("prestart and createRuntime hooks run at a restore with the state and the restored pid", async (c) => {
  const hook = (name: string) => ({ path: "/bin/sh", args: ["sh", "-c", `cat >>${c.directory}/${name}`] });
  const bundle = counter(c, (config) => (config.hooks = { prestart: [hook("prestart")], createRuntime: [hook("createRuntime")] }));
  await saved(c, bundle);
  for (const name of ["prestart", "createRuntime"]) rmSync(`${c.directory}/${name}`);
  await c.ok(restoreArgs(c, bundle, "-d"));
  const { pid } = await c.state();
  for (const name of ["prestart", "createRuntime"]) {
    const state = JSON.parse(readFileSync(`${c.directory}/${name}`, "utf8")) as { id: string; pid: number };
    assert.deepEqual([state.id, state.pid], [c.id, pid], name);
  }
});

criu.test("a hook that fails at a restore undoes it", async (c) => {
  const bundle = counter(c, (config) => {
    config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `! test -e ${c.directory}/images`] }] };
  });
  await saved(c, bundle);
  await c.fails(restoreArgs(c, bundle, "-d"), /exit status 1|hook/);
  await isGone(c);
  assert.deepEqual(readdirSync(c.root), []);
});

criu.test("the terminal of a restored container is sent to the console socket", async (c) => {
  needCriu(c);
  const bundle = c.bundle({
    args: ["sh", "-c", "while read line; do echo got $line; done"],
    config: (config) => (config.process.terminal = true),
  });
  c.deleteLater();
  const first = await listen(c, "first", "");
  await c.ok(["run", "-d", "-b", bundle.directory, "--console-socket", first.socket, c.id]);
  await c.ok(["checkpoint", "--shell-job", "--image-path", `${c.directory}/images`, c.id]);
  const second = await listen(c, "second", "typed\r");
  await c.ok(restoreArgs(c, bundle, "-d", "--shell-job", "--console-socket", second.socket));
  await c.printed(second.receiver, "got typed\r\n");
});

async function listen(c: Context, name: string, input: string): Promise<{ socket: string; receiver: Started }> {
  const socket = `${c.directory}/${name}.sock`;
  const receiver = await c.helper("recvfd", ["terminal", socket], { input });
  await c.printed(receiver, "listening");
  return { socket, receiver };
}

criu.test("a container on the caller's terminal is restored to another one", async (c) => {
  needCriu(c);
  const bundle = c.bundle({
    args: ["sh", "-c", "echo up; while read line; do echo got $line; done"],
    config: (config) => {
      config.process.terminal = true;
    },
  });
  const first = new Terminal(c, c.program, ["--root", c.root, "run", "-b", bundle.directory, c.id]);
  await first.shows("up\r\n");
  await c.ok(["checkpoint", "--shell-job", "--image-path", `${c.directory}/images`, c.id]);
  await first.end();
  const second = new Terminal(c, c.program, ["--root", c.root, ...restoreArgs(c, bundle, "--shell-job")]);
  await until("it is restored", async () => (await c.runtime(["state", c.id])).stdout.includes('"running"'), 30);
  second.type("again\r");
  await second.shows("got again\r\n");
  await c.ok(["kill", c.id, "KILL"]);
  await second.end();
});

criu.test("a checkpoint that fails leaves the container running and quotes the errors of CRIU's log", async (c) => {
  const bundle = counter(c, undefined, "ln -s 1 /count; exec sleep 1000");
  // Its standard output is a file of the host, which CRIU cannot save.
  await c.createAndStart(bundle);
  await counts(bundle);
  const message = isTsrunc
    ? /^checkpoint "[^"]+": criu failed: type \w+ errno \d+.*log file: "[^"]+\/images\/dump\.log"\): .*Error \(criu/m
    : /criu failed/;
  await c.fails(["checkpoint", "--image-path", `${c.directory}/images`, c.id], message);
  assert.equal((await c.state()).status, "running");
});

criu.test("a restore that fails leaves nothing", async (c) => {
  const bundle = counter(c);
  await saved(c, bundle);
  rmSync(`${c.directory}/images/pstree.img`);
  await c.fails(restoreArgs(c, bundle, "-d"), /criu failed|CRIU: it has ended|unexpected EOF/);
  await isGone(c);
  assert.deepEqual(readdirSync(c.root), []);
  assert.equal(readFileSync("/proc/mounts", "utf8").includes("criu-root"), false);
});

criu.test("with --work-path CRIU's log is there, and not among the images", async (c) => {
  const bundle = counter(c);
  await saved(c, bundle, "--work-path", `${c.directory}/work`);
  assert.ok(existsSync(`${c.directory}/work/dump.log`));
  assert.equal(existsSync(`${c.directory}/images/dump.log`), false);
  await c.ok(restoreArgs(c, bundle, "-d", "--work-path", `${c.directory}/work`));
  assert.ok(existsSync(`${c.directory}/work/restore.log`));
});

criu.test("the modes of --manage-cgroups-mode that take the runtime's cgroup save and restore", async (c) => {
  // Not strict: CRIU then restores only where it makes all cgroups itself.
  for (const mode of ["soft", "full", "ignore"]) {
    const bundle = counter(c);
    await c.createAndStart(bundle);
    await counts(bundle);
    const images = `${c.directory}/${mode}`;
    await c.ok(["checkpoint", "--manage-cgroups-mode", mode, "--image-path", images, c.id]);
    await c.ok(["restore", "-d", "-b", bundle.directory, "--manage-cgroups-mode", mode, "--image-path", images, c.id]);
    const { pid } = await c.state();
    assert.ok(readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().endsWith(`/${c.id}`), mode);
    await c.ok(["delete", "-f", c.id]);
  }
});

criu.test("a created container cannot be checkpointed", async (c) => {
  const bundle = counter(c);
  await c.create(bundle);
  await c.fails(["checkpoint", "--image-path", `${c.directory}/images`, c.id], /ontainer cannot be checkpointed in created state/);
  assert.equal(existsSync(`${c.directory}/images`) && isTsrunc, false);
});

criu.test("the annotation org.criu.config configures CRIU", async (c) => {
  const file = c.file("criu.conf", "no-such-option-of-criu\n");
  const bundle = counter(c, (config) => (config.annotations = { "org.criu.config": file }));
  await c.createAndStart(bundle);
  await counts(bundle);
  await c.fails(["checkpoint", "--image-path", `${c.directory}/images`, c.id], /./);
  assert.equal((await c.state()).status, "running");
});

if (isTsrunc) {
  test("without CRIU, or with one that is too old, both commands say so and change nothing", async (c) => {
    const bundle = c.bundle();
    await c.createAndStart(bundle);
    const images = `${c.directory}/images`;
    const checkpoint = ["checkpoint", "--image-path", images, c.id];
    const none = { env: { PATH: c.folder("empty") } };
    const hint = 'find "criu" in PATH: ENOENT (no such file or directory); checkpoint and restore need CRIU 3.17 or newer';
    assert.equal((await c.fails(checkpoint, /./, none)).stderr, `checkpoint "${c.id}": ${hint}\n`);
    const old = { env: { PATH: `${fakeCriu(c, "\\010\\012\\020\\001\\122\\006\\010\\003\\020\\020\\040\\002")}:/usr/bin:/bin` } };
    const tooOld = "CRIU 3.16.2 is too old: 3.17 or newer is needed";
    assert.equal((await c.fails(checkpoint, /./, old)).stderr, `checkpoint "${c.id}": ${tooOld}\n`);
    assert.equal(existsSync(images), false);
    assert.equal((await c.state()).status, "running");

    mkdirSync(images);
    writeFileSync(`${images}/descriptors.json`, '["/dev/null","/dev/null","/dev/null"]');
    const id = c.otherId("restored");
    const restore = ["restore", "-d", "-b", bundle.directory, "--image-path", images, id];
    assert.equal((await c.fails(restore, /./, none)).stderr, `restore "${id}": ${hint}\n`);
    assert.equal((await c.fails(restore, /./, old)).stderr, `restore "${id}": ${tooOld}\n`);
    await c.fails(["state", id], /does not exist/);
    assert.deepEqual(readdirSync(images), ["descriptors.json"]);
  });

  test("a CRIU that ends without an answer is an error", async (c) => {
    await c.createAndStart(c.bundle());
    const env = { PATH: `${fakeCriu(c, "")}:/usr/bin:/bin` };
    await c.fails(["checkpoint", c.id], /receive a message of CRIU: it has ended/, { env });
    assert.equal((await c.state()).status, "running");
  });
}

/** A folder with a `criu` that answers every request by one message. */
function fakeCriu(c: Context, answer: string): string {
  const folder = c.folder("fake");
  writeFileSync(
    `${folder}/criu`,
    `#!/bin/bash\n[ "$1" = swrk ] || exit 9\ndd bs=65536 count=1 status=none <&"$2" >/dev/null\nprintf '${answer}' | dd bs=65536 iflag=fullblock status=none >&"$2"\n`,
    { mode: 0o755 },
  );
  return folder;
}
