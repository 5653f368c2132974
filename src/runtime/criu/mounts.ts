/** External mounts of a container, which CRIU needs to know at dump and restore. Pure. */

import type { CriuExternalMount, Operation } from "../generated/plan.js";
import type { ExternalMount } from "../plan/external-mounts.js";

/** A line of /proc/PID/mountinfo. */
export interface MountEntry {
  /** `major:minor` of its file system. */
  device: string;
  /** Path in that file system. */
  root: string;
  /** Mount point relative to the process's root. */
  point: string;
  fsType: string;
}

/** @param text of /proc/PID/mountinfo (proc_pid_mountinfo(5)) */
export function parseMountInfo(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, root, point, ...more] = line.split(" ");
    // Optional fields end with a hyphen.
    const fsType = more[more.indexOf("-") + 1];
    return device === undefined || root === undefined || point === undefined || fsType === undefined
      ? []
      : [{ device, root: unescape(root), point: unescape(point), fsType }];
  });
}

/** Spaces, tabs, line feeds and backslashes are escaped as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The host's file with which files are masked. */
const NULL_DEVICE = "/dev/null";

/** CRIU handles these file systems itself. */
const CGROUP = /^cgroup2?$/;

/** Whether a path is below a directory of the same file system. */
function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === "/" ? directory : `${directory}/`) && path !== directory;
}

/**
 * For a dump: all external mounts, each with a key that the restore uses too.
 *
 * Some are in the record. Others were added later or mask files: they show a part of a file system whose root the container has not mounted.
 * A mask by a device in the container's own tmpfs is not external.
 * @param recorded destinations of external mounts in config.json, with links resolved
 */
export function dumpedMounts(recorded: readonly string[], mounts: readonly MountEntry[]): CriuExternalMount[] {
  const known = new Set(recorded);
  const own = mounts.filter(({ point }) => !known.has(point));
  const leadsOutside = ({ device, root, point, fsType }: MountEntry): boolean =>
    point !== "/" && root !== "/" && !CGROUP.test(fsType) && !own.some((other) => other.device === device && isBelow(root, other.root));
  return [
    ...recorded.map((place) => ({ key: place, val: place })),
    ...own.filter(leadsOutside).map(({ root, point }) => ({ key: point, val: root === "/null" ? NULL_DEVICE : point })),
  ];
}

/** For a restore: the source of each key. CRIU ignores keys that the images do not contain. */
export function restoredMounts(mounts: readonly ExternalMount[], masksFiles: boolean): CriuExternalMount[] {
  const mapped = mounts.map(({ destination, source }) => ({ key: destination, val: source }));
  return masksFiles ? [...mapped, { key: NULL_DEVICE, val: NULL_DEVICE }] : mapped;
}

/** A mount point to create in a directory of the host. */
export interface MountPoint {
  /** Path on the host. */
  root: string;
  path: string;
  /** The file that will be mounted there; a directory if absent. */
  source?: string;
}

/**
 * The mount points that CRIU expects in the root file system and in bind-mounted directories. It restores those below other mounts itself, with
 * the content of those mounts.
 */
export function mountPoints(rootfs: string, operations: readonly Operation[]): MountPoint[] {
  const above: { destination: string; source: string | undefined }[] = [];
  return operations.flatMap((operation) => {
    if (operation.op !== "mount" || operation.source.kind === "remount") return [];
    const { destination, source } = operation;
    const bound = source.kind === "bind" || source.kind === "mappedBind" ? source.source : undefined;
    // The last mount covers earlier ones at the same place.
    const parent = above.filter((mount) => destination.startsWith(`${mount.destination}/`)).pop();
    above.push({ destination, source: bound });
    if (parent && parent.source === undefined) return [];
    const root = parent?.source ?? rootfs;
    const path = parent ? destination.slice(parent.destination.length) : destination;
    return [{ root, path, ...(bound !== undefined && { source: bound }) }];
  });
}
