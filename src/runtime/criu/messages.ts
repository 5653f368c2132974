/** The messages that ask CRIU for a dump and for a restore. Pure. */

import type {
  CriuCgroupRoot,
  CriuExternalMount,
  CriuInheritedDescriptor,
  CriuJoinNamespace,
  CriuPageServer,
  CriuRequest,
} from "../generated/plan.js";
import { commonOptions } from "./options.js";
import type { CommonFacts, CriuFlags } from "./options.js";
import { MESSAGE } from "./protocol.js";

/** What a caller decides about a checkpoint. */
export interface CheckpointFlags extends CriuFlags {
  /** Directory of an earlier pre-dump, relative to that of the images. */
  parentPath?: string | undefined;
  /** The container runs on. */
  leaveRunning?: boolean | undefined;
  /** Dump memory alone, and let the container run on. */
  preDump?: boolean | undefined;
  /** Half-open TCP connections are left out. */
  tcpSkipInFlight?: boolean | undefined;
  /** Files that were removed while open are given a name for the restore. */
  linkRemap?: boolean | undefined;
  /** Who takes the memory. */
  pageServer?: CriuPageServer | undefined;
  /** Descriptor of the caller that gets a zero byte once memory can be asked for (`lazyPages`). */
  statusFd?: number | undefined;
}

/** What a caller decides about what is restored. */
export interface RestoreFlags extends CriuFlags {
  /** `apparmor:NAME` or `selinux:LABEL`, in place of the recorded one. */
  lsmProfile?: string | undefined;
  /** SELinux context of mounts, in place of the recorded one. */
  lsmMountContext?: string | undefined;
}

/** What is found out for a dump. */
export interface DumpFacts extends CommonFacts {
  pid: number;
  rootfs: string;
  /** The container's cgroup that can be frozen. */
  freezer: string | undefined;
  /** Names of external namespaces. */
  external: string[];
  mounts: CriuExternalMount[];
}

export function dumpRequest(flags: CheckpointFlags, facts: DumpFacts): CriuRequest {
  return {
    type: flags.preDump ? MESSAGE.preDump : MESSAGE.dump,
    opts: {
      ...commonOptions(flags, facts),
      pid: facts.pid,
      root: facts.rootfs,
      leaveRunning: flags.leaveRunning ?? false,
      tcpSkipInFlight: flags.tcpSkipInFlight ?? false,
      linkRemap: flags.linkRemap ?? false,
      ...(facts.freezer !== undefined && { freezeCgroup: facts.freezer }),
      ...(flags.pageServer && { ps: flags.pageServer }),
      ...(flags.parentPath !== undefined && { parentImg: flags.parentPath }),
      // Whoever dumps again later wants to know what was written to since then.
      ...((flags.parentPath !== undefined || flags.preDump) && { trackMem: true }),
      external: facts.external,
      extMnt: facts.mounts,
    },
  };
}

/** What is found out for a restore. */
export interface RestoreFacts extends CommonFacts {
  /** Where the root file system is mounted. */
  root: string;
  cgroups: CriuCgroupRoot[];
  inherit: CriuInheritedDescriptor[];
  join: CriuJoinNamespace[];
  mounts: CriuExternalMount[];
}

export function restoreRequest(flags: RestoreFlags, facts: RestoreFacts): CriuRequest {
  return {
    type: MESSAGE.restore,
    opts: {
      ...commonOptions(flags, facts),
      root: facts.root,
      // The restored process becomes a child of this one.
      rstSibling: true,
      evasiveDevices: true,
      cgRoot: facts.cgroups,
      inheritFd: facts.inherit,
      joinNs: facts.join,
      extMnt: facts.mounts,
      ...(flags.lsmProfile !== undefined && { lsmProfile: flags.lsmProfile }),
      ...(flags.lsmMountContext !== undefined && { lsmMountContext: flags.lsmMountContext }),
    },
  };
}

/** The cgroups that CRIU is in as roots for what it restores. @param text of /proc/PID/cgroup */
export function cgroupRoots(text: string): CriuCgroupRoot[] {
  return text.split("\n").flatMap((line) => {
    const [, ctrl, ...path] = line.split(":");
    return ctrl === undefined || path.length === 0 ? [] : [{ ctrl, path: path.join(":") }];
  });
}

/** Standard streams that were pipes are those of the restoring process. @param descriptors what the links of 0, 1, 2 said at the dump */
export function inheritedStreams(descriptors: readonly string[]): CriuInheritedDescriptor[] {
  return descriptors.flatMap((key, fd) => (key.startsWith("pipe:") ? [{ key, fd }] : []));
}
