/**
 * Under a real manager: Debian's containerd 1.6 with its stock shim, which calls the runtime by its BinaryName.
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { binaries, cacheDirectory } from "./harness/environment.js";
import { describe, path, until } from "./harness/execute.js";
import { ownFolder, removeParentCgroups } from "./harness/managers.js";
import { makeRootfs } from "./harness/rootfs.js";
import { Terminal } from "./harness/terminal.js";
import type { Context } from "./harness/context.js";
import type { Result, Started } from "./harness/execute.js";

const programs = `${cacheDirectory}/containerd/usr/bin`;
const environment = { PATH: `${programs}:${path}` };
const image = "example.org/busybox:test";

/** A containerd with folders and a socket of its own. Its namespace is the test's id, and so is the parent of its cgroups. */
class Containerd {
  readonly address: string;

  private constructor(
    readonly c: Context,
    readonly daemon: Started,
  ) {
    this.address = `${c.directory}/c.sock`;
  }

  static async start(c: Context): Promise<Containerd> {
    if (!existsSync(`${programs}/ctr`)) c.skip(`${programs}/ctr is missing: test/integration/prepare`);
    const config = c.file(
      "containerd.toml",
      `version = 2\nroot = "${c.directory}/root"\nstate = "${c.directory}/st"\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n` +
        `[grpc]\n  address = "${c.directory}/c.sock"\n[ttrpc]\n  address = "${c.directory}/c.sock.ttrpc"\n`,
    );
    // Shim sockets and ctr's FIFOs lie below it whatever the configuration says.
    ownFolder(c, "/run/containerd");
    removeParentCgroups(c);
    const daemon = await c.spawn(`${programs}/containerd`, ["--config", config], { env: environment });
    c.defer(async () => {
      daemon.process.kill("SIGTERM");
      await daemon.wait();
    });
    const containerd = new Containerd(c, daemon);
    await until("containerd answers", async () => (await containerd.ctr("version")).status === 0);
    return containerd;
  }

  ctr(...args: string[]): Promise<Result> {
    const options = ["--address", this.address, "--namespace", this.c.id];
    return this.c.spawn(`${programs}/ctr`, [...options, ...args], { env: environment }).then((started) => started.wait());
  }

  /** `ctr run` with the runtime under test. */
  run(flags: readonly string[], ...args: readonly string[]): Promise<Result> {
    return this.ctr("run", "--runc-binary", this.c.program, ...flags, image, ...args);
  }
}

/** Writes a busybox image in the OCI image layout as a tar archive. Returns its path. */
function imageArchive(c: Context): string {
  const layout = c.folder("layout");
  mkdirSync(`${layout}/blobs/sha256`, { recursive: true });
  const rootfs = c.folder("image");
  makeRootfs("busybox", rootfs);
  copyFileSync(`${binaries}/probe`, `${rootfs}/bin/probe`);
  assert.equal(spawnSync("tar", ["-C", rootfs, "-cf", `${layout}/layer`, "."]).status, 0);
  const blob = (content: Uint8Array): { digest: string; size: number } => {
    const digest = createHash("sha256").update(content).digest("hex");
    writeFileSync(`${layout}/blobs/sha256/${digest}`, content);
    return { digest: `sha256:${digest}`, size: content.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const layer = blob(readFileSync(`${layout}/layer`));
  rmSync(`${layout}/layer`);
  const config = blob(
    json({
      architecture: "amd64",
      os: "linux",
      config: { Env: ["PATH=/bin", "FROM_IMAGE=yes"], Cmd: ["sh"], WorkingDir: "/home/worker" },
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    }),
  );
  const type = "application/vnd.oci.image";
  const manifest = blob(
    json({
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config: { mediaType: `${type}.config.v1+json`, ...config },
      layers: [{ mediaType: `${type}.layer.v1.tar`, ...layer }],
    }),
  );
  const reference = {
    mediaType: `${type}.manifest.v1+json`,
    ...manifest,
    annotations: { "io.containerd.image.name": image },
    platform: { architecture: "amd64", os: "linux" },
  };
  writeFileSync(`${layout}/index.json`, json({ schemaVersion: 2, manifests: [reference] }));
  writeFileSync(`${layout}/oci-layout`, json({ imageLayoutVersion: "1.0.0" }));
  const archive = `${c.directory}/image.tar`;
  assert.equal(spawnSync("tar", ["-C", layout, "-cf", archive, "."]).status, 0);
  return archive;
}

async function withImage(c: Context): Promise<Containerd> {
  const containerd = await Containerd.start(c);
  const imported = await containerd.ctr("image", "import", imageArchive(c));
  assert.equal(imported.status, 0, describe(imported));
  return containerd;
}

test("ctr run --rm prints the output and returns the exit status", async (c) => {
  const containerd = await withImage(c);
  const result = await containerd.run(["--rm"], "first", "sh", "-c", "echo hello from $(pwd) with $FROM_IMAGE; echo problem >&2; exit 23");
  assert.equal(result.status, 23, describe(result));
  assert.equal(result.stdout, "hello from /home/worker with yes\n");
  assert.match(result.stderr, /problem/);
  assert.equal((await containerd.ctr("task", "ls", "-q")).stdout, "");
});

test("ctr run with a root file system of its own", async (c) => {
  const containerd = await Containerd.start(c);
  const { rootfs } = c.bundle();
  const root = await containerd.ctr("run", "--rm", "--runc-binary", c.program, "--rootfs", rootfs, "first", "/bin/id", "-u");
  assert.equal(root.stdout, "0\n", describe(root));
});

test("ctr run reports a program that is missing", async (c) => {
  const containerd = await withImage(c);
  const result = await containerd.run(["--rm"], "first", "nosuchprogram");
  assert.notEqual(result.status, 0);
  assert.match(result.stderr, /exec: "nosuchprogram": executable file not found in \$PATH/, describe(result));
});

test("a detached task goes through its life: start, signals, wait, delete", async (c) => {
  const containerd = await withImage(c);
  const started = await containerd.run(["--detach"], "first", "probe", "wait");
  assert.equal(started.status, 0, describe(started));
  const list = (): Promise<Result> => containerd.ctr("task", "ls");
  assert.match((await list()).stdout, /^first\s+\d+\s+RUNNING$/m);
  assert.equal((await containerd.ctr("task", "kill", "--signal", "SIGINT", "first")).status, 0);
  await until("the task has stopped", async () => /^first\s+\d+\s+STOPPED$/m.test((await list()).stdout));
  const deleted = await containerd.ctr("task", "delete", "first");
  assert.match(deleted.stderr, /exit code 3\b/, describe(deleted)); // probe wait ends with 3 on INT
  assert.equal((await containerd.ctr("container", "delete", "first")).status, 0);
});

test("ctr task kill -s KILL and ctr task delete --force end a task", async (c) => {
  const containerd = await withImage(c);
  for (const id of ["first", "second"]) assert.equal((await containerd.run(["--detach"], id, "probe", "wait")).status, 0);
  assert.equal((await containerd.ctr("task", "kill", "-s", "KILL", "first")).status, 0);
  await until("the task has stopped", async () => /^first\s+\d+\s+STOPPED$/m.test((await containerd.ctr("task", "ls")).stdout));
  assert.match((await containerd.ctr("task", "delete", "first")).stderr, /exit code 137\b/);
  await containerd.ctr("task", "delete", "--force", "second");
  assert.equal((await containerd.ctr("task", "ls", "-q")).stdout, "");
  for (const id of ["first", "second"]) assert.equal((await containerd.ctr("container", "delete", id)).status, 0);
});

test("ctr run with limits, mounts, a hostname-less host network and environment", async (c) => {
  const containerd = await withImage(c);
  const source = c.folder("source");
  writeFileSync(`${source}/f`, "bound\n");
  const flags = [
    "--rm",
    "--memory-limit",
    "33554432",
    "--env",
    "A=b",
    "--net-host",
    "--mount",
    `type=bind,src=${source},dst=/mnt,options=rbind:ro`,
  ];
  const result = await containerd.run(flags, "first", "sh", "-c", "cat /mnt/f; echo $A; touch /mnt/x 2>&1; readlink /proc/self/ns/net");
  assert.equal(result.status, 0, describe(result));
  const lines = result.stdout.split("\n");
  assert.deepEqual(lines.slice(0, 2), ["bound", "b"]);
  assert.match(lines[2] ?? "", /Read-only file system/);
  assert.equal(lines[3], spawnSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8" }).stdout.trim());
});

test("ctr run --tty gives a terminal", async (c) => {
  const containerd = await withImage(c);
  const args = ["--address", containerd.address, "--namespace", c.id, "run", "--rm", "--tty", "--runc-binary", c.program, image, "first"];
  const terminal = new Terminal(c, `${programs}/ctr`, [...args, "sh", "-c", "echo on $(tty); read line; echo got $line; exit 9"]);
  await terminal.shows(/on \/dev\/(pts\/0|console)\s/);
  terminal.type("typed\r");
  await terminal.shows("got typed");
  assert.equal(await terminal.end(), "exited 9");
});

test("ten containers at once", async (c) => {
  const containerd = await withImage(c);
  const runs = Array.from({ length: 10 }, (_, number) =>
    containerd.run(["--rm"], `many${number}`, "sh", "-c", `echo ${number}; exit ${number}`),
  );
  for (const [number, result] of (await Promise.all(runs)).entries()) {
    assert.equal(result.status, number, describe(result));
    assert.equal(result.stdout, `${number}\n`);
  }
});
