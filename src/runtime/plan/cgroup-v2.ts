/** Limits as values of cgroup v2 files (Documentation/admin-guide/cgroup-v2.rst). */

import type { CgroupWrite } from "../generated/plan.js";
import type { Integer64, Resources } from "../spec/generated/spec-types.js";
import { pidsMax, rdmaLine } from "./cgroup-v1.js";
import { refused } from "./limit-error.js";

/** The container's directory, and the controllers that can be enabled for it. */
export interface UnifiedDirectory {
  path: string;
  controllers: readonly string[];
  /** The controllers that a hybrid host has on cgroup v1. */
  v1Controllers?: readonly string[];
}

interface Writer extends UnifiedDirectory {
  writes: CgroupWrite[];
}

/** All limits but those on devices. `unified` comes last and overrides the others. @throws RuntimeError on a limit that v2 does not have. */
export function planV2Writes(resources: Resources, directory: UnifiedDirectory): CgroupWrite[] {
  const writer: Writer = { ...directory, writes: [] };
  planCpu(resources, writer);
  planMemory(resources, writer);
  if (resources.pids?.limit !== undefined) write(writer, "pids.max", pidsMax(resources.pids.limit), "/linux/resources/pids/limit");
  planBlockIo(resources, writer);
  for (const [index, { pageSize, limit }] of (resources.hugepageLimits ?? []).entries()) {
    const pointer = `/linux/resources/hugepageLimits/${index}`;
    write(writer, `hugetlb.${pageSize}.max`, limit, pointer);
    write(writer, `hugetlb.${pageSize}.rsvd.max`, limit, pointer);
  }
  if (resources.network?.classID) throw refused("/linux/resources/network/classID", "needs the v1 controller net_cls");
  if (resources.network?.priorities?.length) throw refused("/linux/resources/network/priorities", "needs the v1 controller net_prio");
  for (const [device, limits] of Object.entries(resources.rdma ?? {})) {
    write(writer, "rdma.max", rdmaLine(device, limits), `/linux/resources/rdma/${device}`);
  }
  planUnified(resources, writer);
  return writer.writes;
}

/** Zero means unset, for callers that fill in every field. */
function planCpu({ cpu }: Resources, writer: Writer): void {
  if (!cpu) return;
  const pointer = "/linux/resources/cpu";
  if (cpu.realtimePeriod) throw refused(`${pointer}/realtimePeriod`, "cgroup v2 has no real-time limits");
  if (cpu.realtimeRuntime) throw refused(`${pointer}/realtimeRuntime`, "cgroup v2 has no real-time limits");
  if (cpu.shares) write(writer, "cpu.weight", cpuWeight(Number(cpu.shares)), `${pointer}/shares`);
  if (cpu.quota || cpu.period) {
    const quota = cpu.quota && cpu.quota > 0 ? String(cpu.quota) : "max";
    write(writer, "cpu.max", cpu.period ? `${quota} ${cpu.period}` : quota, cpu.quota ? `${pointer}/quota` : `${pointer}/period`);
  }
  if (cpu.burst) write(writer, "cpu.max.burst", cpu.burst, `${pointer}/burst`);
  if (cpu.idle) write(writer, "cpu.idle", cpu.idle, `${pointer}/idle`);
  if (cpu.cpus) write(writer, "cpuset.cpus", cpu.cpus, `${pointer}/cpus`);
  if (cpu.mems) write(writer, "cpuset.mems", cpu.mems, `${pointer}/mems`);
}

/**
 * The cpu.weight (1 to 10000) for v1 shares (2 to 262144): a curve through (2, 1), (1024, 100) and (262144, 10000), so that the
 * defaults of both meet. That is what runc has since 1.3.2 (opencontainers/cgroups 0.0.3) and crun since 1.23. The straight line
 * before, 1 + (shares - 2) * 9999 / 262142, gave a container with the default share 39, beside 100 of everything else on the host.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const exponent = Math.log2(shares);
  return Math.ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34));
}

function planMemory({ memory }: Resources, writer: Writer): void {
  if (!memory) return;
  const pointer = "/linux/resources/memory";
  if (memory.disableOOMKiller) throw refused(`${pointer}/disableOOMKiller`, "cgroup v2 cannot disable the OOM killer");
  if (memory.swappiness !== undefined) throw refused(`${pointer}/swappiness`, "cgroup v2 has no swappiness");
  if (memory.kernelTCP !== undefined && memory.kernelTCP > 0) throw refused(`${pointer}/kernelTCP`, "cgroup v2 has no TCP memory limit");
  if (memory.useHierarchy === false) throw refused(`${pointer}/useHierarchy`, "cgroup v2 is always hierarchical");
  if (memory.limit) {
    const limit = write(writer, "memory.max", orMax(memory.limit), `${pointer}/limit`);
    // With a limit below the usage the kernel would kill processes.
    if (memory.checkBeforeUpdate) limit.atLeast = "memory.current";
  }
  const swap = swapMax(memory.swap, memory.limit);
  if (swap !== undefined) {
    const swapping = write(writer, "memory.swap.max", swap, `${pointer}/swap`);
    // Kernels without swap or swap accounting have no such file, and nothing to limit.
    if (swap === "0" || swap === "max") swapping.ifMissing = [];
  }
  if (memory.reservation) write(writer, "memory.low", orMax(memory.reservation), `${pointer}/reservation`);
}

/**
 * Converts a limit of memory and swap together into one of swap alone, as v2 has it. If memory is unlimited the value is the limit of swap; if
 * there is no value, swap is unlimited, as on v1.
 * @throws RuntimeError if there is no memory limit to subtract, or if it is greater.
 */
export function swapMax(memoryAndSwap: Integer64 | undefined, memory: Integer64 | undefined): string | undefined {
  const pointer = "/linux/resources/memory/swap";
  if (!memoryAndSwap) return memory !== undefined && memory < 0 ? "max" : undefined;
  if (memoryAndSwap < 0) return "max";
  if (!memory) throw refused(pointer, "needs a memory limit on cgroup v2");
  if (memory < 0) return String(memoryAndSwap);
  if (memoryAndSwap < memory) throw refused(pointer, `${memoryAndSwap} is below the memory limit ${memory}, which it includes`);
  return String(BigInt(memoryAndSwap) - BigInt(memory));
}

function orMax(value: Integer64): string {
  return value < 0 ? "max" : String(value);
}

function planBlockIo({ blockIO }: Resources, writer: Writer): void {
  if (!blockIO) return;
  const pointer = "/linux/resources/blockIO";
  if (blockIO.leafWeight) throw refused(`${pointer}/leafWeight`, "cgroup v2 has no leaf weights");
  if (blockIO.weight) writeWeight(writer, undefined, blockIO.weight, `${pointer}/weight`);
  for (const [index, device] of (blockIO.weightDevice ?? []).entries()) {
    const at = `${pointer}/weightDevice/${index}`;
    if (device.leafWeight) throw refused(`${at}/leafWeight`, "cgroup v2 has no leaf weights");
    if (device.weight) writeWeight(writer, `${device.major}:${device.minor}`, device.weight, at);
  }
  const throttles = [
    ["throttleReadBpsDevice", "rbps"],
    ["throttleWriteBpsDevice", "wbps"],
    ["throttleReadIOPSDevice", "riops"],
    ["throttleWriteIOPSDevice", "wiops"],
  ] as const;
  for (const [field, key] of throttles) {
    for (const [index, { major, minor, rate }] of (blockIO[field] ?? []).entries()) {
      write(writer, "io.max", `${major}:${minor} ${key}=${rate || "max"}`, `${pointer}/${field}/${index}`);
    }
  }
}

/** BFQ uses the scale of the configuration. Without BFQ, io.weight (of the cost model io.cost) is set instead. */
function writeWeight(writer: Writer, device: string | undefined, weight: number, pointer: string): void {
  const bfq = write(writer, "io.bfq.weight", device === undefined ? String(weight) : `${device} ${weight}`, pointer);
  bfq.ifMissing = [{ path: `${writer.path}/io.weight`, value: `${device ?? "default"} ${ioWeight(weight)}`, pointer }];
}

/** The io.weight (1 to 10000) for a v1 weight (10 to 1000), linear. */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

/** Cgroup files accept one line per write. @throws RuntimeError on a name that is not a file of the container's cgroup. */
function planUnified({ unified }: Resources, writer: Writer): void {
  for (const [file, value] of Object.entries(unified ?? {})) {
    const pointer = `/linux/resources/unified/${file.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (file.includes("/") || file === ".." || file === ".") throw refused(pointer, `"${file}" is no name of a cgroup file`);
    if (writer.v1Controllers?.includes(controllerOf(file)))
      throw refused(
        pointer,
        `invalid configuration: cannot use unified on cgroup v1, where this host has the controller "${controllerOf(file)}"`,
      );
    const lines = value.split("\n").filter((line) => line !== "");
    // An empty value is written too: the kernel decides whether it is valid.
    for (const line of lines.length > 0 ? lines : [""]) write(writer, file, line, pointer);
  }
}

/** @returns the write, for the caller to extend. @throws RuntimeError if the file's controller is not available. */
function write({ path, controllers, writes }: Writer, file: string, value: Integer64 | string, pointer: string): CgroupWrite {
  const controller = controllerOf(file);
  if (controller !== "cgroup" && !controllers.includes(controller)) {
    throw refused(pointer, `the cgroup controller "${controller}" is not available`);
  }
  const planned: CgroupWrite = { path: `${path}/${file}`, value: String(value), pointer };
  writes.push(planned);
  return planned;
}

/** `memory` of `memory.max`. */
function controllerOf(file: string): string {
  return file.slice(0, Math.max(0, file.indexOf(".")));
}
