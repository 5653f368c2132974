/** Memory (cgroup-v1/memory.rst; cgroup-v2.rst, "Memory Interface Files"). */

import type { Counter, MemoryStats, MemoryUse } from "./container-stats.js";
import { UNLIMITED, counter, counters } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

const KINDS1 = ["memory", "memory.memsw", "memory.kmem", "memory.kmem.tcp"];
const VALUES1 = ["limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt"];

export const MEMORY_FILES1 = ["memory.stat", ...KINDS1.flatMap((kind) => VALUES1.map((value) => `${kind}.${value}`))];
export const MEMORY_FILES2 = ["memory.stat", "memory.max", "memory.current", "memory.peak", "memory.swap.max", "memory.swap.current"];

export function noMemory(): MemoryStats {
  return { cache: 0n, usage: noUse(), swap: noUse(), kernel: noUse(), kernelTCP: noUse(), raw: {} };
}

function noUse(): MemoryUse {
  return { limit: 0n, usage: 0n, max: 0n, failcnt: 0n };
}

export function memory1(files: KernelFiles): MemoryStats {
  const stat = counters(files, "memory.stat");
  const use = (kind: string): MemoryUse => ({
    limit: counter(files, `${kind}.limit_in_bytes`),
    usage: counter(files, `${kind}.usage_in_bytes`),
    max: counter(files, `${kind}.max_usage_in_bytes`),
    failcnt: counter(files, `${kind}.failcnt`),
  });
  return {
    cache: stat.get("cache") ?? 0n,
    usage: use("memory"),
    swap: use("memory.memsw"),
    kernel: use("memory.kmem"),
    kernelTCP: use("memory.kmem.tcp"),
    raw: Object.fromEntries(stat),
  };
}

export function memory2(files: KernelFiles): MemoryStats {
  const stat = counters(files, "memory.stat");
  const limit = counter(files, "memory.max");
  const usage = counter(files, "memory.current");
  return {
    ...noMemory(),
    cache: stat.get("file") ?? 0n,
    usage: { limit, usage, max: counter(files, "memory.peak"), failcnt: 0n }, // peak: Linux 5.19 and later
    swap: swap2(files, { limit, usage }),
    raw: Object.fromEntries(stat),
  };
}

/** Memory and swap together, as v1 counts them. Without swap accounting only memory. */
function swap2(files: KernelFiles, memory: { limit: Counter; usage: Counter }): MemoryUse {
  const limit = counter(files, "memory.swap.max");
  return {
    limit: limit === UNLIMITED || memory.limit === UNLIMITED ? UNLIMITED : limit + memory.limit,
    usage: counter(files, "memory.swap.current") + memory.usage,
    max: 0n,
    failcnt: 0n,
  };
}
