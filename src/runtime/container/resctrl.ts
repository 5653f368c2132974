/** The groups of Intel RDT that a container is in (Documentation/filesystems/resctrl.rst). */

import { askText, send } from "../native.js";
import type { LibraryDoor } from "./context.js";

export interface ResctrlGroups {
  /** Directory of the class of service. */
  group: string;
  /** Name of the class; empty for the default one, to which all processes without another class belong. */
  name: string;
  /** Directory with the group's counters (`mon_data`): a monitoring group, or the class itself. */
  monitor: string;
}

/** The mount point of resctrl; empty if it is not mounted. */
export function resctrlMount(door: LibraryDoor): string {
  return askText(door, { op: "findMount", fsType: "resctrl" });
}

/** The groups of a process; undefined if the kernel does not report them. */
export function resctrlGroups(door: LibraryDoor, mountpoint: string, pid: number): ResctrlGroups | undefined {
  const { values } = send(door, "values", { op: "readValues", paths: [`/proc/${pid}/cpu_resctrl_groups`] });
  const text = values[0];
  if (typeof text !== "string") return undefined;
  const named = (key: string): string => new RegExp(`^${key}:/?(.*?)/?$`, "m").exec(text)?.[1] ?? "";
  const [name, monitorName] = [named("res"), named("mon")];
  const group = name === "" ? mountpoint : `${mountpoint}/${name}`;
  return { group, name, monitor: monitorName === "" ? group : `${group}/mon_groups/${monitorName}` };
}
