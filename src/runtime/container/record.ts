/** What is kept of a container between commands: `<root>/<id>/state.json`. */

import { RuntimeError } from "../errors.js";
import type { Hook, HookOutput, ProcessIdentity, Undo } from "../generated/plan.js";
import type { RecordedStatus } from "./status.js";

/** Version of state.json's layout; a greater one is of a newer runtime. */
export const STATE_VERSION = 1;

/** The content of state.json. */
export interface ContainerRecord {
  version: typeof STATE_VERSION;
  id: string;
  status: RecordedStatus;
  /** Absolute paths. */
  bundle: string;
  rootfs: string;
  annotations?: Record<string, string> | undefined;
  /** RFC 3339. */
  created: string;
  /** Who created it. */
  ownerUid: number;
  /** The container's first process; absent while it is being created. */
  process?: ProcessIdentity | undefined;
  /** It has a pid namespace of its own: the kernel kills everything in it with its first process. */
  ownPidNamespace: boolean;
  cgroups: { paths: string[]; freezer?: string | undefined };
  /** What `delete` undoes, in order. */
  undo: Undo[];
  poststart: Hook[];
  poststop: Hook[];
  /** Files that they write to. */
  hookOutput?: HookOutput | undefined;
  /** CPUs of processes that `exec` brings in: config.json as it was at creation (config.md#linux-process). */
  execCPUAffinity?: { initial?: string; final?: string } | undefined;
}

export function statePath(root: string, id: string): string {
  return `${root}/${id}/state.json`;
}

export function serializeRecord(record: ContainerRecord): string {
  return JSON.stringify(record);
}

/** @throws RuntimeError `corruptState` that names the file, on anything that is not a record of this layout. */
export function parseRecord(text: string, path: string): ContainerRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corruptState(path, "not JSON"); // the engines' own words differ
  }
  if (typeof value !== "object" || value === null) throw corruptState(path, "not an object");
  const record = value as Partial<ContainerRecord>;
  if (record.version !== STATE_VERSION) throw corruptState(path, `version ${JSON.stringify(record.version)}, expected ${STATE_VERSION}`);
  const wrong = Object.entries(FIELD_CHECKS).find(([field, fits]) => !fits(record[field as keyof ContainerRecord]));
  if (wrong) throw corruptState(path, `field "${wrong[0]}" is missing or of the wrong type`);
  return value as ContainerRecord;
}

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => typeof value === "number";
const isArray = (value: unknown): boolean => Array.isArray(value);

function isProcess(value: unknown): boolean {
  if (value === undefined) return true;
  const process = value as Partial<ProcessIdentity> | null;
  return typeof process === "object" && process !== null && isNumber(process.pid) && isText(process.startTimeTicks);
}

function isCgroups(value: unknown): boolean {
  const cgroups = value as Partial<ContainerRecord["cgroups"]> | null | undefined;
  return typeof cgroups === "object" && cgroups !== null && isArray(cgroups.paths);
}

const FIELD_CHECKS: Partial<Record<keyof ContainerRecord, (value: unknown) => boolean>> = {
  id: isText,
  status: (value) => value === "creating" || value === "created" || value === "running",
  bundle: isText,
  rootfs: isText,
  created: isText,
  ownerUid: isNumber,
  process: isProcess,
  cgroups: isCgroups,
  undo: isArray,
  poststart: isArray,
  poststop: isArray,
};

/** The error for a state.json that cannot be understood. */
export function corruptState(path: string, cause: string): RuntimeError {
  return new RuntimeError(`the file is damaged: ${cause}`, { code: "corruptState", operation: `read ${JSON.stringify(path)}`, path });
}
