/** Numbers of processes and threads (cgroup-v1/pids.rst; cgroup-v2.rst, "PID Interface Files"). */

import type { PidsStats } from "./container-stats.js";
import { UNLIMITED, counter, lines } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

export const PIDS_FILES = ["pids.current", "pids.max"];

export const PIDS_FILES2 = [...PIDS_FILES, "cgroup.procs", "cgroup.threads"];

export function noPids(): PidsStats {
  return { current: 0n, limit: 0n };
}

export function pids(files: KernelFiles): PidsStats {
  const limit = counter(files, "pids.max");
  return { current: counter(files, "pids.current"), limit: limit === UNLIMITED ? 0n : limit };
}

/** v2. Without the controller the processes are counted, or in a threaded cgroup, which lists no processes, the threads. */
export function pids2(files: KernelFiles): PidsStats {
  if (files.text("pids.current") !== undefined) return pids(files);
  const list = files.text("cgroup.procs") === undefined ? "cgroup.threads" : "cgroup.procs";
  return { current: BigInt(lines(files, list).length), limit: 0n };
}
