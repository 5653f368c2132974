/** Rules for `process.scheduler`, `ioPriority` and `execCPUAffinity` (config.md, "Linux Process"; sched_setattr(2), ioprio_set(2)). */

import type { Report } from "../fault.js";
import type { Integer64, Process } from "../generated/spec-types.js";
import { isNumberList } from "../number-list.js";
import { each, type Rules } from "../rule.js";

type Scheduler = NonNullable<Process["scheduler"]>;

/** The kernel's minimum (kernel/sched/syscalls.c, __checkparam_dl). */
const shortestRuntime = 1024;
const longestPeriod = 2n ** 63n - 1n;

export const schedulingRules: Rules = {
  scheduler: [
    ({ spec: { process } }, report) => {
      const policy = process?.scheduler?.policy;
      if (policy === "SCHED_ISO")
        report("/process/scheduler/policy", policy, "a policy that Linux has: this one is reserved and not built");
    },
    ({ spec: { process } }, report) => {
      const nice = process?.scheduler?.nice ?? 0;
      if (nice < -20 || nice > 19) report("/process/scheduler/nice", nice, "-20 to 19");
    },
    ({ spec: { process } }, report) => {
      if (process?.scheduler) inspectPriority(process.scheduler, report);
    },
    ({ spec: { process } }, report) => {
      if (process?.scheduler) inspectDeadline(process.scheduler, report);
    },
  ],

  // fork(2) fails with EAGAIN under SCHED_DEADLINE (sched_setattr(2)), but hooks have to be forked.
  "scheduler-hooks": ({ spec: { process, hooks } }, report) => {
    const { policy, flags = [] } = process?.scheduler ?? {};
    if (policy !== "SCHED_DEADLINE" || !hooks?.startContainer?.length || flags.includes("SCHED_FLAG_RESET_ON_FORK")) return;
    report("/process/scheduler/flags", flags, '"SCHED_FLAG_RESET_ON_FORK" with SCHED_DEADLINE and startContainer hooks, which need a fork');
  },

  "io-priority": ({ spec }, report) => {
    const io = spec.process?.ioPriority;
    if (io !== undefined && !(io.priority !== undefined && io.priority >= 0 && io.priority <= 7))
      report("/process/ioPriority/priority", io.priority, "0 (highest) to 7 (lowest)");
  },

  "exec-cpu-affinity": ({ spec }, report) => {
    each(["initial", "final"] as const, (name) => {
      const list = spec.process?.execCPUAffinity?.[name];
      if (list && !isNumberList(list)) report(`/process/execCPUAffinity/${name}`, list, 'numbers and ranges of CPUs, such as "0-3,7"');
    });
  },
};

function inspectPriority({ policy, priority = 0 }: Scheduler, report: Report): void {
  const isRealTime = policy === "SCHED_FIFO" || policy === "SCHED_RR";
  if (isRealTime && !(priority >= 1 && priority <= 99)) report("/process/scheduler/priority", priority, `1 to 99 with ${policy}`);
  else if (!isRealTime && priority !== 0)
    report("/process/scheduler/priority", priority, "0: only SCHED_FIFO and SCHED_RR have a priority");
}

function inspectDeadline(scheduler: Scheduler, report: Report): void {
  const reportTime = (name: "runtime" | "deadline" | "period", allowed: string): void => {
    report(`/process/scheduler/${name}`, scheduler[name], allowed);
  };
  if (scheduler.policy !== "SCHED_DEADLINE") {
    each(["runtime", "deadline", "period"] as const, (name) => {
      if (scheduler[name]) reportTime(name, "0: only SCHED_DEADLINE has one");
    });
    return;
  }
  const { runtime = 0, deadline = 0, period = 0 } = scheduler;
  const isWithin = (value: Integer64, least: Integer64): boolean => value >= least && value <= longestPeriod;
  if (!isWithin(runtime, shortestRuntime)) reportTime("runtime", `at least ${shortestRuntime} nanoseconds`);
  else if (!isWithin(deadline, runtime)) reportTime("deadline", `at least /process/scheduler/runtime, ${runtime}`);
  // 0 means the deadline.
  else if (period && !isWithin(period, deadline)) reportTime("period", `at least /process/scheduler/deadline, ${deadline}, or 0`);
}
