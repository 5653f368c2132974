/** `events`: a container's resource usage and OOM events. */

import { observedStatus, peekRecord } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { resctrlGroups, resctrlMount } from "../container/resctrl.js";
import { RuntimeError, isRuntimeError, withOperation } from "../errors.js";
import type { EventSource, ProcessIdentity, RecordedCgroup } from "../generated/plan.js";
import { askNames, perform, send } from "../native.js";
import { cgroupOf, isVersion2, statsOf, wantedFiles } from "../stats/collect.js";
import type { StatsPlan, WantedFiles } from "../stats/collect.js";
import type { ContainerStats, Counter } from "../stats/container-stats.js";
import type { RdtReading } from "../stats/collect.js";
import { HUGE_PAGES_DIRECTORY, pageSizes } from "../stats/hugetlb.js";
import type { ContainerEvent } from "../stats/json.js";
import { rdtFiles } from "../stats/intel-rdt.js";
import { counters } from "../stats/kernel-files.js";
import type { KernelFiles } from "../stats/kernel-files.js";

export interface EventsOptions {
  /** Interval of the statistics; at least 1. */
  intervalMilliseconds: number;
  /** End when the reader of standard output closes it: for a program that writes the events there. Default false. */
  endsWithOutput?: boolean | undefined;
}

/**
 * A container's current resource usage according to its cgroups; also of a paused one.
 * @throws RuntimeError `wrongStatus` for a container that is stopped or being created
 */
export function containerStats(context: RuntimeContext, id: string): ContainerStats {
  try {
    return readStats(context, watchedStats(context, livingContainer(context, id)));
  } catch (error) {
    throw withOperation(`events ${JSON.stringify(id)}`, error);
  }
}

/**
 * A container's events until its first process has ended: statistics at each interval, and OOM events at once.
 * `next()` waits for the next event. If the statistics cannot be read once, that is a warning.
 * @throws RuntimeError `wrongStatus` for a container that is stopped or being created; `interrupted` by a signal, if `context.interruptible`
 */
export function* containerEvents(context: RuntimeContext, id: string, options: EventsOptions): Generator<ContainerEvent, void, void> {
  try {
    const container = livingContainer(context, id);
    const stats = watchedStats(context, container);
    const memory = memoryOf(context, container);
    const kills = new Kills(memory?.version === 2 ? memoryEvents(context, memory) : 0n);
    const sources = sourcesOf(container, { memory, options });
    const { handle } = send(context.door, "handle", { op: "watch", sources });
    try {
      yield* eventsOf(context, { id, stats, memory, kills, sources, handle });
    } finally {
      perform(context.door, { op: "close", handle });
    }
  } catch (error) {
    throw withOperation(`events ${JSON.stringify(id)}`, error);
  }
}

interface LivingContainer {
  id: string;
  process: ProcessIdentity;
  cgroups: readonly RecordedCgroup[];
}

function livingContainer(context: RuntimeContext, id: string): LivingContainer {
  const record = peekRecord(context, id);
  const status = observedStatus(context, record);
  // runc's text.
  if (!record.process || status === "stopped" || status === "creating") {
    throw new RuntimeError(`container with id ${id} is not running`, { code: "wrongStatus" });
  }
  return { id, process: record.process, cgroups: record.cgroups };
}

/** Where statistics are read from. */
interface WatchedStats {
  plan: StatsPlan;
  process: ProcessIdentity;
  /** Mount point of resctrl; empty if it is not mounted. */
  resctrl: string;
}

function watchedStats({ door }: RuntimeContext, { cgroups, process }: LivingContainer): WatchedStats {
  const hasHugePages = cgroupOf({ cgroups }, "hugetlb") !== undefined;
  const sizes = hasHugePages ? pageSizes(askNames(door, { op: "listDirectory", path: HUGE_PAGES_DIRECTORY })) : [];
  return { plan: { cgroups, pageSizes: sizes }, process, resctrl: resctrlMount(door) };
}

function readStats(context: RuntimeContext, { plan, process, resctrl }: WatchedStats): ContainerStats {
  return statsOf(plan, readFiles(context, wantedFiles(plan)), resctrl === "" ? undefined : readRdt(context, resctrl, process));
}

/** Looks the groups up each time, because `update` may have moved the container. @returns undefined for the default class, which is shared */
function readRdt({ door }: RuntimeContext, mountpoint: string, { pid }: ProcessIdentity): RdtReading | undefined {
  const groups = resctrlGroups(door, mountpoint, pid);
  if (!groups || groups.monitor === mountpoint) return undefined;
  const domains = askNames(door, { op: "listDirectory", path: `${groups.monitor}/mon_data` });
  const plan = { ...groups, mountpoint, domains };
  const texts = readTexts(door, rdtFiles(plan));
  return { plan, files: { text: (path) => texts.get(path) } };
}

/** The files by the path of their cgroup. */
function readFiles({ door }: RuntimeContext, wanted: readonly WantedFiles[]): Map<string, KernelFiles> {
  const texts = readTexts(
    door,
    wanted.flatMap(({ path, files }) => files.map((name) => `${path}/${name}`)),
  );
  return new Map(wanted.map(({ path }) => [path, { text: (name) => texts.get(`${path}/${name}`) }]));
}

/** Contents by path; undefined for a missing file. */
function readTexts(door: RuntimeContext["door"], paths: string[]): Map<string, string | undefined> {
  const { values } = send(door, "values", { op: "readValues", paths });
  return new Map(paths.map((path, at) => [path, values[at] ?? undefined]));
}

const MEMORY_EVENTS = "memory.events";
/** Files of v1. Kernels with PREEMPT_RT lack the second. */
const OOM_CONTROL = ["memory.oom_control", "cgroup.event_control"];

/** The cgroup that reports OOM events. */
interface MemoryCgroup {
  path: string;
  version: 1 | 2;
}

/** @returns undefined, with a warning, if no cgroup reports them */
function memoryOf(context: RuntimeContext, container: LivingContainer): MemoryCgroup | undefined {
  const cgroup = cgroupOf(container, "memory");
  if (cgroup) {
    const { path } = cgroup;
    const version = isVersion2(cgroup) ? 2 : 1;
    const files = version === 2 ? [MEMORY_EVENTS] : OOM_CONTROL;
    if (askNames(context.door, { op: "missing", paths: files.map((file) => `${path}/${file}`) }).length === 0) return { path, version };
  }
  context.log("warning", `events ${JSON.stringify(container.id)}: no cgroup of the container tells when memory runs out`);
  return undefined;
}

/** Counts the processes that the OOM killer has killed in a v2 cgroup and those below it. */
class Kills {
  #known: Counter;

  constructor(known: Counter) {
    this.#known = known;
  }

  /** Whether the count is higher than before. */
  haveGrown(now: Counter): boolean {
    const before = this.#known;
    if (now > before) this.#known = now;
    return now > before;
  }
}

function memoryEvents({ door }: RuntimeContext, { path }: MemoryCgroup): Counter {
  const { values } = send(door, "values", { op: "readValues", paths: [`${path}/${MEMORY_EVENTS}`] });
  return killsIn(values[0] ?? undefined);
}

/** @param text of memory.events */
function killsIn(text: string | undefined): Counter {
  return counters({ text: () => text }, MEMORY_EVENTS).get("oom_kill") ?? 0n;
}

function sourcesOf(
  { process }: LivingContainer,
  { memory, options }: { memory: MemoryCgroup | undefined; options: EventsOptions },
): EventSource[] {
  const sources: EventSource[] = [
    { kind: "processEnd", process },
    { kind: "interval", milliseconds: options.intervalMilliseconds },
  ];
  if (memory?.version === 1) sources.push({ kind: "outOfMemory", cgroup: memory.path });
  if (memory?.version === 2) sources.push({ kind: "fileChange", path: `${memory.path}/${MEMORY_EVENTS}` });
  if (options.endsWithOutput) sources.push({ kind: "outputClosed" });
  return sources;
}

interface Watched {
  id: string;
  stats: WatchedStats;
  memory: MemoryCgroup | undefined;
  kills: Kills;
  sources: readonly EventSource[];
  /** Handle of `watch`. */
  handle: number;
}

function* eventsOf(context: RuntimeContext, { id, stats, memory, kills, sources, handle }: Watched): Generator<ContainerEvent, void, void> {
  const hasKilled = (): boolean => memory?.version === 2 && kills.haveGrown(memoryEvents(context, memory));
  if (hasKilled()) yield { type: "oom", id }; // an OOM kill before the watch began
  for (;;) {
    const { source, text } = send(context.door, "event", { op: "nextEvent", handle, interruptible: context.interruptible ?? false });
    switch (sources[source]?.kind) {
      case "interval": {
        const data = tryStats(context, id, stats);
        if (data) yield { type: "stats", id, data };
        break;
      }
      case "outOfMemory":
        if (text !== "0") yield { type: "oom", id };
        break;
      case "fileChange":
        // The file also changes when other counters do, such as `high`.
        if (text !== null && kills.haveGrown(killsIn(text))) yield { type: "oom", id };
        break;
      case "processEnd":
        // The notification of a change to the file may arrive late.
        if (hasKilled()) yield { type: "oom", id };
        return;
      default:
        return;
    }
  }
}

function tryStats(context: RuntimeContext, id: string, stats: WatchedStats): ContainerStats | undefined {
  try {
    return readStats(context, stats);
  } catch (error) {
    if (!isRuntimeError(error)) throw error;
    context.log("warning", `events ${JSON.stringify(id)}: ${error.message}`);
    return undefined;
  }
}
