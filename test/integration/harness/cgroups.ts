/**
 * The cgroup hierarchies of the host, as the tests see them: v1, hybrid or v2.
 */
import { existsSync, readFileSync } from "node:fs";

export interface Hierarchy {
  mountPoint: string;
  /** v1: its controllers, or `name=systemd`; v2: [] */
  controllers: string[];
  version: 1 | 2;
}

/** From /proc/self/mountinfo, in its order. */
export function hierarchies(): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [left, right] = line.split(" - ");
    const mountPoint = left?.split(" ")[4];
    const [type, , options] = right?.split(" ") ?? [];
    if (!mountPoint) continue;
    if (type === "cgroup2") found.push({ mountPoint, controllers: [], version: 2 });
    if (type === "cgroup") {
      const controllers = (options ?? "").split(",").filter((option) => option !== "rw" && option !== "ro");
      found.push({ mountPoint, controllers, version: 1 });
    }
  }
  return found;
}

/** The v1 hierarchy of a controller. */
export function hierarchyOf(controller: string): Hierarchy | undefined {
  return hierarchies().find((hierarchy) => hierarchy.controllers.includes(controller));
}

/** The v2 hierarchy, if there is one. */
export function unifiedHierarchy(): Hierarchy | undefined {
  return hierarchies().find((hierarchy) => hierarchy.version === 2);
}

/** `/proc/<pid>/cgroup` as controller list -> path; the v2 hierarchy has the key "". */
export function cgroupsOf(pid: number | "self"): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n")) {
    const [, controllers, ...path] = line.split(":");
    found.set(controllers ?? "", path.join(":"));
  }
  return found;
}

/** The directory of process `pid` in the hierarchy of `controller` ("" is v2). */
export function cgroupDirectory(pid: number, controller: string): string {
  const hierarchy = controller === "" ? unifiedHierarchy() : hierarchyOf(controller);
  if (!hierarchy) throw new Error(`no hierarchy for controller "${controller}"`);
  for (const [controllers, path] of cgroupsOf(pid)) {
    const same = controller === "" ? controllers === "" : controllers.split(",").includes(controller);
    if (same) return `${hierarchy.mountPoint}${path}`;
  }
  throw new Error(`process ${pid} has no cgroup of controller "${controller}"`);
}

/** A file of a cgroup without its trailing newline; undefined when the kernel does not offer it. */
export function readCgroup(directory: string, file: string): string | undefined {
  return existsSync(`${directory}/${file}`) ? readFileSync(`${directory}/${file}`, "utf8").trim() : undefined;
}
