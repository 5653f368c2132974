/** Plans mounts of type `cgroup`: the container's view of its cgroups. */

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
  /** It joins one by path. */
  joinsCgroupNamespace: boolean;
  /** It has a user namespace, or the runtime is in one, which does not own the host's cgroup namespace. */
  inUserNamespace: boolean;
}

export interface CgroupMountRequest {
  destination: string;
  options: MountOptions;
  pointer: string;
}

const SAFE: MountAttributes = { set: ["nosuid", "nodev", "noexec"] };
const SAFE_READONLY: MountAttributes = { set: [...SAFE.set, "ro"] };

/**
 * v2: one mount. v1 and hybrid: a tmpfs with a mount for every hierarchy, and symbolic links for controllers that share one. With an own cgroup
 * namespace the container mounts new cgroup file systems there. Without one the host's mounts are bound, because mounting cgroup2 in the host's
 * cgroup namespace would reset the host's mount options (`nsdelegate`) (cgroups(7)).
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

/** A mount of cgroup2; none if the host has no such hierarchy. */
export function planUnifiedMount(request: CgroupMountRequest, context: CgroupMountContext): Operation[] {
  const { destination, options, pointer } = request;
  const unified = context.placements.find(({ hierarchy }) => hierarchy.controllers.length === 0);
  if (!unified) return [];
  const source = unifiedSource(unified, options, context);
  const { attributes, recursive, propagation } = options;
  return [mountOperation({ destination, source, pointer, attributes, recursive, propagation })];
}

/**
 * As with runc the mount has the same root as /proc/self/cgroup in that cgroup namespace. In a user namespace it shows only the container's own
 * cgroup, because the container may own other cgroups of the host (CVE-2023-25809).
 */
function unifiedSource(unified: CgroupPlacement, options: MountOptions, context: CgroupMountContext): MountSource {
  const { ownCgroupNamespace, joinsCgroupNamespace, inUserNamespace } = context;
  if (ownCgroupNamespace || (joinsCgroupNamespace && !inUserNamespace)) return fileSystem("cgroup2", "cgroup", options.data);
  return { kind: "bind", source: inUserNamespace ? unified.path : unified.hierarchy.mountpoint, recursive: false };
}

/** The bound directories are the container's own cgroups, so each mount has the container's cgroup as its root. */
function planHierarchyMounts({ destination, options, pointer }: CgroupMountRequest, context: CgroupMountContext): Operation[] {
  const { recursive, propagation } = options;
  const readonly = isReadonly(options);
  const table = fileSystem("tmpfs", "tmpfs", ["mode=755"]);
  const operations: Operation[] = [mountOperation({ destination, source: table, pointer, attributes: SAFE, recursive, propagation })];
  // Without a cgroup namespace this is a bind mount, to which the options of the configuration apply.
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
