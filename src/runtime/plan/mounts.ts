/** The mounts of config.json as operations, in its order (config.md#mounts). */

import { RuntimeError } from "../errors.js";
import type { MountAttributes, Operation, Propagation } from "../generated/plan.js";
import type { Mount, Spec } from "../spec/generated/spec-types.js";
import { planCgroupMount } from "./cgroup-mounts.js";
import type { CgroupMountContext } from "./cgroup-mounts.js";
import { isReadonly, parseMountOptions } from "./mount-options.js";
import type { MountOptions } from "./mount-options.js";
import { cleanAbsolute, resolveFrom } from "./paths.js";

type MountOperation = Extract<Operation, { op: "mount" }>;

/** What planning mounts needs beside the configuration. */
export interface MountContext extends CgroupMountContext {
  /** Absolute path: relative sources of bind mounts are seen from it. */
  bundle: string;
}

export interface PlannedMounts {
  operations: Operation[];
  /** Read-only remounts that must wait until nothing is made below the mount any more. */
  late: Operation[];
}

export const NO_ATTRIBUTES: MountAttributes = { set: [], clear: [] };

/** All mounts. @throws RuntimeError on an entry that says neither what to bind nor which file system to make. */
export function planMounts(spec: Spec, context: MountContext): PlannedMounts {
  const planned: PlannedMounts = { operations: [], late: [] };
  for (const [index, mount] of (spec.mounts ?? []).entries()) {
    planMount(mount, `/mounts/${index}`, context, planned);
  }
  return planned;
}

function planMount(mount: Mount, pointer: string, context: MountContext, planned: PlannedMounts): void {
  const options = parseMountOptions(mount.options ?? []);
  const destination = cleanAbsolute(mount.destination);
  if (mount.type === "cgroup" && options.bind === "none" && !options.remount) {
    planned.operations.push(...planCgroupMount({ destination, options, pointer }, context));
    return;
  }
  const planMountOperation = options.remount ? planRemount : options.bind !== "none" || mount.type === "bind" ? planBind : planFileSystem;
  const operation = planMountOperation(mount, destination, options, context);
  operation.pointer = pointer;
  if (operation.source.kind === "fileSystem" && waitsForContent(operation.source.fsType, destination) && isReadonly(options)) {
    planned.late.push(readonlyRemount(destination, pointer));
    operation.attributes = { ...operation.attributes, set: operation.attributes.set.filter((attribute) => attribute !== "ro") };
  }
  planned.operations.push(operation);
}

/** Later mounts, devices and mount points are made below these: they become read-only last. */
function waitsForContent(fsType: string, destination: string): boolean {
  return fsType === "tmpfs" || destination === "/dev";
}

function planRemount(_mount: Mount, destination: string, options: MountOptions): MountOperation {
  return mountOperation(destination, { kind: "remount", bind: options.bind !== "none", data: options.data }, options);
}

function planBind(mount: Mount, destination: string, options: MountOptions, context: MountContext): MountOperation {
  if (!mount.source) throw missing("source", destination);
  const source = resolveFrom(context.bundle, mount.source);
  const operation = mountOperation(destination, { kind: "bind", source, recursive: options.bind === "recursive" }, options);
  return { ...operation, target: "likeSource" };
}

function planFileSystem(mount: Mount, destination: string, options: MountOptions): MountOperation {
  const fsType = mount.type;
  if (!fsType || fsType === "none") throw missing("type", destination);
  return mountOperation(destination, { kind: "fileSystem", fsType, source: mount.source ?? fsType, data: options.data }, options);
}

function mountOperation(destination: string, source: MountOperation["source"], options: MountOptions): MountOperation {
  const { attributes, recursive, propagation } = options;
  return { op: "mount", destination, source, target: "directory", attributes, recursive, propagation, pointer: "" };
}

/** Makes what is mounted at `destination` read-only; its other attributes stay. */
export function readonlyRemount(destination: string, pointer: string): Operation {
  const propagation: Propagation[] = [];
  return {
    op: "mount",
    destination,
    source: { kind: "remount", bind: true, data: [] },
    target: "directory",
    attributes: { set: ["ro"], clear: [] },
    recursive: NO_ATTRIBUTES,
    propagation,
    pointer,
  };
}

function missing(field: string, destination: string): RuntimeError {
  return new RuntimeError(`no ${field} given`, { code: "invalidConfig", operation: `mount at "${destination}"`, path: destination });
}
