/**
 * Mount options by name (config.md#linux-mount-options, mount(8)) as what mount_setattr(2) and fsconfig(2) want.
 * An option that no table knows is the file system's own.
 */

import type { MountAttribute, Propagation } from "../generated/plan.js";
import { splitData } from "./mount-data.js";

export interface AttributeChanges {
  set: MountAttribute[];
  clear: MountAttribute[];
}

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
  attributes: AttributeChanges;
  /** For the mount and everything below it (`rro`, `rnosuid`, ...). */
  recursive: AttributeChanges;
  propagation: Propagation[];
  /** For the file system, `key` or `key=value`. */
  data: string[];
}

/**
 * Attribute options: what each sets or clears. Read by name and not compared one by one: nearly every configuration has a dozen mounts
 * with several options, and this was a tenth of the planning.
 */
const ATTRIBUTES: ReadonlyMap<string, readonly [attribute: MountAttribute, set: boolean]> = new Map([
  ["ro", ["ro", true]],
  ["rw", ["ro", false]],
  ["nosuid", ["nosuid", true]],
  ["suid", ["nosuid", false]],
  ["nodev", ["nodev", true]],
  ["dev", ["nodev", false]],
  ["noexec", ["noexec", true]],
  ["exec", ["noexec", false]],
  ["nodiratime", ["nodiratime", true]],
  ["diratime", ["nodiratime", false]],
  ["nosymfollow", ["nosymfollow", true]],
  ["symfollow", ["nosymfollow", false]],
  ["relatime", ["relatime", true]],
  ["norelatime", ["relatime", false]],
  ["noatime", ["noatime", true]],
  ["atime", ["noatime", false]],
  ["strictatime", ["strictatime", true]],
  ["nostrictatime", ["strictatime", false]],
]);

/** The atime modes exclude each other. */
const ATIME_MODES: readonly MountAttribute[] = ["relatime", "noatime", "strictatime"];

/** @returns what the options ask for. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed: MountOptions = {
    bind: "none",
    remount: false,
    mapOwners: "none",
    copyUp: false,
    attributes: { set: [], clear: [] },
    recursive: { set: [], clear: [] },
    propagation: [],
    data: [],
  };
  for (const option of options) {
    const change = ATTRIBUTES.get(option);
    if (change) {
      record(parsed.attributes, change[0], change[1]);
      continue;
    }
    const below = option.startsWith("r") ? ATTRIBUTES.get(option.slice(1)) : undefined;
    if (below) record(parsed.recursive, below[0], below[1]);
    else applyOther(parsed, option);
  }
  return parsed;
}

/** @returns true when the mount is to end up read-only. */
export function isReadonly(options: MountOptions): boolean {
  return options.attributes.set.includes("ro");
}

/** The last word on an attribute counts; setting an atime mode forgets the others. */
function record({ set, clear }: AttributeChanges, attribute: MountAttribute, isSet: boolean): void {
  const replaced = isSet && ATIME_MODES.includes(attribute) ? ATIME_MODES : [attribute];
  for (const before of replaced) {
    remove(set, before);
    remove(clear, before);
  }
  (isSet ? set : clear).push(attribute);
}

function remove(list: MountAttribute[], attribute: MountAttribute): void {
  const index = list.indexOf(attribute);
  if (index >= 0) list.splice(index, 1);
}

function applyOther(parsed: MountOptions, option: string): void {
  if (option.includes("=")) {
    parsed.data.push(...splitData(option));
    return;
  }
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
      parsed.data.push(...splitData(option));
  }
}
