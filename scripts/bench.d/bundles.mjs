/** Makes the bundles: one root file system, and a config.json for each kind of container. */

import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const seccompProfile = "test/fixtures/seccomp/docker.json";

/** Docker's default capabilities. */
const dockerCapabilities =
  "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
    .split(" ")
    .map((name) => `CAP_${name}`);

/** Docker's default masked paths and read-only paths. */
const dockerMaskedPaths =
  "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware /sys/devices/system/cpu/cpu0/thermal_throttle /sys/devices/system/cpu/cpu1/thermal_throttle";
const dockerReadonlyPaths = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";

/** The limits that `docker run` sets with all of its common resource flags. */
const limits = {
  memory: { limit: 512 << 20, reservation: 256 << 20, swap: 1024 << 20 },
  cpu: { shares: 512, quota: 100000, period: 100000, cpus: "0", mems: "0" },
  pids: { limit: 100 },
};

/**
 * Writes all bundles.
 * @returns {Record<"plain" | "sleeping" | "docker" | "dockerUnconfined" | "userNamespace" | "rootfs", string>} the directory of each bundle, and of the shared rootfs
 */
export function makeBundles(directory, repository) {
  const rootfs = join(directory, "rootfs");
  makeRootfs(rootfs);
  const plain = defaultConfig(join(directory, "spec"), repository);
  const dockerUnconfined = withDockerDefaults(plain);
  const docker = { ...dockerUnconfined, linux: { ...dockerUnconfined.linux, seccomp: readProfile(repository) } };
  const sleeping = { ...plain, process: { ...plain.process, args: ["/bin/busybox", "sleep", "1000000"] } };
  const configs = { plain, sleeping, docker, dockerUnconfined, userNamespace: inUserNamespace(plain) };
  const write = ([name, config]) => {
    const bundle = join(directory, name);
    mkdirSync(bundle);
    writeFileSync(join(bundle, "config.json"), JSON.stringify({ ...config, root: { ...config.root, path: rootfs } }, null, 2));
    return [name, bundle];
  };
  return { ...Object.fromEntries(Object.entries(configs).map(write)), rootfs };
}

function makeRootfs(rootfs) {
  for (const name of ["bin", "dev", "proc", "sys", "tmp"]) mkdirSync(join(rootfs, name), { recursive: true });
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
  if (!busybox) throw new Error("make the bundle: no /bin/busybox (Debian: busybox-static)");
  copyFileSync(busybox, join(rootfs, "bin/busybox"));
  for (const name of ["true", "sh"]) symlinkSync("busybox", join(rootfs, "bin", name));
}

/** The output of `spec`, without a terminal. */
function defaultConfig(directory, repository) {
  mkdirSync(directory);
  const writers = [join(repository, "build/tsrunc"), "runc"];
  const attempts = writers.map((writer) => () => spawnSync(writer, ["spec", "--bundle", directory], { encoding: "utf8" }));
  if (!attempts.some((attempt) => attempt().status === 0)) throw new Error(`make the bundle: "spec" of ${writers.join(" and ")} failed`);
  const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
  config.ociVersion = "1.0.2"; // crun 1.8 accepts 1.0 only
  config.process.terminal = false;
  config.process.args = ["/bin/true"];
  return config;
}

function withDockerDefaults(config) {
  const sets = { bounding: dockerCapabilities, effective: dockerCapabilities, permitted: dockerCapabilities };
  const { resources, ...linux } = config.linux;
  return {
    ...config,
    root: { ...config.root, readonly: false },
    process: { ...config.process, capabilities: sets, noNewPrivileges: false },
    linux: {
      ...linux,
      maskedPaths: dockerMaskedPaths.split(" "),
      readonlyPaths: dockerReadonlyPaths.split(" "),
      resources: { ...resources, ...limits },
    },
  };
}

function readProfile(repository) {
  return JSON.parse(readFileSync(join(repository, seccompProfile), "utf8"));
}

/** Maps every ID to itself, so that the files in the rootfs keep their owners. */
function inUserNamespace(config) {
  const all = [{ containerID: 0, hostID: 0, size: 65536 }];
  return {
    ...config,
    linux: { ...config.linux, namespaces: [...config.linux.namespaces, { type: "user" }], uidMappings: all, gidMappings: all },
  };
}
