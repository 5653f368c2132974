/** `update`: changes the limits of a container, all or none. */

import { recordedPlacements } from "../container/cgroups.js";
import { lockedStatus, saveRecord, withContainer } from "../container/container.js";
import type { LockedContainer } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { exactly, freezerOf } from "../container/record.js";
import type { ContainerRecord } from "../container/record.js";
import { resctrlGroups, resctrlMount } from "../container/resctrl.js";
import { RuntimeError, isRuntimeError, messageOf, withOperation } from "../errors.js";
import type { LimitChange, SchemataChange, SchemataLine } from "../generated/plan.js";
import { hostFacts, perform, send } from "../native.js";
import { refused } from "../plan/limit-error.js";
import { lastComponent, parentOf } from "../plan/paths.js";
import { isRootless } from "../plan/plan.js";
import { filesBeforeUpdate, filesToRestore, planChange, planUpdateWrites } from "../plan/update.js";
import type { UpdateRequest, UpdatedUnit } from "../plan/update.js";
import { mergedResources, namedResources } from "../plan/update-merge.js";
import type { FileTexts } from "../plan/update-values.js";
import type { Resources } from "../spec/generated/spec-types.js";
import { loadResources } from "../spec/load-resources.js";

export interface UpdateOptions {
  /** The limits to change, as JSON of `linux.resources`. 0 and "" leave a limit unchanged, -1 removes it. */
  resources?: string | undefined;
  /** Name of that text in errors. Default `resources`. */
  name?: string | undefined;
  /** Name in errors of a field, which is given by its JSON pointer in config.json. Default: that pointer. */
  nameOf?: ((pointer: string) => string) | undefined;
  /** Line of an Intel RDT schemata for the level 3 cache: `L3:0=f`. */
  l3CacheSchema?: string | undefined;
  /** The same for memory bandwidth: `MB:0=50`. */
  memBwSchema?: string | undefined;
  /** Default: depends on the caller's privilege. */
  rootless?: boolean | undefined;
  /** The caller's XDG_RUNTIME_DIR, with the sockets of a service manager. */
  runtimeDirectory?: string | undefined;
}

/**
 * Changes the limits of a container that is created, running or paused.
 * @throws RuntimeError that names the refused value; then all limits are as before. `wrongStatus` for a stopped container.
 */
export function updateContainer(context: RuntimeContext, id: string, options: UpdateOptions): void {
  const nameOf = options.nameOf ?? ((pointer: string) => pointer);
  try {
    const resources = readResources(context, options, nameOf);
    withContainer(context, id, { kind: "wait" }, (container) => {
      if (lockedStatus(context, container) === "stopped") throw new RuntimeError("container not running", { code: "wrongStatus" });
      const change = planFor(context, container, namedResources(resources), options);
      if (change) carryOut(context, container, renamedChange(change, nameOf));
    });
  } catch (error) {
    throw withOperation(`update ${JSON.stringify(id)}`, renamedError(error, nameOf));
  }
}

function readResources(
  context: RuntimeContext,
  { resources, name = "resources" }: UpdateOptions,
  nameOf: (pointer: string) => string,
): Resources {
  if (resources === undefined) return {};
  const read = loadResources({ text: resources, name, nameOf }, context.door.part("careful").readCarefully);
  if (read.memory?.kernel || read.memory?.kernelTCP) context.log("warning", "Kernel memory settings are ignored and will be removed");
  return read;
}

/** A planned change, and the record after it. */
interface PlannedChange {
  change: LimitChange;
  record: ContainerRecord;
}

/** @returns undefined if nothing has to change */
function planFor(
  context: RuntimeContext,
  { record }: LockedContainer,
  changed: Resources,
  options: UpdateOptions,
): PlannedChange | undefined {
  const { door } = context;
  const schemata = planSchemata(context, record, options);
  if (Object.keys(changed).length === 0 && !schemata) return undefined;
  const facts = hostFacts(door);
  const placements = recordedPlacements(record.cgroups, facts);
  const rootless = isRootless(facts, options);
  const request: UpdateRequest = {
    changed,
    applied: record.resources as Resources | undefined,
    placements,
    facts,
    rootless,
    unit: updatedUnit(context, record, changed, options),
  };
  if (Object.keys(changed).length > 0 && placements.length === 0) {
    throw new RuntimeError("the container has no cgroup of its own", { code: "unsupported" });
  }
  const before = readTexts(door, filesBeforeUpdate(request));
  const writes = planUpdateWrites(request, before);
  const current = new Map([...before, ...readTexts(door, filesToRestore(request, writes))]);
  const change = { ...planChange(request, writes, current), ...(schemata && { schemata }) };
  const undo = schemata?.make ? [...record.undo, { op: "removeResctrlGroup" as const, path: schemata.group }] : record.undo;
  const resources = exactly(mergedResources(record.resources ?? {}, changed)) as object;
  return { change, record: { ...record, undo, resources } };
}

function readTexts(door: RuntimeContext["door"], paths: readonly string[]): FileTexts {
  if (paths.length === 0) return new Map();
  const { values } = send(door, "values", { op: "readValues", paths: [...paths] });
  return new Map(paths.flatMap((path, index) => (typeof values[index] === "string" ? [[path, values[index]] as const] : [])));
}

function updatedUnit(
  context: RuntimeContext,
  record: ContainerRecord,
  changed: Resources,
  options: UpdateOptions,
): UpdatedUnit | undefined {
  const { unit } = record;
  if (!unit) return undefined;
  const { door } = context;
  const { factsWanted, planUnitLimits, deviceProperties } = door.part("systemd");
  const user = isRootless(hostFacts(door), options);
  const runtimeDirectory = options.runtimeDirectory ?? null;
  const wanted = factsWanted({ ociVersion: "1.0.0", linux: { resources: changed } });
  const { facts } = send(door, "systemd", { op: "systemdFacts", user, runtimeDirectory, ...wanted });
  return { ...unit, facts, planUnitLimits, deviceProperties };
}

/** @throws RuntimeError without resctrl */
function planSchemata(
  { door }: RuntimeContext,
  record: ContainerRecord,
  { l3CacheSchema, memBwSchema }: UpdateOptions,
): SchemataChange | undefined {
  const lines: SchemataLine[] = [];
  if (l3CacheSchema) lines.push({ text: l3CacheSchema, pointer: "--l3-cache-schema" });
  if (memBwSchema) lines.push({ text: memBwSchema, pointer: "--mem-bw-schema" });
  const [first] = lines;
  if (!first || !record.process) return undefined;
  const mountpoint = resctrlMount(door);
  if (mountpoint === "") throw refused(first.pointer, "needs a mounted resctrl file system (mount -t resctrl), this host has none");
  const groups = resctrlGroups(door, mountpoint, record.process.pid);
  if (!groups) throw refused(first.pointer, "this kernel does not tell a process's class (/proc/PID/cpu_resctrl_groups)");
  const { name } = groups;
  // The default class is shared with the host: a container in it gets a class of its own.
  const make = name === "";
  return { mountpoint, group: `${mountpoint}/${make ? record.id : name}`, make, cgroup: freezerOf(record) ?? "", lines };
}

/** Saves the record first and restores it on failure, so that it always agrees with the limits in force. */
function carryOut(context: RuntimeContext, { lock, record }: LockedContainer, planned: PlannedChange): void {
  saveRecord(context, lock, planned.record);
  try {
    perform(context.door, { op: "changeLimits", change: planned.change });
  } catch (failure) {
    const error = withReason(context, planned.change, failure);
    try {
      saveRecord(context, lock, record);
    } catch (second) {
      throw withOperation(`undoing it failed too: ${messageOf(second)}`, error);
    }
    throw error;
  }
}

/** Why the kernel refuses a value, where another file of the cgroup says it. The errno alone is a riddle. */
const REFUSALS: readonly {
  file: RegExp;
  errno: string;
  other: (file: string) => string;
  says: (value: string, other: string) => string | undefined;
}[] = [
  {
    file: /^memory\.(memsw\.)?limit_in_bytes$/,
    errno: "EBUSY",
    other: (file) => file.replace("limit", "usage"),
    says: (usage, other) => `${usage} is in use (${other})`,
  },
  {
    file: /^memory\.limit_in_bytes$/,
    errno: "EINVAL",
    other: () => "memory.memsw.limit_in_bytes",
    says: (limit, other) => `at most ${other}, which is ${limit} (--memory-swap)`,
  },
  {
    file: /^memory\.memsw\.limit_in_bytes$/,
    errno: "EINVAL",
    other: () => "memory.limit_in_bytes",
    says: (limit, other) => `at least ${other}, which is ${limit} (--memory)`,
  },
  {
    file: /^cpu\.(shares|weight)$/,
    errno: "EINVAL",
    other: () => "cpu.idle",
    says: (idle) => (idle === "1" ? "the container is idle (--cpu-idle)" : undefined),
  },
];

/** Adds to the error of a refused limit why the kernel refuses it, as far as the cgroup's files tell. */
function withReason({ door }: RuntimeContext, { writes }: LimitChange, error: unknown): unknown {
  if (!isRuntimeError(error) || error.errno === undefined) return error;
  const { code, operation, errno } = error;
  for (const { write } of writes) {
    const file = lastComponent(write.path);
    const refusal = REFUSALS.find((one) => one.errno === errno && one.file.test(file) && operation.includes(`"${file}"`));
    if (!refusal) continue;
    const other = refusal.other(file);
    const value = readTexts(door, [`${parentOf(write.path)}/${other}`])
      .values()
      .next().value as string | undefined;
    const reason = value === undefined ? undefined : refusal.says(value, other);
    if (reason !== undefined)
      return new RuntimeError(`${error.message.slice(operation.length + 2)}: ${reason}`, { code, operation, errno }, error);
  }
  return error;
}

function renamedChange({ change, record }: PlannedChange, nameOf: (pointer: string) => string): PlannedChange {
  const named = <T extends { pointer: string }>(one: T): T => ({ ...one, pointer: nameOf(one.pointer) });
  const unit = change.unit && { ...change.unit, properties: change.unit.properties.map(named) };
  const writes = change.writes.map(({ write, restore }) => ({
    write: { ...named(write), ...(write.ifMissing && { ifMissing: write.ifMissing.map(named) }) },
    restore: restore.map(named),
  }));
  return { change: { ...change, writes, ...(unit && { unit }) }, record };
}

/** An error about a field, with the caller's name for it. */
function renamedError(error: unknown, nameOf: (pointer: string) => string): unknown {
  if (!isRuntimeError(error) || !error.path?.startsWith("/linux/resources") || error.operation !== error.path) return error;
  const name = nameOf(error.path);
  const { code, exitStatus } = error;
  return new RuntimeError(error.message.slice(error.operation.length + 2), { code, operation: name, path: name, exitStatus }, error);
}
