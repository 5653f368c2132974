/**
 * /proc/PID/mountinfo (proc_pid_mountinfo(5)) as records.
 */
export interface MountRecord {
  root: string;
  target: string;
  /** per mount: ro, nosuid, ... */
  options: string[];
  /** shared:N, master:N, propagate_from:N, unbindable */
  propagation: string[];
  type: string;
  source: string;
  superOptions: string[];
}

/** The mounts in their order; with several at one target the last is the one that is seen. */
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

/** The mount seen at `target`. Throws when nothing is mounted there. */
export function mountAt(mounts: MountRecord[], target: string): MountRecord {
  const found = mounts.findLast((mount) => mount.target === target);
  if (!found) throw new Error(`nothing is mounted on ${target}:\n${mounts.map((mount) => mount.target).join("\n")}`);
  return found;
}
