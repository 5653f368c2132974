/**
 * The mount options by name (config.md, "Linux mount options"; mount(8); crun(1)), for validation and planning.
 * Any other option is passed to the file system; on a bind mount it is a fault or is left out with a warning.
 */

import type { MountAttribute } from "../generated/plan.js";

/** Options that set or clear an attribute of a mount. With a prefix `r` they also apply to the mounts below it (mount_setattr(2)). */
export const attributeOptions: ReadonlyMap<string, readonly [attribute: MountAttribute, set: boolean]> = new Map([
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

/** Propagation of one mount, or with `r` of all below it (mount_namespaces(7)). */
export const propagationOptions = ["private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave", "runbindable"] as const;

/** Flags of a whole file system, which a bind mount shares with its source (mount(2), "Creating a bind mount"). */
const fileSystemOptions: readonly string[] = "async sync dirsync mand nomand iversion noiversion lazytime nolazytime silent loud".split(
  " ",
);

/** Options for bind mounts. */
export const bindOptionNames = ["bind", "rbind"] as const;

/** Map the owners of files, of a mount or of those below it too: mount_setattr(2) with MOUNT_ATTR_IDMAP. */
export const idMapOptionNames = ["idmap", "ridmap"] as const;

/** Copies the covered directory into the tmpfs. */
export const copyUpOptionName = "tmpcopyup";

/** How to treat a symbolic link as the source of a bind mount or as a destination (crun(1)). */
export const linkOptionNames = ["copy-symlink", "src-nofollow", "dest-nofollow"] as const;

let known: ReadonlySet<string> | undefined;

/** All option names. Built on first use, because most commands do not need them. */
export function knownMountOptions(): ReadonlySet<string> {
  known ??= new Set<string>([
    ...bindOptionNames,
    ...idMapOptionNames,
    ...linkOptionNames,
    ...attributeOptions.keys(),
    ...[...attributeOptions.keys()].map((name) => `r${name}`),
    ...propagationOptions,
    ...fileSystemOptions,
    copyUpOptionName,
    "defaults",
    "remount",
  ]);
  return known;
}

/** Whether an option is known, and not data for a file system. */
export function isKnownMountOption(option: string): boolean {
  return knownMountOptions().has(option) || isIdMapOption(option);
}

/** Whether an option maps owners: `idmap`, `ridmap`, or one of them with mappings (idmap-option.ts). */
export function isIdMapOption(option: string): boolean {
  return /^r?idmap(=|$)/.test(option);
}

/** Whether an option applies to a whole file system and has no effect on a bind mount. */
export function isFileSystemOption(name: string): boolean {
  return fileSystemOptions.includes(name);
}
