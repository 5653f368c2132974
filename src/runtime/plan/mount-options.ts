/**
 * Mount options by name (config.md#linux-mount-options, mount(8)) as what mount_setattr(2) and fsconfig(2) want.
 * An option that no table knows is the file system's own.
 */

import type { MountAttribute, MountAttributes, Propagation } from "../generated/plan.js";

/** The options of one mount, sorted by what they act on. Later options override earlier ones. */
export interface MountOptions {
  /** `bind` and `rbind`. */
  bind: "none" | "one" | "recursive";
  remount: boolean;
  /** `idmap` and `ridmap`. */
  mapOwners: "none" | "one" | "recursive";
  /** `tmpcopyup`. */
  copyUp: boolean;
  /** For the mount itself. */
  attributes: MountAttributes;
  /** For the mount and everything below it (`rro`, `rnosuid`, ...). */
  recursive: MountAttributes;
  propagation: Propagation[];
  /** For the file system, `key` or `key=value`. */
  data: string[];
}

type OtherOptions = Omit<MountOptions, "attributes" | "recursive">;

type AttributeChange = readonly [attribute: MountAttribute, set: boolean];

/** @returns what the options ask for. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const own = new Map<MountAttribute, boolean>();
  const recursive = new Map<MountAttribute, boolean>();
  const parsed: OtherOptions = { bind: "none", remount: false, mapOwners: "none", copyUp: false, propagation: [], data: [] };
  for (const option of options) {
    const change = attributeChange(option);
    if (change) {
      record(own, change);
      continue;
    }
    const below = option.startsWith("r") ? attributeChange(option.slice(1)) : undefined;
    if (below) record(recursive, below);
    else applyOther(parsed, option);
  }
  return { ...parsed, attributes: collect(own), recursive: collect(recursive) };
}

/** @returns true when the mount is to end up read-only. */
export function isReadonly(options: MountOptions): boolean {
  return options.attributes.set.includes("ro");
}

function attributeChange(option: string): AttributeChange | undefined {
  switch (option) {
    case "ro":
      return ["ro", true];
    case "rw":
      return ["ro", false];
    case "nosuid":
      return ["nosuid", true];
    case "suid":
      return ["nosuid", false];
    case "nodev":
      return ["nodev", true];
    case "dev":
      return ["nodev", false];
    case "noexec":
      return ["noexec", true];
    case "exec":
      return ["noexec", false];
    case "nodiratime":
      return ["nodiratime", true];
    case "diratime":
      return ["nodiratime", false];
    case "nosymfollow":
      return ["nosymfollow", true];
    case "symfollow":
      return ["nosymfollow", false];
    case "relatime":
      return ["relatime", true];
    case "norelatime":
      return ["relatime", false];
    case "noatime":
      return ["noatime", true];
    case "atime":
      return ["noatime", false];
    case "strictatime":
      return ["strictatime", true];
    case "nostrictatime":
      return ["strictatime", false];
    default:
      return undefined;
  }
}

function applyOther(parsed: OtherOptions, option: string): void {
  switch (option) {
    case "bind":
      if (parsed.bind === "none") parsed.bind = "one";
      break;
    case "rbind":
      parsed.bind = "recursive";
      break;
    case "remount":
      parsed.remount = true;
      break;
    case "idmap":
      if (parsed.mapOwners === "none") parsed.mapOwners = "one";
      break;
    case "ridmap":
      parsed.mapOwners = "recursive";
      break;
    case "tmpcopyup":
      parsed.copyUp = true;
      break;
    case "private":
    case "shared":
    case "slave":
    case "unbindable":
    case "rprivate":
    case "rshared":
    case "rslave":
    case "runbindable":
      parsed.propagation.push(option);
      break;
    case "defaults":
    // With the new mount API a file system's messages go to its caller, not to the kernel log: always silent.
    case "silent":
    case "loud":
    // fsconfig(2) has no name for this flag, and file systems that keep versions of files set it by themselves (ext4, xfs, btrfs, tmpfs).
    case "iversion":
    case "noiversion":
    case "":
      break;
    default:
      // sync, dirsync, lazytime, mand and their opposites too: fsconfig(2) takes them by these names.
      parsed.data.push(option);
  }
}

/** The atime modes exclude each other: setting one forgets the others. */
function record(changes: Map<MountAttribute, boolean>, [attribute, set]: AttributeChange): void {
  if (set && isAtimeMode(attribute)) for (const mode of ["relatime", "noatime", "strictatime"] as const) changes.delete(mode);
  changes.delete(attribute);
  changes.set(attribute, set);
}

function isAtimeMode(attribute: MountAttribute): boolean {
  return attribute === "relatime" || attribute === "noatime" || attribute === "strictatime";
}

function collect(changes: Map<MountAttribute, boolean>): MountAttributes {
  const collected: MountAttributes = { set: [], clear: [] };
  for (const [attribute, set] of changes) (set ? collected.set : collected.clear).push(attribute);
  return collected;
}
