/** The part of a plan that comes of fields that few configurations have (`hasRareFields`). Numbers are the kernel's own. */

import type { ClockOffset, Operation, Scheduler } from "../generated/plan.js";
import type { MemoryPolicyFlag, MemoryPolicyMode, Process, SchedulerFlag, SchedulerPolicy, Spec } from "../spec/generated/spec-types.js";
import { numbersOf } from "../spec/number-list.js";
import { planCrunSettings } from "./crun-settings.js";
import type { CrunSettings } from "./crun-settings.js";

export interface RarePlan {
  /** For the end of the setup. */
  operations: Operation[];
  clockOffsets: ClockOffset[];
  /** By annotations of crun. */
  crun: CrunSettings;
}

/** What a configuration without such fields has. */
export const NOTHING_RARE: RarePlan = { operations: [], clockOffsets: [], crun: {} };

/** linux/sched.h */
const POLICIES: Record<SchedulerPolicy, number> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};

/** linux/sched.h */
const SCHEDULER_FLAGS: Record<SchedulerFlag, number> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** linux/ioprio.h */
const IO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;

/** linux/mempolicy.h; the order is that of the specification. */
export const MEMORY_MODES: Record<MemoryPolicyMode, number> = {
  MPOL_DEFAULT: 0,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_WEIGHTED_INTERLEAVE: 6,
  MPOL_PREFERRED: 1,
  MPOL_PREFERRED_MANY: 5,
  MPOL_LOCAL: 4,
};

/** linux/mempolicy.h */
export const MEMORY_FLAGS: Record<MemoryPolicyFlag, number> = {
  MPOL_F_NUMA_BALANCING: 1 << 13,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_STATIC_NODES: 1 << 15,
};

/** linux/personality.h */
const DOMAINS = { LINUX: 0x0000, LINUX32: 0x0008 } as const;

/** The operations and clock offsets of a valid configuration. */
export function planRare({ process, linux, annotations }: Spec): RarePlan {
  const { personality, memoryPolicy } = linux ?? {};
  const operations: Operation[] = [];
  if (personality?.domain !== undefined) operations.push({ op: "personality", persona: DOMAINS[personality.domain] });
  if (memoryPolicy?.mode !== undefined) {
    const mode = MEMORY_MODES[memoryPolicy.mode] + sumOf(memoryPolicy.flags, MEMORY_FLAGS);
    operations.push({ op: "memoryPolicy", mode, nodes: numbersOf(memoryPolicy.nodes ?? "") });
  }
  // Last: from then on this process itself may wait long for its turn, or may not fork (SCHED_DEADLINE).
  if (process?.scheduler ?? process?.ioPriority) operations.push(planSchedule(process as Process));
  return { operations, clockOffsets: planClockOffsets(linux?.timeOffsets), crun: planCrunSettings(annotations) };
}

function planSchedule({ scheduler, ioPriority }: Process): Operation {
  return {
    op: "schedule",
    scheduler: scheduler === undefined ? null : planScheduler(scheduler),
    ioPriority: ioPriority === undefined ? null : { class: IO_CLASSES[ioPriority.class], level: ioPriority.priority ?? 0 },
  };
}

/** config.md: each number that is not given is 0. */
function planScheduler(given: NonNullable<Process["scheduler"]>): Scheduler {
  return {
    policy: POLICIES[given.policy],
    flags: sumOf(given.flags, SCHEDULER_FLAGS),
    nice: given.nice ?? 0,
    priority: given.priority ?? 0,
    runtime: String(given.runtime ?? 0),
    deadline: String(given.deadline ?? 0),
    period: String(given.period ?? 0),
  };
}

function planClockOffsets(offsets: NonNullable<Spec["linux"]>["timeOffsets"]): ClockOffset[] {
  return (["monotonic", "boottime"] as const).flatMap((clock) => {
    const { secs = 0, nanosecs = 0 } = offsets?.[clock] ?? {};
    return secs || nanosecs ? { clock, secs: String(secs), nanosecs } : [];
  });
}

/** The bits of flags, each counted once. */
function sumOf<Name extends string>(names: readonly Name[] | undefined, bits: Record<Name, number>): number {
  return (names ?? []).reduce((sum, name) => sum | bits[name], 0);
}
