/**
 * Podman with conmon and Docker with its stock shim, each with folders of its own, that run containers by the runtime under test.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { cacheDirectory } from "./environment.js";
import { describe, path, until } from "./execute.js";
import { hierarchies } from "./cgroups.js";
import type { Context } from "./context.js";
import type { Result, Started } from "./execute.js";

/** What both command lines have in common. */
export interface Manager {
  /** Any command, whatever its exit status. */
  call(...args: readonly string[]): Promise<Result>;
  /** `run` with flags and a command in a busybox container. */
  run(flags: readonly string[], ...command: readonly string[]): Promise<Result>;
  /** The program and the arguments of `run`, for a terminal. */
  runCommand(flags: readonly string[], ...command: readonly string[]): [string, ...string[]];
}

/** Gives a folder that programs insist on an empty tmpfs until the test ends. */
export function ownFolder(c: Context, folder: string): void {
  const existed = existsSync(folder);
  mkdirSync(folder, { recursive: true });
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "tmpfs", folder]).status, 0);
  c.defer(() => {
    assert.equal(spawnSync("umount", [folder]).status, 0);
    if (!existed) rmdirSync(folder);
  });
}

/** Removes the cgroup that bears the test's id, the parent of the manager's own, when the test ends. */
export function removeParentCgroups(c: Context): void {
  c.defer(() => {
    for (const { mountPoint } of hierarchies()) if (existsSync(`${mountPoint}/${c.id}`)) rmdirSync(`${mountPoint}/${c.id}`);
  });
}

interface Words {
  env: Record<string, string>;
  program: readonly string[];
  /** Flags of each `run`. */
  flags: readonly string[];
  /** Image or root file system. */
  subject: readonly string[];
}

class CommandLine implements Manager {
  constructor(
    readonly c: Context,
    readonly words: Words,
  ) {}

  call(...args: readonly string[]): Promise<Result> {
    return this.#execute([...this.words.program, ...args]);
  }

  run(flags: readonly string[], ...command: readonly string[]): Promise<Result> {
    return this.#execute(this.runCommand(flags, ...command));
  }

  runCommand(flags: readonly string[], ...command: readonly string[]): [string, ...string[]] {
    const { env, program, subject } = this.words;
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return ["/usr/bin/env", ...variables, ...program, "run", ...this.words.flags, ...flags, ...subject, ...command];
  }

  async #execute([command = "", ...args]: readonly string[]): Promise<Result> {
    return (await this.c.spawn(command, args, { env: this.words.env })).wait();
  }
}

/** A program for the runtime under test, with flags: a manager may pass the same to all its calls or not. */
function wrapper(c: Context, flags = ""): string {
  return c.file("runtime", `#!/bin/sh\nexec ${c.program} ${flags} "$@"\n`, 0o755);
}

/** Debian's podman. */
export function startPodman(c: Context, rootfs = c.bundle().rootfs): Promise<Manager> {
  const podman = "/usr/bin/podman";
  if (!existsSync(podman)) c.skip(`${podman} is missing: scripts/bootstrap test`);
  removeParentCgroups(c);
  const config = c.file(
    "containers.conf",
    `[containers]\ncgroups = "no-conmon"\nnetns = "none"\n` +
      `[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n`,
  );
  // It takes no path of more than 50 characters for this one.
  ownFolder(c, "/run/containers");
  const folders = ["--root", c.folder("root"), "--runroot", "/run/containers", "--tmpdir", c.folder("tmpdir")];
  const engine = ["--storage-driver", "vfs", "--runtime", wrapper(c, `--root ${c.root}`)];
  const env = { PATH: path, HOME: c.folder("home"), CONTAINERS_CONF: config, TMPDIR: c.folder("tmp") };
  // Its own are higher than a caller without CAP_SYS_RESOURCE may set.
  const limits = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000"];
  const flags = ["--cgroup-parent", `/${c.id}`, ...limits];
  return Promise.resolve(new CommandLine(c, { env, program: [podman, ...folders, ...engine], flags, subject: ["--rootfs", rootfs] }));
}

/** Debian's dockerd, which brings its own containerd. */
export async function startDocker(c: Context): Promise<Manager> {
  const unpacked = `${cacheDirectory}/docker`;
  if (!existsSync(`${unpacked}/usr/sbin/dockerd`)) c.skip(`${unpacked} has no Docker: test/integration/prepare`);
  const env = {
    PATH: `${unpacked}/usr/bin:${unpacked}/usr/sbin:${cacheDirectory}/containerd/usr/bin:${path}`,
    LD_LIBRARY_PATH: `${unpacked}/usr/lib/x86_64-linux-gnu:${unpacked}/lib/x86_64-linux-gnu`,
    HOME: c.folder("home"),
    TMPDIR: c.folder("tmp"),
  };
  for (const folder of ["/run/containerd", "/run/docker", "/etc/docker"]) ownFolder(c, folder);
  removeParentCgroups(c);
  const socket = `unix://${c.directory}/docker.sock`;
  const folders = ["--data-root", c.folder("data"), "--exec-root", c.folder("exec"), "--pidfile", `${c.directory}/docker.pid`];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const engine = ["--storage-driver", "vfs", "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${c.id}`];
  const daemon = await c.spawn(
    `${unpacked}/usr/sbin/dockerd`,
    ["-H", socket, ...folders, ...network, ...engine, "--add-runtime", `tested=${wrapper(c)}`, "--default-runtime", "tested"],
    { env },
  );
  c.defer(() => end(daemon));
  const rootfs = c.bundle().rootfs;
  const archive = `${c.directory}/image.tar`;
  assert.equal(spawnSync("tar", ["-C", rootfs, "-cf", archive, "."]).status, 0);
  const program = [`${unpacked}/usr/bin/docker`, "-H", socket];
  const manager = new CommandLine(c, { env, program, flags: ["--network", "none"], subject: ["busybox"] });
  await until("dockerd answers", async () => (await manager.call("version")).status === 0, 30);
  const imported = await manager.call("import", archive, "busybox");
  assert.equal(imported.status, 0, describe(imported));
  return manager;
}

async function end(daemon: Started): Promise<void> {
  daemon.process.kill("SIGTERM");
  await daemon.wait();
}
