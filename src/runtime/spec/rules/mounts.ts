/** Rules for `mounts` (config.md, "Mounts"). */

import { cleanAbsolute } from "../../plan/paths.js";
import type { Mount } from "../generated/spec-types.js";
import { isKnownMountOption, knownMountOptions, linkOptionNames } from "../mount-option-names.js";
import { nearest } from "../nearest.js";
import { each, type Rules } from "../rule.js";

/**
 * What may be mounted over a file of procfs: files that only tell, as lxcfs replaces them. Anything else could turn the
 * writes that confine a process into writes to a file of the image (CVE-2019-16884, CVE-2019-19921).
 */
const replaceableProcFiles: readonly string[] = [
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/loadavg",
  "/proc/meminfo",
  "/proc/slabinfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/sys/crypto/fips_enabled",
  "/proc/sys/kernel/ns_last_pid",
];

/** Whether a mount is a bind mount: its options say so, whatever its type. */
export function isBindMount({ options }: Mount): boolean {
  return options !== undefined && (options.includes("bind") || options.includes("rbind"));
}

export const mountRules: Rules = {
  "mount-destination": ({ spec }, report) => {
    each(spec.mounts, ({ destination }, i) => {
      // A path that ends in a name leads below /: most do, and need no closer look.
      if (/(^|[/.])$/.test(destination) && cleanAbsolute(destination) === "/")
        report(`/mounts/${i}/destination`, destination, "a path below /");
    });
  },

  "mount-source": ({ spec }, report) => {
    each(spec.mounts, (mount, i) => {
      if (isBindMount(mount) && !mount.source) report(`/mounts/${i}/source`, mount.source, "the path to bind");
    });
  },

  "mount-type": ({ spec }, report) => {
    each(spec.mounts, (mount, i) => {
      if (isBindMount(mount) || mount.options?.includes("remount")) return;
      if (!mount.type) report(`/mounts/${i}/type`, mount.type, 'a filesystem, or the option "bind" or "rbind"');
      else if (mount.type === "bind")
        report(`/mounts/${i}/type`, mount.type, 'a filesystem: a bind mount has the option "bind" or "rbind"');
    });
  },

  // The kernel ignores data on a bind mount; somebody wrote it for a reason. Where a mount is one by its options alone, the others may
  // be those of whatever file system comes first in a list (OCI runtime-tools does so): a warning tells of them.
  "bind-options": ({ spec }, report) => {
    each(spec.mounts, (mount, i) => {
      if (mount.type !== "bind" || !isBindMount(mount)) return;
      each(mount.options, (option, j) => {
        if (isKnownMountOption(option)) return;
        const meant = nearest(option, knownMountOptions());
        report(
          `/mounts/${i}/options/${j}`,
          option,
          `flags alone on a bind mount, which has no data${meant === undefined ? "" : `; did you mean "${meant}"?`}`,
        );
      });
    });
  },

  // crun has them pass unheard elsewhere, and refuses those that contradict.
  "link-options": ({ spec }, report) => {
    each(spec.mounts, (mount, i) => {
      each(mount.options, (option, j) => {
        if (!(linkOptionNames as readonly string[]).includes(option)) return;
        const say = (allowed: string): void => report(`/mounts/${i}/options/${j}`, option, allowed);
        if (mount.options?.includes("remount")) say('nothing: "remount" changes what is mounted there already');
        else if (option !== "dest-nofollow" && !isBindMount(mount))
          say('nothing, or the option "bind" or "rbind": it is about the source of a bind mount');
        else if (option === "copy-symlink") {
          const other = mount.options?.find((name) => name === "src-nofollow" || name === "dest-nofollow");
          if (other) say(`one of it and "${other}": a link that is copied is not mounted`);
        }
      });
    });
  },

  "mount-over-proc": ({ spec }, report) => {
    each(spec.mounts, (mount, i) => {
      if (!mount.destination.includes("proc")) return;
      const path = cleanAbsolute(mount.destination);
      if (path === "/proc") {
        // Whether the source of a bind mount is procfs shows where it is mounted. What is no type of a file system at all is the fault of
        // another rule, but a remount needs none there.
        const isTyped = (mount.type && mount.type !== "bind") || mount.options?.includes("remount");
        if (isTyped && mount.type !== "proc" && !isBindMount(mount)) report(`/mounts/${i}/type`, mount.type, '"proc" on /proc');
      } else if (path.startsWith("/proc/") && !replaceableProcFiles.includes(path)) {
        report(
          `/mounts/${i}/destination`,
          mount.destination,
          `of the files in /proc only ${replaceableProcFiles.map((file) => file.slice(6)).join(", ")}`,
        );
      }
    });
  },
};
