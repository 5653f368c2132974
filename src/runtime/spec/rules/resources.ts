/** Rules for `linux.resources` (config-linux.md, "Control groups") without its list of devices. */

import { segment, type Report } from "../fault.js";
import type { CpuResources, Integer64, Resources } from "../generated/spec-types.js";
import { isNumberList } from "../number-list.js";
import { isInt64, isUint64, uint64Range } from "../numbers.js";
import { each, type Rules, type Subject } from "../rule.js";

const place = "/linux/resources";

/** Files of every v2 cgroup that act on processes: a pid of the host in cgroup.procs would be moved into the container's cgroup. */
const notLimits: readonly string[] = ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze"];
const int64Range = "-1 (no limit) to 9223372036854775807";

const resourcesOf = ({ spec }: Subject): Resources => spec.linux?.resources ?? {};
const cpuOf = (subject: Subject): CpuResources => resourcesOf(subject).cpu ?? {};

/** Reports a limit that is neither -1 nor a valid amount. */
function reportLimit(value: Integer64 | undefined, pointer: string, report: Report): void {
  if (value !== undefined && (value < -1 || !isInt64(value))) report(pointer, value, int64Range);
}

function reportUint64(value: Integer64 | undefined, pointer: string, report: Report): void {
  if (value !== undefined && !isUint64(value)) report(pointer, value, uint64Range);
}

export const resourceRules: Rules = {
  "memory-limits": [
    (subject, report) => {
      each(["limit", "reservation", "swap", "kernel", "kernelTCP"] as const, (name) =>
        reportLimit(resourcesOf(subject).memory?.[name], `${place}/memory/${name}`, report),
      );
    },
    (subject, report) => {
      const swappiness = resourcesOf(subject).memory?.swappiness ?? 0;
      if (swappiness > 100) report(`${place}/memory/swappiness`, swappiness, "0 to 100");
    },
  ],

  // `swap` is memory and swap together; 0 means unset. Cgroup v2 can limit swap without a limit of memory.
  "memory-swap": (subject, report) => {
    const { limit = 0, swap = 0 } = resourcesOf(subject).memory ?? {};
    if (swap <= 0) return;
    if (limit === 0) report(`${place}/memory/swap`, swap, "-1, or a value beside /linux/resources/memory/limit");
    else if (swap < limit)
      report(`${place}/memory/swap`, swap, `at least /linux/resources/memory/limit, ${limit}: it counts memory and swap`);
  },

  "cpu-ranges": [
    (subject, report) => {
      each(["shares", "burst", "realtimePeriod"] as const, (name) => reportUint64(cpuOf(subject)[name], `${place}/cpu/${name}`, report));
    },
    (subject, report) => reportLimit(cpuOf(subject).realtimeRuntime, `${place}/cpu/realtimeRuntime`, report),

    // CFS bandwidth (kernel: sched-bwc): a period of 1 ms to 1 s, a quota of at least 1 ms; 0 means unset.
    (subject, report) => {
      const { period = 0 } = cpuOf(subject);
      if (period !== 0 && (period < 1000 || period > 1_000_000)) report(`${place}/cpu/period`, period, "1000 to 1000000 (microseconds)");
    },
    (subject, report) => {
      const cpu = cpuOf(subject);
      const { quota = 0 } = cpu;
      if (quota < -1 || (quota > 0 && quota < 1000) || !isInt64(quota))
        report(`${place}/cpu/quota`, quota, "-1 (no limit), or at least 1000 (microseconds)");
      else if (quota > 0 && (cpu.burst ?? 0) > quota) report(`${place}/cpu/burst`, cpu.burst, `at most the quota, ${quota}`);
    },
    (subject, report) => {
      const { idle = 0 } = cpuOf(subject);
      if (Number(idle) !== 0 && Number(idle) !== 1) report(`${place}/cpu/idle`, idle, "0 or 1");
    },
  ],

  "cpu-lists": (subject, report) => {
    each(["cpus", "mems"] as const, (name) => {
      const list = cpuOf(subject)[name];
      // Empty means unset.
      if (list && !isNumberList(list)) report(`${place}/cpu/${name}`, list, 'numbers and ranges, such as "0-3,7"');
    });
  },

  "pids-limit": (subject, report) => {
    reportLimit(resourcesOf(subject).pids?.limit, `${place}/pids/limit`, report);
  },

  // 0 means unset.
  "block-io-weights": (subject, report) => {
    const { blockIO } = resourcesOf(subject);
    const inspect = (weights: { weight?: number; leafWeight?: number } | undefined, pointer: string): void => {
      each(["weight", "leafWeight"] as const, (name) => {
        const weight = weights?.[name];
        if (weight !== undefined && weight !== 0 && (weight < 10 || weight > 1000)) report(`${pointer}/${name}`, weight, "10 to 1000");
      });
    };
    inspect(blockIO, `${place}/blockIO`);
    each(blockIO?.weightDevice, (device, i) => {
      const pointer = `${place}/blockIO/weightDevice/${i}`;
      inspect(device, pointer);
      if (device.weight === undefined && device.leafWeight === undefined)
        report(`${pointer}/weight`, undefined, '"weight", "leafWeight" or both');
    });
  },

  "block-io-rates": (subject, report) => {
    each(["throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice"] as const, (name) => {
      each(resourcesOf(subject).blockIO?.[name], ({ rate }, i) => {
        const pointer = `${place}/blockIO/${name}/${i}/rate`;
        if (rate === undefined) report(pointer, rate, "a value: it is required");
        else reportUint64(rate, pointer, report);
      });
    });
  },

  // The kernel writes each size in its largest whole unit; other spellings have no file in a cgroup.
  "hugepage-sizes": [
    (subject, report) => {
      const seen = new Set<string>();
      each(resourcesOf(subject).hugepageLimits, ({ pageSize }, i) => {
        const pointer = `${place}/hugepageLimits/${i}/pageSize`;
        const amount = Number.parseInt(pageSize, 10);
        if (amount >= 1024 || !Number.isInteger(Math.log2(amount))) report(pointer, pageSize, "a power of two below 1024 and KB, MB or GB");
        else if (seen.has(pageSize)) report(pointer, pageSize, "each size once");
        seen.add(pageSize);
      });
    },
    (subject, report) => {
      each(resourcesOf(subject).hugepageLimits, ({ limit }, i) => reportUint64(limit, `${place}/hugepageLimits/${i}/limit`, report));
    },
  ],

  // IFNAMSIZ includes the terminating NUL.
  "network-priorities": (subject, report) => {
    each(resourcesOf(subject).network?.priorities, ({ name }, i) => {
      if (!/^[^/\s]{1,15}$/.test(name))
        report(`${place}/network/priorities/${i}/name`, name, "the name of an interface: up to 15 characters, no slash or blank");
    });
  },

  // config-linux.md, "RDMA"; the name is the first word of a line for the kernel.
  "rdma-limits": (subject, report) => {
    const { rdma = {} } = resourcesOf(subject);
    each(Object.keys(rdma), (device) => {
      const pointer = `${place}/rdma/${segment(device)}`;
      if (!/^\S+$/.test(device)) return report(pointer, device, "the name of a device: no blank");
      const limits = rdma[device];
      if (limits?.hcaHandles === undefined && limits?.hcaObjects === undefined)
        report(pointer, limits, '"hcaHandles", "hcaObjects" or both');
    });
  },

  // Each is a file of the container's own cgroup: a path could lead to another cgroup.
  "unified-names": (subject, report) => {
    for (const name of Object.keys(resourcesOf(subject).unified ?? {})) {
      if (name === "" || name === "." || name === ".." || name.includes("/"))
        report(`${place}/unified/${segment(name)}`, name, 'the name of a file in the cgroup, such as "memory.high"');
      else if (notLimits.includes(name))
        report(`${place}/unified/${segment(name)}`, name, "a file that limits: this one moves, stops or ends processes");
    }
  },
};
