/**
 * The cgroup hierarchies of the host: v1, hybrid or v2.
 */
import { existsSync, readFileSync } from "node:fs";

export interface Hierarchy {
  mountPoint: string;
  /** v1: the controllers, or `name=systemd`; v2: [] */
  controllers: string[];
  version: 1 | 2;
}

/** The mounted hierarchies, in the order of /proc/self/mountinfo. */
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

/** The v2 hierarchy, if mounted. */
export function unifiedHierarchy(): Hierarchy | undefined {
  return hierarchies().find((hierarchy) => hierarchy.version === 2);
}

/** `/proc/<pid>/cgroup` as controller list -> path; the v2 hierarchy has the key "". */
export function cgroupsOf(pid: number | "self"): Map<string, string> {
  return membership(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
}

/**
 * Parses the text of such a file. Omits v1 hierarchies that are mounted only in other mount namespaces: the kernel lists them, but nothing
 * can join them here.
 */
export function membership(text: string): Map<string, string> {
  const mounted = new Set(hierarchies().flatMap(({ controllers }) => controllers));
  const found = new Map<string, string>();
  for (const line of text.trim().split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    if (controllers === "" || controllers.split(",").some((name) => mounted.has(name))) found.set(controllers, path.join(":"));
  }
  return found;
}

/** Which versions of cgroups the host mounts. */
export type CgroupMode = "v1" | "hybrid" | "v2";

export function cgroupMode(): CgroupMode {
  const versions = new Set(hierarchies().map(({ version }) => version));
  return versions.size > 1 ? "hybrid" : versions.has(1) ? "v1" : "v2";
}

/** The v1 hierarchy of a controller, or the v2 hierarchy if no v1 hierarchy has it; "" means v2. */
function hierarchyWith(controller: string): Hierarchy {
  const found = (controller === "" ? undefined : hierarchyOf(controller)) ?? unifiedHierarchy();
  if (!found) throw new Error(`no hierarchy for controller "${controller}"`);
  return found;
}

/** The mount point of the hierarchy with a controller; "" means v2. */
export function mountPointOf(controller: string): string {
  return hierarchyWith(controller).mountPoint;
}

/** The path of a process's cgroup in that hierarchy, relative to its root. */
export function cgroupOf(pid: number | "self", controller: string): string {
  const { version } = hierarchyWith(controller);
  for (const [controllers, path] of cgroupsOf(pid)) {
    const same = version === 2 ? controllers === "" : controllers.split(",").includes(controller);
    if (same) return path;
  }
  throw new Error(`process ${pid} has no cgroup of controller "${controller}"`);
}

/** The directory of that cgroup. */
export function cgroupDirectory(pid: number, controller: string): string {
  return `${mountPointOf(controller)}${cgroupOf(pid, controller)}`;
}

/** Reads a file of a cgroup, trimmed; undefined if the kernel does not have the file. */
export function readCgroup(directory: string, file: string): string | undefined {
  return existsSync(`${directory}/${file}`) ? readFileSync(`${directory}/${file}`, "utf8").trim() : undefined;
}
