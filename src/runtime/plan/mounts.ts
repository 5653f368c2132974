/** The mounts of config.json as operations, in its order (config.md#mounts). */

import { RuntimeError } from "../errors.js";
import type { MountAttributes, MountSource, Operation, OwnerMap, Propagation } from "../generated/plan.js";
import type { Mount, Spec } from "../spec/generated/spec-types.js";
import { planCgroupMount } from "./cgroup-mounts.js";
import type { CgroupMountContext } from "./cgroup-mounts.js";
import { isReadonly, parseMountOptions } from "./mount-options.js";
import type { MountOptions } from "./mount-options.js";
import { planMappings } from "./namespaces.js";
import { cleanAbsolute, resolveFrom } from "./paths.js";
import { planMountLabel, withContext } from "./security-modules.js";

type MountOperation = Extract<Operation, { op: "mount" }>;

/** What planning mounts needs beside the configuration. */
export interface MountContext extends CgroupMountContext {
  /** Absolute path: relative sources of bind mounts are seen from it. */
  bundle: string;
  /** Whose ids map the owners of a mount that gives no mappings; undefined without a user namespace. */
  ownerMap: OwnerMap | undefined;
  /** `linux.mountLabel`. */
  mountLabel?: string | undefined;
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
  if (isReadonly(options) && waitsForContent(operation.source, destination)) {
    planned.late.push(readonlyRemount(destination, pointer));
    operation.attributes = { ...operation.attributes, set: operation.attributes.set.filter((attribute) => attribute !== "ro") };
  }
  planned.operations.push(operation);
  if (operation.source.kind === "fileSystem")
    planned.operations.push(...planMountLabel(operation.source.fsType, destination, context.mountLabel));
}

/** Later mounts, devices and mount points are made below these: they become read-only last. */
function waitsForContent(source: MountSource, destination: string): boolean {
  return source.kind === "copyUp" || (source.kind === "fileSystem" && (source.fsType === "tmpfs" || destination === "/dev"));
}

function planRemount(_mount: Mount, destination: string, options: MountOptions): MountOperation {
  return mountOperation(destination, { kind: "remount", bind: options.bind !== "none", data: options.data }, options);
}

function planBind(mount: Mount, destination: string, options: MountOptions, context: MountContext): MountOperation {
  if (!mount.source) throw missing("source", destination);
  const source = resolveFrom(context.bundle, mount.source);
  const recursive = options.bind === "recursive";
  const owners = planOwners(mount, destination, options, context);
  const bind: MountSource = owners
    ? { kind: "mappedBind", source, recursive, owners, mapRecursive: options.mapOwners === "recursive" }
    : { kind: "bind", source, recursive };
  return { ...mountOperation(destination, bind, options), target: "likeSource" };
}

/** Mappings alone ask for what `idmap` does, and `idmap` alone for those of the container. */
function planOwners(mount: Mount, destination: string, options: MountOptions, context: MountContext): OwnerMap | undefined {
  if (mount.uidMappings?.length) return { uidMappings: planMappings(mount.uidMappings), gidMappings: planMappings(mount.gidMappings) };
  if (options.mapOwners === "none") return undefined;
  if (!context.ownerMap) throw missing("mapping of owners", destination);
  return context.ownerMap;
}

function planFileSystem(mount: Mount, destination: string, options: MountOptions, context: MountContext): MountOperation {
  const fsType = mount.type;
  if (!fsType || fsType === "none") throw missing("type", destination);
  const { data: given, copyUp } = options;
  const data = withContext(fsType, given, context.mountLabel);
  const source = mount.source ?? fsType;
  return mountOperation(destination, copyUp ? { kind: "copyUp", source, data } : { kind: "fileSystem", fsType, source, data }, options);
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
