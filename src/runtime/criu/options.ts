/** The flags that checkpoint and restore share, and CRIU's options for them. Pure. */

import type { CriuOptions } from "../generated/plan.js";
import { CGROUPS_MODE, CLONE_NEWNET } from "./protocol.js";
import type { CgroupsMode } from "./protocol.js";

/** Options of both checkpoint and restore. Paths may be relative to the working directory. */
export interface CriuFlags {
  /** Directory with CRIU's images. Default `checkpoint`. */
  imagePath?: string | undefined;
  /** Directory for CRIU's log and other files. Default: that of the images. */
  workPath?: string | undefined;
  /** Keep TCP connections. */
  tcpEstablished?: boolean | undefined;
  /** Allow Unix sockets that are connected to processes outside. */
  extUnixSk?: boolean | undefined;
  /** Allow a session and a terminal that belong to processes outside. */
  shellJob?: boolean | undefined;
  /** Keep file locks. */
  fileLocks?: boolean | undefined;
  /** Remove pages from the images that are no longer needed. */
  autoDedup?: boolean | undefined;
  /** Send, or load, memory when it is used (userfaultfd(2)). */
  lazyPages?: boolean | undefined;
  /** Default `soft`. */
  manageCgroupsMode?: CgroupsMode | undefined;
}

export const DEFAULT_IMAGE_PATH = "checkpoint";

/** The annotation that names CRIU's configuration file for a container; empty for none. */
export const CONFIG_ANNOTATION = "org.criu.config";

/** Configuration files for all containers; the first that exists is used. */
export const CONFIG_FILES = ["/etc/criu/tsrunc.conf", "/etc/criu/runc.conf"] as const;

/** The directories, as descriptors of this process. */
export interface Directories {
  images: number;
  work: number | undefined;
}

export interface CommonFacts {
  directories: Directories;
  logFile: string;
  /** CRIU's configuration file; CRIU ignores one that does not exist. */
  configFile: string | undefined;
}

export function commonOptions(flags: CriuFlags, { directories, logFile, configFile }: CommonFacts): CriuOptions {
  return {
    imagesDirFd: directories.images,
    ...(directories.work !== undefined && { workDirFd: directories.work }),
    logLevel: 4,
    logFile,
    notifyScripts: true,
    orphanPtsMaster: true,
    manageCgroups: true,
    manageCgroupsMode: CGROUPS_MODE[flags.manageCgroupsMode ?? "soft"],
    // The manager that made the network devices makes them again, with its hooks.
    emptyNs: CLONE_NEWNET,
    tcpEstablished: flags.tcpEstablished ?? false,
    extUnixSk: flags.extUnixSk ?? false,
    shellJob: flags.shellJob ?? false,
    fileLocks: flags.fileLocks ?? false,
    autoDedup: flags.autoDedup ?? false,
    lazyPages: flags.lazyPages ?? false,
    ...(configFile !== undefined && { configFile }),
  };
}

/** The configuration file that the annotations name. @param missing those of `CONFIG_FILES` that do not exist */
export function configFile(annotations: Readonly<Record<string, string>> | undefined, missing: readonly string[]): string | undefined {
  const named = annotations?.[CONFIG_ANNOTATION];
  if (named !== undefined) return named === "" ? undefined : named;
  return CONFIG_FILES.find((path) => !missing.includes(path));
}
