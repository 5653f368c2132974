/** The record of a container, which is kept between commands: `<root>/<id>/state.json`. */

import { RuntimeError } from "../errors.js";
import type { ContainerRecord, ProcessIdentity, RecordedCgroup } from "../generated/plan.js";

export type { ContainerRecord, RecordedCgroup } from "../generated/plan.js";

/** Version of state.json's layout. A greater one was written by a newer tsrunc. */
export const RECORD_VERSION = 2;

export function statePath(root: string, id: string): string {
  return `${root}/${id}/state.json`;
}

/** The cgroup that freezes the container: v1's freezer or the v2 one. Undefined for a container without cgroups of its own. */
export function freezerOf({ cgroups }: Pick<ContainerRecord, "cgroups">): string | undefined {
  return (cgroups.find(({ controllers }) => controllers.includes("freezer")) ?? unifiedCgroup(cgroups))?.path;
}

/** The container's cgroup of v2. */
export function unifiedCgroup(cgroups: readonly RecordedCgroup[]): RecordedCgroup | undefined {
  return cgroups.find(({ controllers }) => controllers.length === 0);
}

/** @throws RuntimeError `corruptState` that names the file, on anything that is not a record of a known layout. */
export function parseRecord(text: string, path: string): ContainerRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corruptState(path, "not JSON"); // the engines' own messages differ
  }
  if (typeof value !== "object" || value === null) throw corruptState(path, "not an object");
  const { version } = value as { version?: unknown };
  if (version !== 1 && version !== RECORD_VERSION) {
    throw corruptState(path, `version ${JSON.stringify(version)}, expected ${RECORD_VERSION} or an earlier one`);
  }
  const checks = version === 1 ? CHECKS_OF_VERSION_1 : CHECKS;
  const wrong = Object.entries(checks).find(([field, fits]) => !fits((value as Record<string, unknown>)[field]));
  if (wrong) throw corruptState(path, `field "${wrong[0]}" is missing or of the wrong type`);
  return version === 1 ? fromVersion1(value as RecordOfVersion1) : (value as ContainerRecord);
}

/** The layout until September 2026: it has nothing for `exec`, and the controllers of a cgroup must be derived from its path. */
interface RecordOfVersion1 extends Omit<ContainerRecord, "version" | "cgroups" | "namespaces"> {
  version: 1;
  cgroups: { paths: string[]; freezer?: string };
  execCPUAffinity?: { initial?: string; final?: string };
}

function fromVersion1({ execCPUAffinity, cgroups: { paths, freezer }, ...record }: RecordOfVersion1): ContainerRecord {
  const controllersOf = (path: string): string[] => {
    // /sys/fs/cgroup/cpu,cpuacct/...; the v2 cgroup of a host without v1 is the freezer too.
    const hierarchy = /^\/sys\/fs\/cgroup\/([^/]*)\//.exec(path)?.[1] ?? "";
    if (path === freezer) return hierarchy === "freezer" ? ["freezer"] : [];
    return hierarchy === "unified" ? [] : hierarchy === "systemd" ? ["name=systemd"] : hierarchy.split(",");
  };
  const stop = record.undo.find(({ op }) => op === "stopUnit");
  return {
    ...record,
    version: RECORD_VERSION,
    namespaces: record.ownPidNamespace ? ["pid"] : [],
    cgroups: paths.map((path) => ({ controllers: controllersOf(path), path })),
    ...(execCPUAffinity && { execAffinity: execCPUAffinity }),
    ...(stop?.op === "stopUnit" && { unit: { name: stop.unit, bus: stop.bus } }),
  };
}

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => typeof value === "number";
const isArray = (value: unknown): value is unknown[] => Array.isArray(value);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function isProcess(value: unknown): boolean {
  if (value === undefined) return true;
  const process = value as Partial<ProcessIdentity> | null;
  return isObject(process) && isNumber(process.pid) && isText(process.startTimeTicks);
}

function isCgroup(value: unknown): boolean {
  return isObject(value) && isText(value["path"]) && isArray(value["controllers"]) && value["controllers"].every(isText);
}

type Checks = Readonly<Record<string, (value: unknown) => boolean>>;

const COMMON_CHECKS: Checks = {
  id: isText,
  status: (value) => value === "creating" || value === "created" || value === "running",
  bundle: isText,
  rootfs: isText,
  created: isText,
  ownerUid: isNumber,
  process: isProcess,
  undo: isArray,
  poststart: isArray,
  poststop: isArray,
};

const CHECKS_OF_VERSION_1: Checks = { ...COMMON_CHECKS, cgroups: (value) => isObject(value) && isArray(value["paths"]) };

const CHECKS: Checks = {
  ...COMMON_CHECKS,
  cgroups: (value) => isArray(value) && value.every(isCgroup),
  namespaces: isArray,
};

/** The error for a state.json that cannot be understood. */
export function corruptState(path: string, cause: string): RuntimeError {
  return new RuntimeError(`the file is damaged: ${cause}`, { code: "corruptState", operation: `read ${JSON.stringify(path)}`, path });
}

/** A part of a configuration as JSON: bigint (an integer beyond 2^53) becomes a decimal string. */
export function exactly(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (isArray(value)) return value.map(exactly);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, exactly(member)])) : value;
}
