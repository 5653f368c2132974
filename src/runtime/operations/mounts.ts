/** `mounts add` and `mounts remove`: change the mounts of a running container. */

import { observedStatus, peekRecord } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import type { ContainerRecord } from "../container/record.js";
import { RuntimeError, errorFromFailure, withOperation } from "../errors.js";
import type { HostFacts, MountPoint, Operation, ProcessIdentity } from "../generated/plan.js";
import { attempt, hostFacts, send } from "../native.js";
import { faultsOf, loadPart, pointerInFile } from "../part-document.js";
import { planCrunSettings } from "../plan/crun-settings.js";
import { planMounts } from "../plan/mounts.js";
import { cleanAbsolute } from "../plan/paths.js";
import type { Fault } from "../spec/fault.js";
import type { ContainerMappings } from "../spec/idmap-option.js";
import type { Mount } from "../spec/generated/spec-types.js";
import type { ValidatedSpec } from "../spec/load.js";

/**
 * Adds the mounts of a file to a container, all or none. Sources are resolved in the caller's mount namespace.
 * @param file a JSON array in the form of `mounts` in config.json
 */
export function addMounts(context: RuntimeContext, id: string, file: string): void {
  change(context, { id, file, verb: "add" });
}

/** Unmounts the topmost mount at each destination of a file, all or none. @param file as for `addMounts` */
export function removeMounts(context: RuntimeContext, id: string, file: string): void {
  change(context, { id, file, verb: "remove" });
}

/** A valid configuration needs a process. */
const WITHOUT_PROCESS = { process: { args: ["none"], cwd: "/" } };

interface ChangeRequest {
  id: string;
  file: string;
  verb: "add" | "remove";
}

function change(context: RuntimeContext, { id, file, verb }: ChangeRequest): void {
  try {
    const record = peekRecord(context, id);
    const status = observedStatus(context, record);
    if (status === "paused") throw new RuntimeError("cannot change the mounts of a paused container", { code: "wrongStatus" });
    if (!record.process || status === "stopped" || status === "creating") throw notRunning();
    if (!record.namespaces.includes("mount"))
      throw new RuntimeError("the container has no mount namespace of its own", { code: "unsupported" });
    const facts = hostFacts(context.door);
    const mappings = record.namespaces.includes("user") ? mappingsOf(context.door, record.process) : {};
    const rootless = facts.euid !== 0;
    const cut = verb === "remove" ? destinationsOf : undefined;
    const spec = loadPart(context.door, record, { file, member: "mounts", rest: WITHOUT_PROCESS, rootless, mappings, cut });
    if (verb === "add") warnOfMounts(context, spec, file);
    const { namespaces, chroot = false, process: init } = record;
    const changes =
      verb === "add" ? { add: planAdded(spec, record, { file, facts }), remove: [] } : { add: [], remove: pointsOf(spec.mounts) };
    const plan = { init, namespaces, chroot, ...changes };
    const { failure } = attempt(context.door, "done", { op: "changeMounts", root: context.root, id, plan });
    if (failure) throw failure.code === "finished" ? notRunning() : errorFromFailure(failure);
  } catch (error) {
    throw withOperation(`mounts ${verb} ${JSON.stringify(id)}`, error);
  }
}

/** The entries of a file reduced to their destinations, as mounts that no rule refuses. */
function destinationsOf(part: unknown): unknown {
  if (!Array.isArray(part)) return part;
  return part.map((entry: unknown) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return entry;
    const { destination } = entry as { destination?: unknown };
    return { destination, source: "none", options: ["bind"] };
  });
}

function warnOfMounts(context: RuntimeContext, spec: ValidatedSpec, file: string): void {
  const found = context.door.part("warnings").warningsOf(spec, { leftOut: [], hasUnit: true, rootless: false });
  for (const { pointer, message, rule } of found) {
    const own = pointerInFile("mounts", pointer);
    context.log("warning", `${file}: ${own}: ${message}`, { pointer: own, message, rule });
  }
}

/** The mappings of the container's user namespace, new or joined. Empty if the process has ended, which is detected later. */
function mappingsOf(door: RuntimeContext["door"], { pid }: ProcessIdentity): ContainerMappings {
  const { values } = send(door, "values", { op: "readValues", paths: [`/proc/${pid}/uid_map`, `/proc/${pid}/gid_map`] });
  const [uidMappings, gidMappings] = values.map((text) =>
    [...(text ?? "").matchAll(/^ *(\d+) +(\d+) +(\d+)$/gm)].map(([, containerID, hostID, size]) => ({
      containerID: Number(containerID),
      hostID: Number(hostID),
      size: Number(size),
    })),
  );
  return { ...(uidMappings && { uidMappings }), ...(gidMappings && { gidMappings }) };
}

function notRunning(): RuntimeError {
  return new RuntimeError("container not running", { code: "wrongStatus" });
}

interface FileContext {
  file: string;
  facts: HostFacts;
}

function planAdded(spec: ValidatedSpec, record: ContainerRecord, { file, facts }: FileContext): Operation[] {
  refuse(spec.mounts ?? [], file);
  const inUserNamespace = record.namespaces.includes("user");
  const { operations, late } = planMounts(spec, {
    facts,
    placements: [],
    ownCgroupNamespace: false,
    joinsCgroupNamespace: false,
    inUserNamespace,
    bundle: record.bundle,
    ownerMap: inUserNamespace ? { uidMappings: [], gidMappings: [] } : undefined,
    mappings: spec.linux ?? {},
    mountLabel: record.mountLabel,
    contextType: planCrunSettings(record.annotations).contextType,
  });
  return [...operations, ...late].map((operation) =>
    operation.op === "mount" ? { ...operation, pointer: pointerInFile("mounts", operation.pointer) } : operation,
  );
}

/** Refuses what works only while a container is created. */
function refuse(mounts: readonly Mount[], file: string): void {
  const faults = mounts.flatMap(({ type, options = [] }, index): Fault[] => {
    const remount = options.indexOf("remount");
    if (remount >= 0)
      return [{ pointer: `/${index}/options/${remount}`, found: '"remount"', allowed: "mounts that are new", rule: "mounts-add" }];
    if (type === "cgroup" || type === "cgroup2")
      return [{ pointer: `/${index}/type`, found: JSON.stringify(type), allowed: "any type but cgroup and cgroup2", rule: "mounts-add" }];
    return [];
  });
  if (faults.length > 0) throw faultsOf(file, "mounts", faults);
}

function pointsOf(mounts: readonly Mount[] = []): MountPoint[] {
  return mounts.map(({ destination }, index) => ({ path: cleanAbsolute(destination), pointer: `/${index}` }));
}
