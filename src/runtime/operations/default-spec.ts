/** The configuration that `spec` writes: a shell in a root file system, confined as is usual for containers. */

import { OCI_VERSION } from "../oci.js";
import type { Mount, Spec } from "../spec/generated/spec-types.js";

export interface DefaultSpecOptions {
  /** For an unprivileged caller: a user namespace that maps the caller to root, and nothing that needs more privilege. */
  rootless?: { uid: number; gid: number } | undefined;
  /** Adds a cgroup namespace, for hosts with only cgroup v2. On v1 and hybrid hosts runc adds none, and the container sees the names of its cgroups. */
  cgroupNamespace?: boolean | undefined;
}

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/** A new default configuration. */
export function defaultSpec({ rootless, cgroupNamespace = false }: DefaultSpecOptions): Spec {
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      // No inheritable capabilities: a program with file capabilities would gain them (CVE-2022-29162).
      capabilities: { bounding: [...CAPABILITIES], effective: [...CAPABILITIES], permitted: [...CAPABILITIES] },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "tsrunc",
    mounts: defaultMounts(rootless !== undefined),
    linux: {
      ...(rootless
        ? {
            uidMappings: [{ containerID: 0, hostID: rootless.uid, size: 1 }],
            gidMappings: [{ containerID: 0, hostID: rootless.gid, size: 1 }],
          }
        : { resources: { devices: [{ allow: false, access: "rwm" }] } }),
      namespaces: [
        { type: "pid" },
        ...(rootless ? [] : [{ type: "network" } as const]),
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
        ...(cgroupNamespace ? [{ type: "cgroup" } as const] : []),
        ...(rootless ? [{ type: "user" } as const] : []),
      ],
      maskedPaths: [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/sys/firmware",
        "/proc/scsi",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

/**
 * An unprivileged caller cannot give files to the tty group, which is not mapped, and may not mount a sysfs without a network namespace of its
 * own, so the host's is bound.
 */
function defaultMounts(rootless: boolean): Mount[] {
  const safe = ["nosuid", "noexec", "nodev"];
  const ptsOptions = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
  return [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: rootless ? ptsOptions : [...ptsOptions, "gid=5"] },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...safe, "mode=1777", "size=65536k"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: [...safe] },
    rootless
      ? { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...safe, "ro"] }
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: [...safe, "ro"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...safe, "relatime", "ro"] },
  ];
}
