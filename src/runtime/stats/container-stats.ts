/**
 * A container's resource usage: the `data` of runc's `events`, with runc's names. Counters are bigint, because the kernel's have 64 bits.
 * Values that are not available are zero or empty. `json.ts` writes them as JSON.
 */

/** A 64-bit counter of the kernel, never negative. */
export type Counter = bigint;

export interface ContainerStats {
  cpu: CpuStats;
  /** Of cgroup v1 alone. */
  cpuset: CpusetStats;
  memory: MemoryStats;
  pids: PidsStats;
  blkio: BlkioStats;
  /** By the size of a page: `2MB`. */
  hugetlb: Record<string, HugetlbStats>;
  intel_rdt: IntelRdtStats;
  /** Always empty: runc fills it in for interfaces that it created, but creates none. */
  network_interfaces: null;
}

export interface CpuStats {
  usage: CpuUsage;
  throttling: CpuThrottling;
  psi?: Pressure;
}

/** Nanoseconds of CPU time since the cgroup was created. */
export interface CpuUsage {
  total: Counter;
  /** By CPU; these three are of cgroup v1 alone. */
  percpu: Counter[];
  percpu_kernel: Counter[];
  percpu_user: Counter[];
  kernel: Counter;
  user: Counter;
}

export interface CpuThrottling {
  /** Of cpu.cfs_period_us or cpu.max. */
  periods: Counter;
  throttledPeriods: Counter;
  /** Nanoseconds. */
  throttledTime: Counter;
}

/** The values of cgroup v1's files of the same names (cpuset(7)). */
export interface CpusetStats {
  cpus: number[];
  cpu_exclusive: Counter;
  mems: number[];
  mem_hardwall: Counter;
  mem_exclusive: Counter;
  memory_migrate: Counter;
  memory_spread_page: Counter;
  memory_spread_slab: Counter;
  memory_pressure: Counter;
  sched_load_balance: Counter;
  /** -1 if unset. */
  sched_relax_domain_level: bigint;
}

/** Bytes. */
export interface MemoryStats {
  /** Of the page cache. */
  cache: Counter;
  usage: MemoryUse;
  /** Memory and swap together, also on v2. */
  swap: MemoryUse;
  /** Of cgroup v1 alone. */
  kernel: MemoryUse;
  kernelTCP: MemoryUse;
  /** memory.stat. */
  raw: Record<string, Counter>;
  psi?: Pressure;
}

export interface MemoryUse {
  /** 2^64 - 1 for none on v2; on v1 the largest number of whole pages. */
  limit: Counter;
  usage: Counter;
  /** The highest usage so far. */
  max: Counter;
  /** How often the limit was hit (v1). */
  failcnt: Counter;
}

export interface PidsStats {
  current: Counter;
  /** 0 for none. */
  limit: Counter;
}

/** Block devices, descendants included. v2 has the first two alone. */
export interface BlkioStats {
  ioServiceBytesRecursive: BlkioEntry[];
  ioServicedRecursive: BlkioEntry[];
  ioQueueRecursive: BlkioEntry[];
  ioServiceTimeRecursive: BlkioEntry[];
  ioWaitTimeRecursive: BlkioEntry[];
  ioMergedRecursive: BlkioEntry[];
  ioTimeRecursive: BlkioEntry[];
  sectorsRecursive: BlkioEntry[];
  psi?: Pressure;
}

export interface BlkioEntry {
  /** Number of the device. */
  major: Counter;
  minor: Counter;
  /** `Read`, `Write`, ...; empty if the kernel does not distinguish operations. */
  op: string;
  value: Counter;
}

export interface HugetlbStats {
  /** Bytes. */
  usage: Counter;
  /** The highest usage so far (v1). */
  max: Counter;
  failcnt: Counter;
}

/** Time that processes waited for a resource (Documentation/accounting/psi.rst). */
export interface Pressure {
  /** At least one process. */
  some: PressureValues;
  /** All of them at once. */
  full: PressureValues;
}

export interface PressureValues {
  /** Percent of the last 10, 60 and 300 seconds. */
  avg10: number;
  avg60: number;
  avg300: number;
  /** Microseconds. */
  total: Counter;
}

/** The resctrl resources of the host and of the container's group; empty without a group (Documentation/filesystems/resctrl.rst). */
export interface IntelRdtStats {
  l3_cache_info?: { cbm_mask: string; min_cbm_bits: Counter; num_closids: Counter };
  /** Lines of `schemata`, of the host and of the group. */
  l3_cache_schema_root?: string;
  l3_cache_schema?: string;
  mem_bw_info?: { bandwidth_gran: Counter; delay_linear: Counter; min_bandwidth: Counter; num_closids: Counter };
  mem_bw_schema_root?: string;
  mem_bw_schema?: string;
  /** By L3 cache. */
  mbm_stats?: { mbm_total_bytes: Counter; mbm_local_bytes: Counter }[];
  cmt_stats?: { llc_occupancy: Counter }[];
}
