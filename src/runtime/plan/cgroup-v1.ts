/** Limits as values of cgroup v1 files (Documentation/admin-guide/cgroup-v1). */

import type { CgroupWrite } from "../generated/plan.js";
import type { Integer64, Resources } from "../spec/generated/spec-types.js";
import { refused } from "./limit-error.js";

/** Finds the container's directory of a controller. @throws RuntimeError if the controller is not mounted. */
export type DirectoryFinder = (controller: string, pointer: string) => string;

/** Collects the writes of one part of `resources`. */
interface Writer {
  directory: DirectoryFinder;
  writes: CgroupWrite[];
}

/** All limits but those on devices. @throws RuntimeError on a limit whose controller is not mounted. */
export function planV1Writes(resources: Resources, directory: DirectoryFinder): CgroupWrite[] {
  const writer: Writer = { directory, writes: [] };
  if (Object.keys(resources.unified ?? {}).length > 0) {
    throw refused("/linux/resources/unified", "invalid configuration: cannot use unified on cgroup v1, and this host has no other");
  }
  planCpu(resources, writer);
  planMemory(resources, writer);
  planPids(resources, writer);
  planBlockIo(resources, writer);
  planHugetlb(resources, writer);
  planNetwork(resources, writer);
  planRdma(resources, writer);
  return writer.writes;
}

/** Zero means unset, for callers that fill in every field. The period is written before the quota, which it bounds, and the quota before the burst. */
function planCpu({ cpu }: Resources, writer: Writer): void {
  if (!cpu) return;
  const pointer = "/linux/resources/cpu";
  writeGiven(writer, "cpu", "cpu.shares", cpu.shares, `${pointer}/shares`);
  writeGiven(writer, "cpu", "cpu.cfs_period_us", cpu.period, `${pointer}/period`);
  writeGiven(writer, "cpu", "cpu.cfs_quota_us", cpu.quota, `${pointer}/quota`);
  writeGiven(writer, "cpu", "cpu.cfs_burst_us", cpu.burst, `${pointer}/burst`);
  writeGiven(writer, "cpu", "cpu.rt_period_us", cpu.realtimePeriod, `${pointer}/realtimePeriod`);
  writeGiven(writer, "cpu", "cpu.rt_runtime_us", cpu.realtimeRuntime, `${pointer}/realtimeRuntime`);
  writeGiven(writer, "cpu", "cpu.idle", cpu.idle, `${pointer}/idle`);
  if (cpu.cpus) write(writer, "cpuset", "cpuset.cpus", cpu.cpus, `${pointer}/cpus`);
  if (cpu.mems) write(writer, "cpuset", "cpuset.mems", cpu.mems, `${pointer}/mems`);
}

/** The limit is written before memory+swap, which must not be smaller. Since 5.16 the kernel has no limit for kernel memory (warnings.ts). */
function planMemory({ memory }: Resources, writer: Writer): void {
  if (!memory) return;
  const pointer = "/linux/resources/memory";
  if (memory.limit !== undefined && memory.limit < 0 && memory.swap !== undefined && memory.swap > 0) {
    throw refused(`${pointer}/swap`, "needs a memory limit on cgroup v1, which limits memory and swap together");
  }
  writeGiven(writer, "memory", "memory.limit_in_bytes", memory.limit, `${pointer}/limit`);
  const swapping = writeGiven(writer, "memory", "memory.memsw.limit_in_bytes", memory.swap, `${pointer}/swap`);
  // Kernels without swap accounting have no such file.
  if (swapping?.value === "-1") swapping.ifMissing = [];
  writeGiven(writer, "memory", "memory.soft_limit_in_bytes", memory.reservation, `${pointer}/reservation`);
  if (memory.kernelTCP !== undefined && memory.kernelTCP > 0) {
    write(writer, "memory", "memory.kmem.tcp.limit_in_bytes", memory.kernelTCP, `${pointer}/kernelTCP`);
  }
  if (memory.useHierarchy !== undefined) {
    write(writer, "memory", "memory.use_hierarchy", memory.useHierarchy ? 1 : 0, `${pointer}/useHierarchy`);
  }
  if (memory.swappiness !== undefined) write(writer, "memory", "memory.swappiness", memory.swappiness, `${pointer}/swappiness`);
  if (memory.disableOOMKiller) write(writer, "memory", "memory.oom_control", 1, `${pointer}/disableOOMKiller`);
}

function planPids({ pids }: Resources, writer: Writer): void {
  if (pids?.limit === undefined) return;
  write(writer, "pids", "pids.max", pidsMax(pids.limit), "/linux/resources/pids/limit");
}

/**
 * The text for pids.max (config-linux.md, "PIDs": "the maximum number of tasks in the cgroup"). 0 is a limit, as in runc since 1.4. It is written
 * as 1, as runc does: with 0 the container's first process could not be created, and with 1 no other one can.
 */
export function pidsMax(limit: Integer64): string {
  if (limit < 0) return "max";
  return limit <= 1 ? "1" : String(limit);
}

/** Weights are those of BFQ. CFQ, which had leaf weights, was removed in Linux 5.0, which is older than any supported kernel. */
function planBlockIo({ blockIO }: Resources, writer: Writer): void {
  if (!blockIO) return;
  const pointer = "/linux/resources/blockIO";
  writeGiven(writer, "blkio", "blkio.bfq.weight", blockIO.weight, `${pointer}/weight`);
  if (blockIO.leafWeight) throw refused(`${pointer}/leafWeight`, "the kernel has no leaf weights since 5.0");
  for (const [index, device] of (blockIO.weightDevice ?? []).entries()) {
    const at = `${pointer}/weightDevice/${index}`;
    if (device.leafWeight) throw refused(`${at}/leafWeight`, "the kernel has no leaf weights since 5.0");
    if (device.weight) write(writer, "blkio", "blkio.bfq.weight_device", `${device.major}:${device.minor} ${device.weight}`, at);
  }
  const throttles = [
    ["throttleReadBpsDevice", "blkio.throttle.read_bps_device"],
    ["throttleWriteBpsDevice", "blkio.throttle.write_bps_device"],
    ["throttleReadIOPSDevice", "blkio.throttle.read_iops_device"],
    ["throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"],
  ] as const;
  for (const [field, file] of throttles) {
    for (const [index, { major, minor, rate }] of (blockIO[field] ?? []).entries()) {
      write(writer, "blkio", file, `${major}:${minor} ${rate ?? 0}`, `${pointer}/${field}/${index}`);
    }
  }
}

/** Sets the reservation limit (Linux 5.7) and the page fault limit: some faults are not covered by reservations. */
function planHugetlb({ hugepageLimits }: Resources, writer: Writer): void {
  for (const [index, { pageSize, limit }] of (hugepageLimits ?? []).entries()) {
    const pointer = `/linux/resources/hugepageLimits/${index}`;
    write(writer, "hugetlb", `hugetlb.${pageSize}.limit_in_bytes`, limit, pointer);
    write(writer, "hugetlb", `hugetlb.${pageSize}.rsvd.limit_in_bytes`, limit, pointer);
  }
}

function planNetwork({ network }: Resources, writer: Writer): void {
  if (!network) return;
  const pointer = "/linux/resources/network";
  if (network.classID !== undefined) write(writer, "net_cls", "net_cls.classid", network.classID, `${pointer}/classID`);
  for (const [index, { name, priority }] of (network.priorities ?? []).entries()) {
    write(writer, "net_prio", "net_prio.ifpriomap", `${name} ${priority}`, `${pointer}/priorities/${index}`);
  }
}

function planRdma(resources: Resources, writer: Writer): void {
  for (const [device, limits] of Object.entries(resources.rdma ?? {})) {
    write(writer, "rdma", "rdma.max", rdmaLine(device, limits), `/linux/resources/rdma/${device}`);
  }
}

/** A line of rdma.max, which is the same on v1 and v2. */
export function rdmaLine(device: string, limits: { hcaHandles?: number; hcaObjects?: number }): string {
  const parts = [device];
  if (limits.hcaHandles !== undefined) parts.push(`hca_handle=${limits.hcaHandles}`);
  if (limits.hcaObjects !== undefined) parts.push(`hca_object=${limits.hcaObjects}`);
  return parts.join(" ");
}

function writeGiven(
  writer: Writer,
  controller: string,
  file: string,
  value: Integer64 | undefined,
  pointer: string,
): CgroupWrite | undefined {
  return value === undefined || value === 0 ? undefined : write(writer, controller, file, value, pointer);
}

function write({ directory, writes }: Writer, controller: string, file: string, value: Integer64 | string, pointer: string): CgroupWrite {
  const planned: CgroupWrite = { path: `${directory(controller, pointer)}/${file}`, value: String(value), pointer };
  writes.push(planned);
  return planned;
}
