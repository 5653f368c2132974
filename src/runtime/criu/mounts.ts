/** Mounts of a container that lead outside, which CRIU is told of at dump and at restore. Pure. */

import type { CriuExternalMount, Operation } from "../generated/plan.js";
import type { ExternalMount } from "../plan/external-mounts.js";

/** A line of /proc/PID/mountinfo. */
export interface MountEntry {
  /** `major:minor` of its file system. */
  device: string;
  /** Path in that file system. */
  root: string;
  /** Where it is mounted, from the process's root. */
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

/** Spaces, tabs, line feeds and backslashes are written as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The file that masks files, where it is the host's. */
const NULL_DEVICE = "/dev/null";

/** CRIU knows what these show. */
const CGROUP = /^cgroup2?$/;

/** Whether a directory of a file system holds another path of it. */
function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === "/" ? directory : `${directory}/`) && path !== directory;
}

/**
 * For a dump: all mounts that lead outside, each under a key that the restore finds again.
 *
 * Those of the record are known. Others were added later, or are masks of files: they show a part of a file system that the container has not
 * mounted further up. A mask by a device in a tmpfs of the container is none of them.
 * @param recorded where config.json had something of the host mounted, with links resolved
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

/** For a restore: what belongs to a key. A key that no image has is not minded. */
export function restoredMounts(mounts: readonly ExternalMount[], masksFiles: boolean): CriuExternalMount[] {
  const mapped = mounts.map(({ destination, source }) => ({ key: destination, val: source }));
  return masksFiles ? [...mapped, { key: NULL_DEVICE, val: NULL_DEVICE }] : mapped;
}

/** What is to be mounted on in a directory of the host. */
export interface MountPoint {
  /** Path on the host. */
  root: string;
  path: string;
  /** What will be mounted there: a directory when absent. */
  source?: string;
}

/**
 * The mount points that CRIU expects in the root file system and in directories that are bound into the container. It makes those below other
 * mounts itself, with their content.
 */
export function mountPoints(rootfs: string, operations: readonly Operation[]): MountPoint[] {
  const above: { destination: string; source: string | undefined }[] = [];
  return operations.flatMap((operation) => {
    if (operation.op !== "mount" || operation.source.kind === "remount") return [];
    const { destination, source } = operation;
    const bound = source.kind === "bind" || source.kind === "mappedBind" ? source.source : undefined;
    // The last one counts: it covers those before.
    const parent = above.filter((mount) => destination.startsWith(`${mount.destination}/`)).pop();
    above.push({ destination, source: bound });
    if (parent && parent.source === undefined) return [];
    const root = parent?.source ?? rootfs;
    const path = parent ? destination.slice(parent.destination.length) : destination;
    return [{ root, path, ...(bound !== undefined && { source: bound }) }];
  });
}
