/** Cache and memory bandwidth by Intel RDT (config-linux.md#intelrdt; Documentation/filesystems/resctrl.rst). */

import type { ResctrlPlan, Undo } from "../generated/plan.js";
import type { Linux } from "../spec/generated/spec-types.js";
import { refused } from "./limit-error.js";
import { parentOf } from "./paths.js";

type IntelRdt = NonNullable<Linux["intelRdt"]>;

export interface ResctrlRequest {
  rdt: IntelRdt;
  id: string;
  /** Mount point of resctrl; empty if it is not mounted. */
  mountpoint: string;
}

export interface PlannedResctrl {
  plan: ResctrlPlan;
  /** What `delete` removes. */
  undo: Undo[];
  /** What a failed create removes. */
  undoWhileCreating: Undo[];
}

interface Groups {
  /** Directory of the class of service. */
  group: string;
  /** Directory of the monitoring group below it, if configured. */
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

/** @param missing those of `resctrlDirectories` that do not exist. @throws RuntimeError on a class that must exist and does not. */
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
      // A class that existed before must have the schemata that config.json states.
      compare: isMissing || !rdt.closID ? [] : bounds,
      // One write each: the last one applies, and a single write may name a domain only once.
      schemata: [...bounds, ...(whole.length > 0 ? [whole.join("\n")] : [])].map((lines) => `${lines}\n`),
      monitor: monitor ?? null,
    },
    // A class that is named in config.json is not removed with the container.
    undo: [...undoMonitor, ...(rdt.closID ? [] : undoGroup)],
    undoWhileCreating: [...undoMonitor, ...undoGroup],
  };
}
