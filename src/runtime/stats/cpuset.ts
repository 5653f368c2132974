/** CPUs and memory nodes of cgroup v1 (cpuset(7)). runc reports none on v2. */

import type { CpusetStats } from "./container-stats.js";
import { counter, integer, numberList } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

export const CPUSET_FILES = [
  "cpuset.cpus",
  "cpuset.cpu_exclusive",
  "cpuset.mems",
  "cpuset.mem_hardwall",
  "cpuset.mem_exclusive",
  "cpuset.memory_migrate",
  "cpuset.memory_spread_page",
  "cpuset.memory_spread_slab",
  "cpuset.memory_pressure",
  "cpuset.sched_load_balance",
  "cpuset.sched_relax_domain_level",
];

/** @param files of the v1 controller `cpuset`; the files of another directory do not exist */
export function cpuset(files: KernelFiles): CpusetStats {
  return {
    cpus: numberList(files, "cpuset.cpus"),
    cpu_exclusive: counter(files, "cpuset.cpu_exclusive"),
    mems: numberList(files, "cpuset.mems"),
    mem_hardwall: counter(files, "cpuset.mem_hardwall"),
    mem_exclusive: counter(files, "cpuset.mem_exclusive"),
    memory_migrate: counter(files, "cpuset.memory_migrate"),
    memory_spread_page: counter(files, "cpuset.memory_spread_page"),
    memory_spread_slab: counter(files, "cpuset.memory_spread_slab"),
    memory_pressure: counter(files, "cpuset.memory_pressure"),
    sched_load_balance: counter(files, "cpuset.sched_load_balance"),
    sched_relax_domain_level: integer(files, "cpuset.sched_relax_domain_level"),
  };
}
