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

const SAFE: MountAttributes = { set: ["nosuid", "nodev", "noexec"] };
const SAFE_READONLY: MountAttributes = { set: [...SAFE.set, "ro"] };

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
  const { attributes, recursive, propagation } = options;
  return [mountOperation({ destination, source, pointer, attributes, recursive, propagation })];
}

function planHierarchyMounts({ destination, options, pointer }: CgroupMountRequest, context: CgroupMountContext): Operation[] {
  const { recursive, propagation } = options;
  const readonly = isReadonly(options);
  const table = fileSystem("tmpfs", "tmpfs", ["mode=755"]);
  const operations: Operation[] = [mountOperation({ destination, source: table, pointer, attributes: SAFE, recursive, propagation })];
  // Without a namespace it is a bind mount, and only that has the options of the configuration.
  const attributes = !context.ownCgroupNamespace ? options.attributes : readonly ? SAFE_READONLY : SAFE;
  const links: Operation[] = [];
  for (const { hierarchy, path } of context.placements) {
    const { controllers } = hierarchy;
    if (controllers.length === 0) continue;
    const name = lastComponent(hierarchy.mountpoint);
    const source: MountSource = context.ownCgroupNamespace
      ? fileSystem("cgroup", "cgroup", controllers)
      : { kind: "bind", source: path, recursive: false };
    operations.push(mountOperation({ destination: `${destination}/${name}`, source, pointer, attributes, recursive, propagation }));
    if (controllers.length === 1) continue;
    for (const controller of controllers) {
      if (controller !== name) links.push({ op: "symlink", target: name, path: `${destination}/${controller}` });
    }
  }
  operations.push(...links);
  if (readonly) operations.push(readonlyRemount(destination, pointer));
  return operations;
}
