/**
 * Parses /proc/PID/mountinfo (proc_pid_mountinfo(5)).
 */
export interface MountRecord {
  root: string;
  target: string;
  /** per-mount options: ro, nosuid, ... */
  options: string[];
  /** shared:N, master:N, propagate_from:N, unbindable */
  propagation: string[];
  type: string;
  source: string;
  superOptions: string[];
}

/** The mounts in file order. If several have the same target, the last one is visible. */
export function parseMountinfo(text: string): MountRecord[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [left = "", right = ""] = line.split(" - ");
      const [, , , root = "", target = "", options = "", ...propagation] = left.split(" ");
      const [type = "", source = "", superOptions = ""] = right.split(" ");
      return { root, target, options: options.split(","), propagation, type, source, superOptions: superOptions.split(",") };
    });
}

/** The visible mount at `target`. Throws if nothing is mounted there. */
export function mountAt(mounts: MountRecord[], target: string): MountRecord {
  const found = mounts.findLast((mount) => mount.target === target);
  if (!found) throw new Error(`nothing is mounted on ${target}:\n${mounts.map((mount) => mount.target).join("\n")}`);
  return found;
}
