/** Mounts of a container that lead outside, which CRIU is told of at dump and at restore. Pure. */

import type { CriuExternalMount, Operation } from "../generated/plan.js";

/** Something of the host that is mounted in the container. */
export interface ExternalMount {
  /** Path in the container, as planned: links in it are not followed. */
  destination: string;
  /** Path on the host. */
  source: string;
}

/** All external mounts that a plan makes. */
export function externalMounts(operations: readonly Operation[]): ExternalMount[] {
  return operations.flatMap((operation) => {
    if (operation.op === "device") return operation.bind ? [{ destination: operation.path, source: operation.path }] : [];
    if (operation.op !== "mount") return [];
    const { destination, source } = operation;
    return source.kind === "bind" || source.kind === "mappedBind" ? [{ destination, source: source.source }] : [];
  });
}

/** A line of /proc/PID/mountinfo. */
export interface MountEntry {
  /** `major:minor` of its file system. */
  device: string;
  /** Path in that file system. */
  root: string;
  /** Where it is mounted, from the process's root. */
  point: string;
}

/** @param text of /proc/PID/mountinfo (proc_pid_mountinfo(5)) */
export function parseMountInfo(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, root, point] = line.split(" ");
    return device === undefined || root === undefined || point === undefined
      ? []
      : [{ device, root: unescape(root), point: unescape(point) }];
  });
}

/** Spaces, tabs, line feeds and backslashes are written as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The file that masks files, where it is the host's. */
const NULL_DEVICE = "/dev/null";

/**
 * The masked paths whose mask is a device of the host: one of a device in a file system that the container has as a whole is nothing external.
 */
function hostMasks(masked: readonly string[], mounts: readonly MountEntry[]): string[] {
  const own = new Set(mounts.filter(({ root }) => root === "/").map(({ device }) => device));
  const isHosts = ({ point, device }: MountEntry): boolean => masked.includes(point) && !own.has(device);
  return mounts.filter(isHosts).map(({ point }) => point);
}

/** For a dump: where external mounts are, each under a key that the restore finds again. */
export function dumpedMounts(places: readonly string[], masked: readonly string[], mounts: readonly MountEntry[]): CriuExternalMount[] {
  return [
    ...places.map((place) => ({ key: place, val: place })),
    ...hostMasks(masked, mounts).map((path) => ({ key: path, val: NULL_DEVICE })),
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
