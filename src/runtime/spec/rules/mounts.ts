/** Rules for `mounts` (config.md, "Mounts"). */

import { cleanAbsolute } from "../../plan/paths.js";
import type { Mount } from "../generated/spec-types.js";
import { isKnownMountOption, knownMountOptions, linkOptionNames } from "../mount-option-names.js";
import { nearest } from "../nearest.js";
import { each, type Rules } from "../rule.js";

/**
 * Files of procfs that may be mounted over: read-only information, which lxcfs replaces. Mounts over other files could redirect writes that
 * confine a process, such as labels, to a file of the image (CVE-2019-16884, CVE-2019-19921).
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
      // Quick test: most destinations end in a name, so they are not /.
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

  // The kernel ignores data on a bind mount, so it is probably a mistake. If only the options make it a bind mount, data may be meant for the
  // file system in `type` (OCI runtime-tools does so): then there is only a warning.
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

  // crun ignores these options on other mounts, and refuses contradicting ones.
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
        // Whether the source of a bind mount is a procfs is only known when it is mounted. Another rule reports a missing type, which a remount
        // does not need.
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
