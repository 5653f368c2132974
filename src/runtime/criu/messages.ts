/** The dump and restore requests for CRIU. Pure. */

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

/** Options of a checkpoint. */
export interface CheckpointFlags extends CriuFlags {
  /** Directory of an earlier pre-dump, relative to that of the images. */
  parentPath?: string | undefined;
  /** The container keeps running. */
  leaveRunning?: boolean | undefined;
  /** Dump only memory, and keep the container running. */
  preDump?: boolean | undefined;
  /** Skip TCP connections that are not yet accepted. */
  tcpSkipInFlight?: boolean | undefined;
  /** Create a temporary name for open files that were removed, for the restore. */
  linkRemap?: boolean | undefined;
  /** The page server that receives the memory. */
  pageServer?: CriuPageServer | undefined;
  /** The caller's descriptor to which a zero byte is written once memory can be requested (`lazyPages`). */
  statusFd?: number | undefined;
}

/** Options of a restore. */
export interface RestoreFlags extends CriuFlags {
  /** `apparmor:NAME` or `selinux:LABEL`, in place of the recorded one. */
  lsmProfile?: string | undefined;
  /** SELinux context of mounts, in place of the recorded one. */
  lsmMountContext?: string | undefined;
}

/** Facts for a dump request. */
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
      // A later dump needs to know which pages have changed since this one.
      ...((flags.parentPath !== undefined || flags.preDump) && { trackMem: true }),
      external: facts.external,
      extMnt: facts.mounts,
    },
  };
}

/** Facts for a restore request. */
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

/** CRIU's own cgroups, as roots for the restored cgroups. @param text of /proc/PID/cgroup */
export function cgroupRoots(text: string): CriuCgroupRoot[] {
  return text.split("\n").flatMap((line) => {
    const [, ctrl, ...path] = line.split(":");
    return ctrl === undefined || path.length === 0 ? [] : [{ ctrl, path: path.join(":") }];
  });
}

/** Standard streams that were pipes are replaced by the caller's. @param descriptors link targets of descriptors 0, 1 and 2 at the dump */
export function inheritedStreams(descriptors: readonly string[]): CriuInheritedDescriptor[] {
  return descriptors.flatMap((key, fd) => (key.startsWith("pipe:") ? [{ key, fd }] : []));
}
