/** The container's view of its cgroups: what a mount of type `cgroup` becomes. */

import type { HostFacts, MountAttributes, MountSource, Operation } from "../generated/plan.js";
import type { CgroupPlacement } from "./cgroup.js";
import { isReadonly } from "./mount-options.js";
import type { MountOptions } from "./mount-options.js";
import { fileSystem, mountOperation, readonlyRemount } from "./mount-operation.js";
import { lastComponent } from "./paths.js";

export interface CgroupMountContext {
  facts: HostFacts;
  /** Where the container is in each hierarchy. */
  placements: readonly CgroupPlacement[];
  /** The container has a cgroup namespace of its own: file systems made there show only its subtree. */
  ownCgroupNamespace: boolean;
}

export interface CgroupMountRequest {
  destination: string;
  options: MountOptions;
  pointer: string;
}

const SAFE: MountAttributes = { set: ["nosuid", "nodev", "noexec"], clear: [] };

/**
 * v2: one mount of the container's own subtree. v1 and hybrid: a tmpfs with one mount for every hierarchy and links
 * for controllers that share one. Without a cgroup namespace the container's own directories are bound: a file
 * system made there would show the host's whole tree (CVE-2023-25809).
 */
export function planCgroupMount(request: CgroupMountRequest, context: CgroupMountContext): Operation[] {
  switch (context.facts.cgroupMode) {
    case "none":
      return [];
    case "v2":
      return planUnifiedMount(request, context);
    case "v1":
    case "hybrid":
      return planHierarchyMounts(request, context);
  }
}

function planUnifiedMount(request: CgroupMountRequest, context: CgroupMountContext): Operation[] {
  const { destination, options, pointer } = request;
  const unified = context.placements.find(({ hierarchy }) => hierarchy.controllers.length === 0);
  if (!unified) return [];
  const source: MountSource = context.ownCgroupNamespace
    ? fileSystem("cgroup2", "cgroup", options.data)
    : { kind: "bind", source: unified.path, recursive: false };
  return [mountOperation({ ...options, destination, source, pointer })];
}

function planHierarchyMounts(request: CgroupMountRequest, context: CgroupMountContext): Operation[] {
  const { destination, options, pointer } = request;
  const operations: Operation[] = [
    mountOperation({ ...options, destination, source: fileSystem("tmpfs", "tmpfs", ["mode=755"]), attributes: SAFE, pointer }),
  ];
  const links: Operation[] = [];
  for (const { hierarchy, path } of context.placements) {
    if (hierarchy.controllers.length === 0) continue;
    const name = lastComponent(hierarchy.mountpoint);
    operations.push(hierarchyMount(`${destination}/${name}`, { controllers: hierarchy.controllers, path }, request, context));
    for (const controller of hierarchy.controllers) {
      if (hierarchy.controllers.length > 1 && controller !== name) {
        links.push({ op: "symlink", target: name, path: `${destination}/${controller}` });
      }
    }
  }
  operations.push(...links);
  if (isReadonly(options)) operations.push(readonlyRemount(destination, pointer));
  return operations;
}

function hierarchyMount(
  destination: string,
  { controllers, path }: { controllers: readonly string[]; path: string },
  { options, pointer }: CgroupMountRequest,
  context: CgroupMountContext,
): Operation {
  if (!context.ownCgroupNamespace) {
    return mountOperation({ ...options, destination, source: { kind: "bind", source: path, recursive: false }, pointer });
  }
  const source = fileSystem("cgroup", "cgroup", [...controllers]);
  const attributes: MountAttributes = isReadonly(options) ? { set: [...SAFE.set, "ro"], clear: [] } : SAFE;
  return mountOperation({ ...options, destination, source, attributes, pointer });
}
