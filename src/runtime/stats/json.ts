/** Statistics and events in runc's JSON: its names, its order, and without the zero or empty members that runc omits. */

import type {
  BlkioEntry,
  BlkioStats,
  ContainerStats,
  CpuStats,
  HugetlbStats,
  IntelRdtStats,
  MemoryStats,
  MemoryUse,
} from "./container-stats.js";

/** An event of a container. */
export type ContainerEvent =
  /** Statistics after an interval. */
  | { type: "stats"; id: string; data: ContainerStats }
  /** The OOM killer killed a process of the container, or a process at the limit waits for memory (memory.oom_control, v1). */
  | { type: "oom"; id: string };

/** An event as JSON, without a newline. 64-bit numbers keep all digits. */
export function eventJson(event: ContainerEvent): string {
  return exactJson(event.type === "stats" ? { type: event.type, id: event.id, data: statsValue(event.data) } : event);
}

/** The value of `data`; JSON except for bigint. */
export function statsValue(stats: ContainerStats): object {
  const { cpus, mems, ...flags } = stats.cpuset;
  const { cpu_exclusive, ...memoryFlags } = flags;
  return {
    cpu: cpuValue(stats.cpu),
    cpuset: { ...present({ cpus }), cpu_exclusive, ...present({ mems }), ...memoryFlags },
    memory: memoryValue(stats.memory),
    pids: present(stats.pids),
    blkio: blkioValue(stats.blkio),
    hugetlb: sorted(Object.entries(stats.hugetlb).map(([size, value]) => [size, hugetlbValue(value)])),
    intel_rdt: intelRdtValue(stats.intel_rdt),
    network_interfaces: stats.network_interfaces,
  };
}

function cpuValue({ usage: { kernel, user, ...usage }, throttling, psi }: CpuStats): object {
  return { usage: { ...present(usage), kernel, user }, throttling: present(throttling), ...(psi && { psi }) };
}

function memoryValue({ cache, usage, swap, kernel, kernelTCP, raw, psi }: MemoryStats): object {
  return {
    ...present({ cache }),
    usage: useValue(usage),
    swap: useValue(swap),
    kernel: useValue(kernel),
    kernelTCP: useValue(kernelTCP),
    ...(Object.keys(raw).length > 0 && { raw: sorted(Object.entries(raw)) }),
    ...(psi && { psi }),
  };
}

function useValue({ limit, usage, max, failcnt }: MemoryUse): object {
  return { limit, ...present({ usage, max }), failcnt };
}

function blkioValue({ psi, ...tables }: BlkioStats): object {
  const lists = Object.entries(tables).map(([name, entries]) => [name, (entries as BlkioEntry[]).map((entry) => present(entry))]);
  return { ...present(Object.fromEntries(lists) as Record<string, unknown>), ...(psi && { psi }) };
}

function hugetlbValue({ usage, max, failcnt }: HugetlbStats): object {
  return { ...present({ usage, max }), failcnt };
}

function intelRdtValue({ l3_cache_info, mem_bw_info, ...rest }: IntelRdtStats): object {
  const { l3_cache_schema_root, l3_cache_schema, ...bandwidth } = rest;
  return {
    ...(l3_cache_info && { l3_cache_info: present(l3_cache_info) }),
    ...present({ l3_cache_schema_root, l3_cache_schema }),
    ...(mem_bw_info && { mem_bw_info: present(mem_bw_info) }),
    ...present(bandwidth),
  };
}

/** Without members that are absent, zero or empty. */
function present(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => !isEmpty(member)));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === 0n || value === 0 || value === "" || (Array.isArray(value) && value.length === 0);
}

/** By code point, as Go writes maps. */
function sorted(entries: [string, unknown][]): object {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** JSON.stringify for values that hold bigint, which are written as numbers. */
function exactJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(exactJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${exactJson(member)}`)
    .join(",")}}`;
}
