/** Cache and memory bandwidth by Intel RDT (config-linux.md#intelrdt; Documentation/filesystems/resctrl.rst). */

import type { ResctrlPlan, Undo } from "../generated/plan.js";
import type { Linux } from "../spec/generated/spec-types.js";
import { refused } from "./limit-error.js";
import { parentOf } from "./paths.js";

type IntelRdt = NonNullable<Linux["intelRdt"]>;

export interface ResctrlRequest {
  rdt: IntelRdt;
  id: string;
  /** Where resctrl is mounted; empty where it is not. */
  mountpoint: string;
}

export interface PlannedResctrl {
  plan: ResctrlPlan;
  /** What `delete` takes away. */
  undo: Undo[];
  /** What a failed creation takes away. */
  undoWhileCreating: Undo[];
}

interface Groups {
  /** Directory of the class of service. */
  group: string;
  /** Directory of the monitoring group below it, where one is asked for. */
  monitor: string | undefined;
}

/** The container's directories. @throws RuntimeError without resctrl. */
function groupsOf({ rdt, id, mountpoint }: ResctrlRequest): Groups {
  if (mountpoint === "") throw refused("/linux/intelRdt", "needs a mounted resctrl file system (mount -t resctrl), this host has none");
  const name = rdt.closID || id;
  const group = name === "/" ? mountpoint : `${mountpoint}/${name}`;
  return { group, monitor: rdt.enableMonitoring ? `${group}/mon_groups/${id}` : undefined };
}

/** The directories whose existence the plan depends on. */
export function resctrlDirectories(request: ResctrlRequest): string[] {
  return [groupsOf(request).group];
}

/** @param missing those of `resctrlDirectories` that do not exist. @throws RuntimeError on a class that must be there and is not. */
export function planResctrl(request: ResctrlRequest, missing: readonly string[]): PlannedResctrl {
  const { rdt, mountpoint } = request;
  const { group, monitor } = groupsOf(request);
  const isMissing = missing.includes(group);
  const bounds = [rdt.l3CacheSchema, rdt.memBwSchema].filter((line) => line !== undefined && line !== "") as string[];
  const whole = rdt.schemata ?? [];
  if (isMissing && rdt.closID && bounds.length === 0 && whole.length === 0) {
    throw refused(
      "/linux/intelRdt/closID",
      `the class ${JSON.stringify(rdt.closID)} is not in ${JSON.stringify(parentOf(group))}, and no schemata say what it is`,
    );
  }
  const undoMonitor: Undo[] = monitor === undefined ? [] : [{ op: "removeResctrlGroup", path: monitor }];
  const undoGroup: Undo[] = isMissing ? [{ op: "removeResctrlGroup", path: group }] : [];
  return {
    plan: {
      mountpoint,
      group,
      make: isMissing,
      // Somebody else's class must be what config.json takes it for.
      compare: isMissing || !rdt.closID ? [] : bounds,
      // Each a write of its own: what comes last counts, and one write may name a domain only once.
      schemata: [...bounds, ...(whole.length > 0 ? [whole.join("\n")] : [])].map((lines) => `${lines}\n`),
      monitor: monitor ?? null,
    },
    // A class with a name of its own outlives the container.
    undo: [...undoMonitor, ...(rdt.closID ? [] : undoGroup)],
    undoWhileCreating: [...undoMonitor, ...undoGroup],
  };
}
