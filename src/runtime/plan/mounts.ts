/** The mounts of config.json as operations, in its order (config.md#mounts). */

import { RuntimeError } from "../errors.js";
import type { MountAttributes, MountSource, Operation, OwnerMap } from "../generated/plan.js";
import type { Mount, Spec } from "../spec/generated/spec-types.js";
import { parseIdMapOption } from "../spec/idmap-option.js";
import type { ContainerMappings } from "../spec/idmap-option.js";
import { isFileSystemOption } from "../spec/mount-option-names.js";
import { planCgroupMount, planUnifiedMount } from "./cgroup-mounts.js";
import type { CgroupMountContext } from "./cgroup-mounts.js";
import { isReadonly, parseMountOptions } from "./mount-options.js";
import type { MountOptions } from "./mount-options.js";
import { planMappings } from "./namespaces.js";
import { fileSystem, mountOperation, readonlyRemount } from "./mount-operation.js";
import { cleanAbsolute, resolveFrom } from "./paths.js";
import { planMountLabel, withContext } from "./security-modules.js";
import type { LabelContext } from "./security-modules.js";

/** What planning mounts needs besides the configuration. */
export interface MountContext extends CgroupMountContext, LabelContext {
  /** Absolute path, to which sources of bind mounts are relative. */
  bundle: string;
  /** The mappings for `idmap` mounts without their own; undefined without a user namespace. */
  ownerMap: OwnerMap | undefined;
  /** What `@` of `idmap=...` refers to. */
  mappings: ContainerMappings;
}

export interface PlannedMounts {
  operations: Operation[];
  /** Read-only remounts, which must wait until everything below the mount has been created. */
  late: Operation[];
}

/** All mounts. @throws RuntimeError on an entry without a source to bind or a file system to mount. */
export function planMounts(spec: Spec, context: MountContext): PlannedMounts {
  const planned: PlannedMounts = { operations: [], late: [] };
  spec.mounts?.forEach((mount, index) => planMount(mount, `/mounts/${index}`, context, planned));
  return planned;
}

function planMount(mount: Mount, pointer: string, context: MountContext, planned: PlannedMounts): void {
  const options = parseMountOptions(mount.options ?? []);
  const destination = cleanAbsolute(mount.destination);
  if (mount.type === "cgroup" && options.bind === "none" && !options.remount) {
    planned.operations.push(...planCgroupMount({ destination, options, pointer }, context));
    return;
  }
  // With file system options a new cgroup2 is mounted like any other file system.
  if (mount.type === "cgroup2" && options.bind === "none" && !options.remount && options.data.length === 0) {
    const operations = planUnifiedMount({ destination, options, pointer }, context);
    planned.operations.push(...operations);
    if (operations.length > 0) return;
  }
  const planSource = options.remount ? planRemount : options.bind !== "none" || mount.type === "bind" ? planBind : planFileSystem;
  const source = planSource(mount, destination, options, context);
  const { inPlace, recursive, propagation } = options;
  const attributes: MountAttributes = options.attributes;
  const isBind = source.kind === "bind" || source.kind === "mappedBind";
  if (source.kind === "remount" || (isBind && changesFlags(mount, options))) attributes.reset = true;
  const operation = mountOperation({ destination, source, inPlace, pointer, attributes, recursive, propagation });
  if (isBind) operation.target = "likeSource";
  if (isReadonly(options) && waitsForContent(source, destination)) {
    planned.late.push(readonlyRemount(destination, pointer));
    const { set, clear } = options.attributes;
    operation.attributes = { set: set.filter((attribute) => attribute !== "ro"), ...(clear.length > 0 && { clear }) };
  }
  planned.operations.push(operation);
  if (source.kind === "fileSystem") planned.operations.push(...planMountLabel(source.fsType, destination, context.mountLabel));
}

/**
 * Whether the options of a bind mount set or clear a flag. Then the mount has the flags it names and none of its source's: mount(2) with
 * MS_REMOUNT | MS_BIND sets all flags at once, and runc since 1.2 makes that call for cleared flags too. Flags of a whole file system count as
 * well, although a bind mount cannot have them.
 */
function changesFlags(mount: Mount, { attributes }: MountOptions): boolean {
  return attributes.set.length > 0 || attributes.clear.length > 0 || mount.options?.some(isFileSystemOption) === true;
}

/** Whether mounts, devices or mount points may be created below a mount later, so that it must become read-only last. */
function waitsForContent(source: MountSource, destination: string): boolean {
  return source.kind === "copyUp" || (source.kind === "fileSystem" && (source.fsType === "tmpfs" || destination === "/dev"));
}

function planRemount(_mount: Mount, _destination: string, { bind, data }: MountOptions): MountSource {
  return { kind: "remount", bind: bind !== "none", data };
}

function planBind(mount: Mount, destination: string, options: MountOptions, context: MountContext): MountSource {
  if (!mount.source) throw missing("source", destination);
  const source = resolveFrom(context.bundle, mount.source);
  const recursive = options.bind === "recursive";
  const owners = planOwners(mount, destination, options, context);
  const link = options.sourceLink === "follow" ? {} : { link: options.sourceLink };
  if (!owners) return { kind: "bind", source, recursive, ...link };
  return { kind: "mappedBind", source, recursive, ...link, owners, mapRecursive: options.mapOwners === "recursive" };
}

/** The mount's own mappings, those in `idmap=...`, or with plain `idmap` those of the container. Undefined without any. */
function planOwners(mount: Mount, destination: string, options: MountOptions, context: MountContext): OwnerMap | undefined {
  if (mount.uidMappings?.length) return { uidMappings: planMappings(mount.uidMappings), gidMappings: planMappings(mount.gidMappings) };
  if (options.ownerMappings !== undefined) {
    const parsed = parseIdMapOption(options.ownerMappings, context.mappings);
    if (typeof parsed === "string") throw missing(parsed, destination);
    return { uidMappings: planMappings(parsed.uidMappings), gidMappings: planMappings(parsed.gidMappings) };
  }
  if (options.mapOwners === "none") return undefined;
  if (!context.ownerMap) throw missing("mapping of owners", destination);
  return context.ownerMap;
}

function planFileSystem(mount: Mount, destination: string, options: MountOptions, context: MountContext): MountSource {
  const fsType = mount.type;
  if (!fsType || fsType === "none") throw missing("type", destination);
  const data = withContext(fsType, options.data, context);
  const source = mount.source ?? fsType;
  return options.copyUp ? { kind: "copyUp", source, data } : fileSystem(fsType, source, data);
}

function missing(field: string, destination: string): RuntimeError {
  return new RuntimeError(`no ${field} given`, { code: "invalidConfig", operation: `mount at "${destination}"`, path: destination });
}
