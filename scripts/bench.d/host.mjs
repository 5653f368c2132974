/** Describes the machine and its cgroup mounts, on which the figures depend. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmdirSync, symlinkSync } from "node:fs";
import os from "node:os";
import { basename, dirname, join } from "node:path";

const cgroupRoot = "/sys/fs/cgroup";
const capSysResource = 24n;

/**
 * @returns {{kernel: string, cpu: string, cpus: number, memoryMebibytes: number, cgroups: string, memlock: "raised" | "pretended", load: number}}
 * load: load average of the last minute; memlock: whether RLIMIT_MEMLOCK can be raised, or memlock.c has to pretend it
 */
export function describeHost() {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const v1 = mounts.match(/ - cgroup /g)?.length ?? 0;
  const v2 = / - cgroup2 /.test(mounts);
  const capabilities = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]}`);
  return {
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cpus: os.availableParallelism(),
    memoryMebibytes: Math.round(os.totalmem() / 2 ** 20),
    load: os.loadavg()[0],
    memlock: (capabilities >> capSysResource) & 1n ? "raised" : "pretended",
    cgroups: v1 === 0 ? "v2" : `${v1} v1 hierarchies${v2 ? " and v2" : ""}`,
  };
}

/**
 * On a hybrid host, replaces /sys/fs/cgroup in this mount namespace with one that has the v1 hierarchies only. crun 1.8 refuses hybrid
 * hosts ("cgroups in hybrid mode not supported"), so every subject is measured without v2.
 * Unmounting the v2 hierarchy is not enough: crun would then create plain files in its mount point, which the host shares.
 * @returns {boolean} whether there was a v2 hierarchy to hide
 */
export function hideUnified() {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .trim()
    .split("\n")
    .map((line) => ({ path: line.split(" ")[4], type: line.split(" - ")[1].split(" ")[0] }))
    .filter(({ path }) => dirname(path) === cgroupRoot);
  if (!mounts.some(({ type }) => type === "cgroup2")) return false;
  const links = readdirSync(cgroupRoot, { withFileTypes: true }).filter((entry) => entry.isSymbolicLink());
  const copy = mkdtempSync(join(os.tmpdir(), "tsrunc-bench-cgroup-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "cgroup", copy]);
  for (const { path } of mounts.filter(({ type }) => type === "cgroup")) {
    const target = join(copy, basename(path));
    mkdirSync(target);
    execFileSync("mount", ["--bind", path, target]);
  }
  for (const { name } of links) symlinkSync(readlinkSync(join(cgroupRoot, name)), join(copy, name)); // cpu -> cpu,cpuacct
  execFileSync("umount", ["--recursive", cgroupRoot]); // otherwise each container would copy the old mounts too
  execFileSync("mount", ["--move", copy, cgroupRoot]);
  rmdirSync(copy);
  return true;
}
