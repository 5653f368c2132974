/** Statistics from a container's cgroups: which files to read, and how to interpret them. Pure. */

import type { RecordedCgroup } from "../generated/plan.js";
import { BLKIO_FILES, IO_FILES, blkio1, blkio2, noBlkio } from "./blkio.js";
import type { ContainerStats } from "./container-stats.js";
import { CPUACCT_FILES, CPU_FILES, cpuUsage1, cpuUsage2, noCpuUsage, noThrottling, throttling1, throttling2 } from "./cpu.js";
import { CPUSET_FILES, cpuset } from "./cpuset.js";
import { rdtStats } from "./intel-rdt.js";
import type { RdtPlan } from "./intel-rdt.js";
import { hugetlb1, hugetlb2, hugetlbFiles1, hugetlbFiles2 } from "./hugetlb.js";
import type { KernelFiles } from "./kernel-files.js";
import { MEMORY_FILES1, MEMORY_FILES2, memory1, memory2, noMemory } from "./memory.js";
import { PIDS_FILES, PIDS_FILES2, noPids, pids, pids2 } from "./pids.js";
import { PRESSURE_FILES, pressure } from "./pressure.js";

/** The files to read in one cgroup. */
export interface WantedFiles {
  path: string;
  files: string[];
}

/** The sources of a container's statistics. */
export interface StatsPlan {
  cgroups: readonly RecordedCgroup[];
  /** Sizes of huge pages: `2MB`. */
  pageSizes: readonly string[];
}

/** Reads a part of the statistics from the files of a directory. */
type Read<T> = (files: KernelFiles, plan: StatsPlan) => T;

/** How to read one part of the statistics on v1 and v2. */
interface Part<T> {
  /** Name of v1's controller. */
  controller: string;
  files1(plan: StatsPlan): readonly string[];
  files2(plan: StatsPlan): readonly string[];
  read1: Read<T>;
  read2: Read<T>;
  /** The value for a container without such a cgroup. */
  none(): T;
}

const nothing = { text: () => undefined };

const PARTS = {
  usage: part({ controller: "cpuacct", files1: CPUACCT_FILES, files2: CPU_FILES, read1: cpuUsage1, read2: cpuUsage2, none: noCpuUsage }),
  throttling: part({
    controller: "cpu",
    files1: CPU_FILES,
    files2: CPU_FILES,
    read1: throttling1,
    read2: throttling2,
    none: noThrottling,
  }),
  cpuset: part({
    controller: "cpuset",
    files1: CPUSET_FILES,
    files2: [],
    read1: cpuset,
    read2: () => cpuset(nothing),
    none: () => cpuset(nothing),
  }),
  memory: part({ controller: "memory", files1: MEMORY_FILES1, files2: MEMORY_FILES2, read1: memory1, read2: memory2, none: noMemory }),
  pids: part({ controller: "pids", files1: PIDS_FILES, files2: PIDS_FILES2, read1: pids, read2: pids2, none: noPids }),
  blkio: part({ controller: "blkio", files1: BLKIO_FILES, files2: IO_FILES, read1: blkio1, read2: blkio2, none: noBlkio }),
  hugetlb: {
    controller: "hugetlb",
    files1: ({ pageSizes }) => hugetlbFiles1(pageSizes),
    files2: ({ pageSizes }) => hugetlbFiles2(pageSizes),
    read1: (files, { pageSizes }) => hugetlb1(files, pageSizes),
    read2: (files, { pageSizes }) => hugetlb2(files, pageSizes),
    none: () => ({}),
  } satisfies Part<ContainerStats["hugetlb"]>,
};

/** A part whose files do not depend on the host. */
function part<T>({
  files1,
  files2,
  ...rest
}: Omit<Part<T>, "files1" | "files2"> & Record<"files1" | "files2", readonly string[]>): Part<T> {
  return { ...rest, files1: () => files1, files2: () => files2 };
}

/** The cgroup that has a controller: one of v1, or else that of v2. */
export function cgroupOf({ cgroups }: Pick<StatsPlan, "cgroups">, controller: string): RecordedCgroup | undefined {
  return cgroups.find(({ controllers }) => controllers.includes(controller)) ?? cgroups.find(isVersion2);
}

export function isVersion2({ controllers }: RecordedCgroup): boolean {
  return controllers.length === 0;
}

/** The files to read, by cgroup, without cgroups in which nothing is read. */
export function wantedFiles(plan: StatsPlan): WantedFiles[] {
  const parts = Object.values(PARTS);
  return plan.cgroups.flatMap((cgroup) => {
    const ofParts = parts.filter(({ controller }) => cgroupOf(plan, controller) === cgroup);
    const files = ofParts.flatMap((part) => (isVersion2(cgroup) ? part.files2(plan) : part.files1(plan)));
    const wanted = [...new Set([...files, ...(isVersion2(cgroup) ? PRESSURE_FILES : [])])];
    return wanted.length > 0 ? [{ path: cgroup.path, files: wanted }] : [];
  });
}

/** The files of Intel RDT that were read. */
export interface RdtReading {
  plan: RdtPlan;
  files: KernelFiles;
}

/**
 * @param files those of `wantedFiles`, by the cgroup's path; a cgroup that is gone has none
 * @param rdt absent for a container without its own group
 */
export function statsOf(plan: StatsPlan, files: ReadonlyMap<string, KernelFiles>, rdt?: RdtReading): ContainerStats {
  const read = <T>({ controller, read1, read2, none }: Part<T>): T => {
    const cgroup = cgroupOf(plan, controller);
    const found = cgroup && files.get(cgroup.path);
    if (!cgroup || !found) return none();
    return isVersion2(cgroup) ? read2(found, plan) : read1(found, plan);
  };
  const unified = files.get(plan.cgroups.find(isVersion2)?.path ?? "") ?? nothing;
  const psi = (name: string): { psi?: NonNullable<ReturnType<typeof pressure>> } => {
    const found = pressure(unified, name);
    return found ? { psi: found } : {};
  };
  return {
    cpu: { usage: read(PARTS.usage), throttling: read(PARTS.throttling), ...psi("cpu.pressure") },
    cpuset: read(PARTS.cpuset),
    memory: { ...read(PARTS.memory), ...psi("memory.pressure") },
    pids: read(PARTS.pids),
    blkio: { ...read(PARTS.blkio), ...psi("io.pressure") },
    hugetlb: read(PARTS.hugetlb),
    intel_rdt: rdt ? rdtStats(rdt.plan, rdt.files) : {},
    network_interfaces: null,
  };
}
