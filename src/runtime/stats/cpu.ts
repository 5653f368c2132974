/** CPU time and its limit (cgroup-v1/cpuacct.rst; scheduler/sched-bwc.rst; cgroup-v2.rst, "cpu.stat"). */

import type { Counter, CpuThrottling, CpuUsage } from "./container-stats.js";
import { counter, counters, lines, malformed, unsigned, words } from "./kernel-files.js";
import type { KernelFiles } from "./kernel-files.js";

export const CPUACCT_FILES = ["cpuacct.stat", "cpuacct.usage", "cpuacct.usage_percpu", "cpuacct.usage_all"];
export const CPU_FILES = ["cpu.stat"];

/** cpuacct.stat counts ticks of 10 ms (USER_HZ). */
const NANOSECONDS_PER_TICK = 10_000_000n;
const NANOSECONDS_PER_MICROSECOND = 1000n;

export function noCpuUsage(): CpuUsage {
  return { total: 0n, percpu: [], percpu_kernel: [], percpu_user: [], kernel: 0n, user: 0n };
}

export function noThrottling(): CpuThrottling {
  return { periods: 0n, throttledPeriods: 0n, throttledTime: 0n };
}

/** v1, controller `cpuacct`. */
export function cpuUsage1(files: KernelFiles): CpuUsage {
  const ticks = counters(files, "cpuacct.stat");
  const modes = lines(files, "cpuacct.usage_all").slice(1).map(modesOfCpu);
  return {
    total: counter(files, "cpuacct.usage"),
    percpu: words(files.text("cpuacct.usage_percpu")).map((word) => unsigned(word, "cpuacct.usage_percpu")),
    percpu_kernel: modes.map(({ kernel }) => kernel),
    percpu_user: modes.map(({ user }) => user),
    kernel: (ticks.get("system") ?? 0n) * NANOSECONDS_PER_TICK,
    user: (ticks.get("user") ?? 0n) * NANOSECONDS_PER_TICK,
  };
}

/** A line below `cpu user system`. */
function modesOfCpu(line: string): { user: Counter; kernel: Counter } {
  const [, user, kernel] = words(line).map((word) => unsigned(word, "cpuacct.usage_all"));
  if (user === undefined || kernel === undefined) throw malformed("cpuacct.usage_all", line);
  return { user, kernel };
}

/** v1, controller `cpu`. */
export function throttling1(files: KernelFiles): CpuThrottling {
  const stat = counters(files, "cpu.stat");
  return {
    periods: stat.get("nr_periods") ?? 0n,
    throttledPeriods: stat.get("nr_throttled") ?? 0n,
    throttledTime: stat.get("throttled_time") ?? 0n,
  };
}

/** v2; the times are available without the controller too. */
export function cpuUsage2(files: KernelFiles): CpuUsage {
  const stat = counters(files, "cpu.stat");
  const nanoseconds = (name: string): Counter => (stat.get(name) ?? 0n) * NANOSECONDS_PER_MICROSECOND;
  return { ...noCpuUsage(), total: nanoseconds("usage_usec"), kernel: nanoseconds("system_usec"), user: nanoseconds("user_usec") };
}

export function throttling2(files: KernelFiles): CpuThrottling {
  const stat = counters(files, "cpu.stat");
  return {
    periods: stat.get("nr_periods") ?? 0n,
    throttledPeriods: stat.get("nr_throttled") ?? 0n,
    throttledTime: (stat.get("throttled_usec") ?? 0n) * NANOSECONDS_PER_MICROSECOND,
  };
}
