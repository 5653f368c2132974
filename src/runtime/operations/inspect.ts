/** `state` and `list`: read containers without changing them. */

import { observedStatus, peekRecord, stateError } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { isRuntimeError, messageOf, withOperation } from "../errors.js";
import type { ContainerSummary } from "../generated/plan.js";
import { checkId } from "../container/identifier.js";
import { askText, attempt } from "../native.js";
import { ociState } from "../container/oci-state.js";
import type { ContainerState } from "../container/oci-state.js";
import { statusOf } from "../container/status.js";

/** The state of one container (runtime.md#query-state); only `list` names the owner, as with runc. @throws RuntimeError `notFound` for an unknown id. */
export function containerState(context: RuntimeContext, id: string): ContainerState {
  try {
    checkId(id);
    return observe(context, id, () => "");
  } catch (error) {
    throw withOperation(`state ${JSON.stringify(id)}`, error);
  }
}

/** The ids of all containers, sorted. */
export function containerIds({ door, root }: RuntimeContext): string[] {
  const { reply, failure } = attempt(door, "names", { op: "listContainers", root });
  if (reply) return reply.names.filter(isId);
  if (failure.code === "notFound") return [];
  throw withOperation("list", stateError(failure));
}

/** The states of all containers. One that cannot be read gives a warning; one that is deleted meanwhile is left out. */
export function listContainers(context: RuntimeContext): ContainerState[] {
  const { door, root } = context;
  const states: ContainerState[] = [];
  const owners = new Map<number, string>();
  const ownerOf = (uid: number): string => {
    const owner = owners.get(uid) ?? askText(door, { op: "userName", uid });
    owners.set(uid, owner);
    return owner;
  };
  const { reply, failure } = attempt(door, "summaries", { op: "summarizeContainers", root });
  if (failure?.code === "notFound") return [];
  if (failure) throw withOperation("list", stateError(failure));
  const { names, summaries } = reply;
  for (let index = 0; index < names.length; index++) {
    const [id, found] = [names[index] as string, summaries[index]];
    try {
      if (found) states.push(summarizedState(id, found, ownerOf));
      else if (isId(id)) states.push(observe(context, id, ownerOf));
    } catch (error) {
      if (isRuntimeError(error) && error.code === "notFound") continue;
      context.log("warning", `list ${JSON.stringify(id)}: ${messageOf(error)}`);
    }
  }
  return states;
}

function summarizedState(id: string, found: ContainerSummary, ownerOf: (uid: number) => string): ContainerState {
  const { status: recorded, bundle, rootfs, created, annotations, alive, frozen, ownerUid } = found;
  const reported = { id, bundle, rootfs, created, ...(annotations && { annotations }), process: found };
  return ociState(reported, statusOf({ recorded, locked: false, alive, frozen }), ownerOf(ownerUid));
}

function observe(context: RuntimeContext, id: string, ownerOf: (uid: number) => string): ContainerState {
  const record = peekRecord(context, id);
  return ociState(record, observedStatus(context, record), ownerOf(record.ownerUid));
}

function isId(name: string): boolean {
  try {
    checkId(name);
    return true;
  } catch {
    return false; // another file in the directory, or a container that is being created or removed
  }
}
