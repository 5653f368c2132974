/** Huge pages (cgroup-v1/hugetlb.rst; cgroup-v2.rst, "HugeTLB Interface Files"). */

import type { HugetlbStats } from "./container-stats.js";
import { counter, counters } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

/** Contains a directory such as `hugepages-2048kB` for each page size. */
export const HUGE_PAGES_DIRECTORY = "/sys/kernel/mm/hugepages";

/** Page sizes in the form of the controller's file names. @param directories below `HUGE_PAGES_DIRECTORY` */
export function pageSizes(directories: readonly string[]): string[] {
  return directories.flatMap((name) => {
    const [, kibibytes] = /^hugepages-(\d+)kB$/.exec(name) ?? [];
    return kibibytes === undefined ? [] : [sizeName(Number(kibibytes))];
  });
}

/** The kernel's names: in the largest unit that fits. */
function sizeName(kibibytes: number): string {
  if (kibibytes >= 1 << 20) return `${kibibytes / (1 << 20)}GB`;
  return kibibytes >= 1 << 10 ? `${kibibytes / (1 << 10)}MB` : `${kibibytes}KB`;
}

/** The reserved amount, to which limits apply first (Linux 5.7), or else the amount in use. */
const KINDS = [".rsvd", ""];

export function hugetlbFiles1(sizes: readonly string[]): string[] {
  return names(sizes, ["usage_in_bytes", "max_usage_in_bytes", "failcnt"]);
}

export function hugetlbFiles2(sizes: readonly string[]): string[] {
  return names(sizes, ["current", "events"]);
}

function names(sizes: readonly string[], values: readonly string[]): string[] {
  return sizes.flatMap((size) => KINDS.flatMap((kind) => values.map((value) => `hugetlb.${size}${kind}.${value}`)));
}

export function hugetlb1(files: KernelFiles, sizes: readonly string[]): Record<string, HugetlbStats> {
  return bySize(files, sizes, "usage_in_bytes", (prefix) => ({
    usage: counter(files, `${prefix}.usage_in_bytes`),
    max: counter(files, `${prefix}.max_usage_in_bytes`),
    failcnt: counter(files, `${prefix}.failcnt`),
  }));
}

export function hugetlb2(files: KernelFiles, sizes: readonly string[]): Record<string, HugetlbStats> {
  return bySize(files, sizes, "current", (prefix) => ({
    usage: counter(files, `${prefix}.current`),
    max: 0n,
    failcnt: counters(files, `${prefix}.events`).get("max") ?? 0n,
  }));
}

/** @param usage the file whose existence shows that the kernel counts that kind */
function bySize(
  files: KernelFiles,
  sizes: readonly string[],
  usage: string,
  read: (prefix: string) => HugetlbStats,
): Record<string, HugetlbStats> {
  const stats: Record<string, HugetlbStats> = {};
  for (const size of sizes) {
    const kind = KINDS.find((kind) => files.text(`hugetlb.${size}${kind}.${usage}`) !== undefined);
    if (kind !== undefined) stats[size] = read(`hugetlb.${size}${kind}`);
  }
  return stats;
}
