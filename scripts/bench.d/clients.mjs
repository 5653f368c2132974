/**
 * Starts podman and Docker for `scripts/bench --clients`, which measures `podman run --rm`, `podman exec` and `docker run --rm` with each
 * runtime. Both keep their data in the workspace, and their sockets in a /run that is private to this mount namespace.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { commandEnvironment } from "./workspace.mjs";

/** The folder into which test/integration/prepare unpacks packages. */
const cache = process.env["TSRUNC_TEST_CACHE"] ?? "/var/tmp/tsrunc-test-cache";

/**
 * @typedef {object} Clients
 * @property {(subject: import("./subjects.mjs").Subject) => string[]} podmanRun command line of `podman run --rm`
 * @property {(subject: import("./subjects.mjs").Subject) => string[]} podmanExec command line of `podman exec` in a running container
 * @property {((subject: import("./subjects.mjs").Subject) => string[]) | undefined} dockerRun undefined when Docker is missing
 * @property {() => Promise<void>} stop
 */

/**
 * Starts both clients, and one podman container with each runtime.
 * @param {import("./subjects.mjs").Subject[]} runtimes
 * @returns {Promise<Clients>}
 */
export async function startClients(workspace, runtimes) {
  for (const folder of ["/run", "/etc/containers"]) {
    mkdirSync(folder, { recursive: true });
    call(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder]);
  }
  const parent = workspace.containerId("clients");
  const directory = join(workspace.directory, "clients");
  mkdirSync(directory);
  const stops = [() => removeParentCgroups(parent)];
  try {
    const podman = preparePodman(workspace, directory, parent);
    for (const { name, command, failures } of runtimes) {
      const container = `${parent}-${name}`;
      const run = ["run", ...podman.runFlags, "--detach", "--name", container, "--rootfs", workspace.bundles.rootfs];
      const { status, stderr } = spawnSync(
        podman.of(command)[0],
        [...podman.of(command).slice(1), ...run, "/bin/busybox", "sleep", "100000"],
        {
          encoding: "utf8",
          env: commandEnvironment,
        },
      );
      if (status !== 0) failures.podmanExec = stderr.trim();
      else stops.push(() => call([...podman.of(command), "rm", "--force", "--time", "0", container]));
    }
    const docker = existsSync(`${cache}/docker/usr/sbin/dockerd`) ? await startDocker(workspace, directory, parent, runtimes) : undefined;
    if (docker) stops.push(docker.stop);
    return {
      podmanRun: ({ command }) => [
        ...podman.of(command),
        "run",
        "--rm",
        ...podman.runFlags,
        "--rootfs",
        workspace.bundles.rootfs,
        "/bin/true",
      ],
      podmanExec: ({ command, name }) => [...podman.of(command), "exec", `${parent}-${name}`, "/bin/true"],
      dockerRun: docker?.run,
      stop: () => stopAll(stops),
    };
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

async function stopAll(stops) {
  for (const stop of stops.reverse()) await stop();
}

function preparePodman(workspace, directory, parent) {
  const config = [
    '[containers]\ncgroups = "no-conmon"\nnetns = "none"',
    '[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"',
  ];
  writeFileSync("/etc/containers/containers.conf", `${config.join("\n")}\n`);
  const folders = [
    "--root",
    join(directory, "podman"),
    "--runroot",
    "/run/containers",
    "--tmpdir",
    "/run/podman",
    "--storage-driver",
    "vfs",
  ];
  // Podman's default limits exceed what a caller without CAP_SYS_RESOURCE may set.
  const runFlags = ["--cgroup-parent", `/${parent}`, "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000"];
  return { of: (runtime) => ["/usr/bin/podman", ...folders, "--runtime", runtime], runFlags };
}

async function startDocker(workspace, directory, parent, runtimes) {
  const unpacked = `${cache}/docker`;
  const env = {
    ...commandEnvironment,
    PATH: `${unpacked}/usr/bin:${unpacked}/usr/sbin:${cache}/containerd/usr/bin:${commandEnvironment.PATH}`,
    LD_LIBRARY_PATH: `${unpacked}/usr/lib/x86_64-linux-gnu:${unpacked}/lib/x86_64-linux-gnu`,
  };
  const log = join(directory, "dockerd.log");
  const output = openSync(log, "w");
  const folders = ["--data-root", join(directory, "docker"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const cgroups = ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${parent}`];
  const added = runtimes.flatMap(({ name, command }) => (name === "runc" ? [] : ["--add-runtime", `${name}=${command}`]));
  const daemon = spawn(`${unpacked}/usr/sbin/dockerd`, ["-H", "unix:///run/docker.sock", ...folders, ...network, ...cgroups, ...added], {
    stdio: ["ignore", output, output],
    env,
  });
  const client = [`${unpacked}/usr/bin/docker`, "-H", "unix:///run/docker.sock"];
  const stop = async () => {
    if (daemon.exitCode !== null) return;
    daemon.kill("SIGTERM");
    await once(daemon, "exit");
  };
  try {
    for (let tries = 0; spawnSync(client[0], [...client.slice(1), "version"], { env }).status !== 0; tries++) {
      if (tries > 300 || daemon.exitCode !== null) throw new Error(`start dockerd: ${readFileSync(log, "utf8").slice(-1000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const archive = join(directory, "image.tar");
    call(["tar", "-C", workspace.bundles.rootfs, "-cf", archive, "."]);
    call([...client, "import", archive, "bench"]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop, run: ({ name }) => [...client, "run", "--rm", "--network", "none", "--runtime", name, "bench", "/bin/true"] };
}

/** Removes the parent of the clients' cgroups from each hierarchy: the clients leave it behind. */
function removeParentCgroups(parent) {
  for (const hierarchy of ["", ...readdirSync("/sys/fs/cgroup")]) {
    const cgroup = join("/sys/fs/cgroup", hierarchy, parent);
    if (existsSync(cgroup)) rmdirSync(cgroup);
  }
}

function call([command, ...options]) {
  const { status, stderr, error } = spawnSync(command, options, { encoding: "utf8", env: commandEnvironment });
  if (status !== 0) throw new Error(`${command} ${options.join(" ")}: ${stderr || error?.message}`);
}
