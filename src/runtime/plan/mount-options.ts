/**
 * Parses the options of a mount (config.md#linux-mount-options, mount(8)) into what mount_setattr(2) and fsconfig(2) need.
 * An option that is in no table is passed to the file system; on a bind mount it is a fault or is left out with a warning.
 */

import type { MountAttribute, Propagation, SourceLink } from "../generated/plan.js";
import { attributeOptions, isIdMapOption, propagationOptions } from "../spec/mount-option-names.js";
import { splitData } from "./mount-data.js";

export interface AttributeChanges {
  set: MountAttribute[];
  clear: MountAttribute[];
}

/** The options of one mount, by what they apply to. Later options override earlier ones. */
export interface MountOptions {
  /** `bind` and `rbind`. */
  bind: "none" | "one" | "recursive";
  remount: boolean;
  /** `idmap` and `ridmap`. */
  mapOwners: "none" | "one" | "recursive";
  /** The whole option, if it contains mappings: `idmap=uids=0-1000-1;gids=0-1000-1`. */
  ownerMappings: string | undefined;
  /** `src-nofollow` and `copy-symlink`. */
  sourceLink: SourceLink;
  /** `dest-nofollow`. */
  inPlace: boolean;
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

/** The atime modes exclude each other. */
const ATIME_MODES: readonly MountAttribute[] = ["relatime", "noatime", "strictatime"];

export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed: MountOptions = {
    bind: "none",
    remount: false,
    mapOwners: "none",
    ownerMappings: undefined,
    sourceLink: "follow",
    inPlace: false,
    copyUp: false,
    attributes: { set: [], clear: [] },
    recursive: { set: [], clear: [] },
    propagation: [],
    data: [],
  };
  for (const option of options) {
    const change = attributeOptions.get(option);
    if (change) {
      record(parsed.attributes, change[0], change[1]);
      continue;
    }
    const below = option.startsWith("r") ? attributeOptions.get(option.slice(1)) : undefined;
    if (below) record(parsed.recursive, below[0], below[1]);
    else applyOther(parsed, option);
  }
  return parsed;
}

/** Whether the mount is read-only in the end. */
export function isReadonly(options: MountOptions): boolean {
  return options.attributes.set.includes("ro");
}

/** Sets or clears an attribute, overriding earlier options. An atime mode replaces the other modes. */
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
    if (isIdMapOption(option)) mapOwners(parsed, option);
    else parsed.data.push(...splitData(option));
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
    case "ridmap":
      mapOwners(parsed, option);
      break;
    case "src-nofollow":
      parsed.sourceLink = "bind";
      break;
    case "copy-symlink":
      parsed.sourceLink = "copy";
      break;
    case "dest-nofollow":
      parsed.inPlace = true;
      break;
    case "tmpcopyup":
      parsed.copyUp = true;
      break;
    case "defaults":
    // The new mount API returns a file system's messages to the caller and not to the kernel log, so all mounts are silent.
    case "silent":
    case "loud":
    // fsconfig(2) has no name for this flag, and file systems with file versions set it themselves (ext4, xfs, btrfs, tmpfs).
    case "iversion":
    case "noiversion":
    case "":
      break;
    default:
      if (isPropagation(option)) parsed.propagation.push(option);
      // Also sync, dirsync, lazytime, mand and their opposites: fsconfig(2) accepts them by these names.
      else parsed.data.push(...splitData(option));
  }
}

function mapOwners(parsed: MountOptions, option: string): void {
  if (option.startsWith("r")) parsed.mapOwners = "recursive";
  else if (parsed.mapOwners === "none") parsed.mapOwners = "one";
  if (option.includes("=")) parsed.ownerMappings = option;
}

function isPropagation(option: string): option is Propagation {
  return (propagationOptions as readonly string[]).includes(option);
}
