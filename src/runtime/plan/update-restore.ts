/** How to undo a write: the writes that restore the current value of a cgroup file. */

import type { CgroupWrite } from "../generated/plan.js";
import { lastComponent } from "./paths.js";
import { sibling } from "./update-order.js";
import type { FileTexts } from "./update-values.js";

/** What resets the line of a key that the file does not contain now. */
const NO_LINE: Readonly<Record<string, string>> = {
  "io.max": "rbps=max wbps=max riops=max wiops=max",
  "io.weight": "default",
  "io.bfq.weight": "default",
  "blkio.bfq.weight_device": "default",
  "blkio.throttle.read_bps_device": "0",
  "blkio.throttle.write_bps_device": "0",
  "blkio.throttle.read_iops_device": "0",
  "blkio.throttle.write_iops_device": "0",
  "rdma.max": "hca_handle=max hca_object=max",
  "net_prio.ifpriomap": "0",
};

/**
 * @param current the current contents of the files
 * @returns nothing for a file that has no value: one that does not exist, or that can only be written
 */
export function restoring(write: CgroupWrite, current: FileTexts): CgroupWrite[] {
  const text = current.get(write.path);
  if (text === undefined) return [];
  const file = lastComponent(write.path);
  const set = (path: string, value: string): CgroupWrite => ({ path, value, pointer: write.pointer });
  if (file === "cpu.idle") {
    // A cgroup loses its weight when it becomes idle.
    const weights = ["cpu.shares", "cpu.weight"].map((name) => sibling(write.path, name));
    const lost = text === "0" ? weights.flatMap((path) => (current.has(path) ? [set(path, current.get(path) as string)] : [])) : [];
    return [set(write.path, text), ...lost];
  }
  // The 0 of an idle cgroup cannot be written; cpu.idle restores it.
  if ((file === "cpu.weight" || file === "cpu.shares") && current.get(sibling(write.path, "cpu.idle")) === "1") return [];
  if (file === "memory.oom_control") return [set(write.path, /^oom_kill_disable ([01])/m.exec(text)?.[1] ?? "0")];
  const lines = text.split("\n");
  const key = keyOf(write.value);
  const none = NO_LINE[file];
  if (none === undefined && lines.length === 1) return [set(write.path, text === "" ? "\n" : text)];
  if (none !== undefined && key === undefined) {
    const value = lines.find((line) => /^(default )?[0-9]+$/.test(line));
    return value === undefined ? [] : [set(write.path, value)];
  }
  const line = lines.find((line) => keyOf(line) === key);
  if (line !== undefined) return [set(write.path, line)];
  return none === undefined || key === undefined ? [] : [set(write.path, `${key} ${none}`)];
}

/** The device or other key at the beginning of a line; undefined for a plain value or the default. */
function keyOf(line: string): string | undefined {
  const [key = "", ...rest] = line.trim().split(/\s+/);
  return rest.length === 0 || key === "default" ? undefined : key;
}
