/** Rules for `linux.resources` (config-linux.md, "Control groups"), but its list of devices. */

import { segment, type Report } from "../fault.js";
import type { CpuResources, Integer64, Linux } from "../generated/spec-types.js";
import { isInt64, isUint64, uint64Range } from "../numbers.js";
import type { Rules, Subject } from "../rule.js";

const place = "/linux/resources";
const int64Range = "-1 (no limit) to 9223372036854775807";

const resourcesOf = ({ spec }: Subject): NonNullable<Linux["resources"]> => spec.linux?.resources ?? {};

/** Reports a limit that is neither -1 nor an amount. */
function reportLimit(value: Integer64 | undefined, pointer: string, report: Report): void {
  if (value !== undefined && (value < -1 || !isInt64(value))) report(pointer, value, int64Range);
}

function reportUint64(value: Integer64 | undefined, pointer: string, report: Report): void {
  if (value !== undefined && !isUint64(value)) report(pointer, value, uint64Range);
}

export const resourceRules: Rules = {
  "memory-limits": (subject, report) => {
    const { memory } = resourcesOf(subject);
    if (memory === undefined) return;
    for (const name of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const)
      reportLimit(memory[name], `${place}/memory/${name}`, report);
    if (memory.swappiness !== undefined && memory.swappiness > 100) report(`${place}/memory/swappiness`, memory.swappiness, "0 to 100");
  },

  // `swap` counts memory and swap together; 0 stands for unset.
  "memory-swap": (subject, report) => {
    const { limit = 0, swap = 0 } = resourcesOf(subject).memory ?? {};
    if (swap <= 0) return;
    if (limit <= 0) report(`${place}/memory/swap`, swap, "-1, or a value beside /linux/resources/memory/limit");
    else if (swap < limit)
      report(`${place}/memory/swap`, swap, `at least /linux/resources/memory/limit, ${limit}: it counts memory and swap`);
  },

  "cpu-ranges": (subject, report) => {
    const { cpu } = resourcesOf(subject);
    if (cpu !== undefined) reportCpu(cpu, report);
  },

  "cpu-lists": (subject, report) => {
    const { cpu } = resourcesOf(subject);
    for (const name of ["cpus", "mems"] as const) {
      const list = cpu?.[name];
      if (list !== undefined && !isNumberList(list)) report(`${place}/cpu/${name}`, list, 'numbers and ranges, such as "0-3,7"');
    }
  },

  "pids-limit": (subject, report) => {
    reportLimit(resourcesOf(subject).pids?.limit, `${place}/pids/limit`, report);
  },

  // 0 stands for unset.
  "block-io-weights": (subject, report) => {
    const { blockIO } = resourcesOf(subject);
    const inspect = (weights: { weight?: number; leafWeight?: number } | undefined, pointer: string): void => {
      for (const name of ["weight", "leafWeight"] as const) {
        const weight = weights?.[name];
        if (weight !== undefined && weight !== 0 && (weight < 10 || weight > 1000)) report(`${pointer}/${name}`, weight, "10 to 1000");
      }
    };
    inspect(blockIO, `${place}/blockIO`);
    blockIO?.weightDevice?.forEach((device, i) => {
      const pointer = `${place}/blockIO/weightDevice/${i}`;
      if (device.weight === undefined && device.leafWeight === undefined)
        report(`${pointer}/weight`, undefined, '"weight", "leafWeight" or both');
      else inspect(device, pointer);
    });
  },

  "block-io-rates": (subject, report) => {
    for (const name of ["throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice"] as const) {
      resourcesOf(subject).blockIO?.[name]?.forEach(({ rate }, i) => {
        const pointer = `${place}/blockIO/${name}/${i}/rate`;
        if (rate === undefined) report(pointer, rate, "a value: it is required");
        else reportUint64(rate, pointer, report);
      });
    }
  },

  // The kernel names each size in its largest whole unit; a cgroup has no file for any other name.
  "hugepage-sizes": (subject, report) => {
    const seen = new Set<string>();
    resourcesOf(subject).hugepageLimits?.forEach(({ pageSize, limit }, i) => {
      const pointer = `${place}/hugepageLimits/${i}`;
      const amount = Number.parseInt(pageSize, 10);
      if (amount >= 1024 || !Number.isInteger(Math.log2(amount)))
        report(`${pointer}/pageSize`, pageSize, "a power of two below 1024 and KB, MB or GB");
      else if (seen.has(pageSize)) report(`${pointer}/pageSize`, pageSize, "each size once");
      seen.add(pageSize);
      reportUint64(limit, `${pointer}/limit`, report);
    });
  },

  // IFNAMSIZ of the kernel counts the closing NUL.
  "network-priorities": (subject, report) => {
    resourcesOf(subject).network?.priorities?.forEach(({ name }, i) => {
      if (!/^[^/\s]{1,15}$/.test(name))
        report(`${place}/network/priorities/${i}/name`, name, "the name of an interface: up to 15 characters, no slash or blank");
    });
  },

  // config-linux.md, "RDMA"; the name is the first word of a line for the kernel.
  "rdma-limits": (subject, report) => {
    for (const [device, limits] of Object.entries(resourcesOf(subject).rdma ?? {})) {
      const pointer = `${place}/rdma/${segment(device)}`;
      if (!/^\S+$/.test(device)) report(pointer, device, "the name of a device: no blank");
      else if (limits.hcaHandles === undefined && limits.hcaObjects === undefined)
        report(pointer, limits, '"hcaHandles", "hcaObjects" or both');
    }
  },

  // Each is a file of the container's own cgroup: a path could name another's.
  "unified-names": (subject, report) => {
    for (const name of Object.keys(resourcesOf(subject).unified ?? {})) {
      if (name === "" || name === "." || name === ".." || name.includes("/"))
        report(`${place}/unified/${segment(name)}`, name, 'the name of a file in the cgroup, such as "memory.high"');
    }
  },
};

function reportCpu(cpu: CpuResources, report: Report): void {
  const at = (name: keyof CpuResources): string => `${place}/cpu/${name}`;
  for (const name of ["shares", "burst", "realtimePeriod"] as const) reportUint64(cpu[name], at(name), report);
  reportLimit(cpu.realtimeRuntime, at("realtimeRuntime"), report);

  // CFS bandwidth (kernel: sched-bwc): a period of 1 ms to 1 s, a quota of at least 1 ms; 0 stands for unset.
  const { period = 0, quota = 0, burst = 0, idle } = cpu;
  if (period !== 0 && (period < 1000 || period > 1_000_000)) report(at("period"), period, "1000 to 1000000 (microseconds)");
  if (quota < -1 || (quota > 0 && quota < 1000) || !isInt64(quota))
    report(at("quota"), quota, "-1 (no limit), or at least 1000 (microseconds)");
  else if (quota > 0 && burst > quota) report(at("burst"), burst, `at most the quota, ${quota}`);
  if (idle !== undefined && Number(idle) !== 0 && Number(idle) !== 1) report(at("idle"), idle, "0 or 1");
}

/** The kernel's bitmap_parselist: numbers, ranges, and every nth group of a range as in `0-31:2/8`. Empty is unset. */
function isNumberList(list: string): boolean {
  if (list === "") return true; // as if it were not given
  return list
    .trim()
    .split(",")
    .every((part) => {
      const match = /^\s*([0-9]{1,6})(?:-([0-9]{1,6})(?::[0-9]+\/[1-9][0-9]*)?)?\s*$/.exec(part);
      return match !== null && (match[2] === undefined || Number(match[1]) <= Number(match[2]));
    });
}
