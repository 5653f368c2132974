/**
 * The names of the mount options that are no data of a filesystem (config.md, "Linux mount options"; mount(8)): for telling
 * whether an option is known. What each one does is the business of the plan.
 */

/** Make a mount a bind mount. */
export const bindOptionNames = ["bind", "rbind"] as const;

/** Map the owners of files: mount_setattr(2) with MOUNT_ATTR_IDMAP. */
export const idMapOptionNames = ["idmap", "ridmap"] as const;

/** Copies what a tmpfs hides into it. */
export const copyUpOptionName = "tmpcopyup";

/** The names in groups; made at the first use, which most commands never come to. */
const namesByGroup = (): { readonly [group: string]: string } => ({
  // Set or clear a flag of one mount or superblock. `defaults` and `remount` are mount(8)'s own.
  flags: "async sync dirsync ro rw suid nosuid dev nodev exec noexec mand nomand iversion noiversion lazytime nolazytime",
  times: "atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime",
  more: "silent loud symfollow nosymfollow defaults remount",
  // Set the propagation of one mount, or with `r` of all below it (mount_namespaces(7)).
  propagation: "private shared slave unbindable rprivate rshared rslave runbindable",
  // Set or clear an attribute of a mount and all below it: mount_setattr(2) with AT_RECURSIVE.
  recursive: "rro rrw rsuid rnosuid rdev rnodev rexec rnoexec rsymfollow rnosymfollow",
  recursiveTimes: "ratime rnoatime rdiratime rnodiratime rrelatime rnorelatime rstrictatime rnostrictatime",
});

let known: ReadonlySet<string> | undefined;

/** All the names above. Made at the first use: most commands never ask. */
export function knownMountOptions(): ReadonlySet<string> {
  known ??= new Set<string>([
    ...bindOptionNames,
    ...idMapOptionNames,
    copyUpOptionName,
    ...Object.values(namesByGroup()).flatMap((names) => names.split(" ")),
  ]);
  return known;
}

/** Whether an option is for a whole file system, which a bind mount has in common with its source (mount(2), "Creating a bind mount"). */
export function isFileSystemOption(name: string): boolean {
  return /^(no)?(sync|dirsync|mand|lazytime|iversion|silent|loud)$|^async$/.test(name);
}
