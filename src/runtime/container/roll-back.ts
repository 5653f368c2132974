/** Undoing a container that was begun. */

import { RuntimeError, isRuntimeError, messageOf } from "../errors.js";
import type { Request, Undo } from "../generated/plan.js";
import { perform } from "../native.js";
import type { RuntimeContext } from "./context.js";
import type { ContainerRecord } from "./record.js";
import { runPoststop } from "./teardown.js";

export interface BegunContainer {
  /** Handle of the container's lock. */
  lock: number;
  record: ContainerRecord;
  /** What ends the processes and gives back what only they used. */
  first: readonly Request[];
  /** The cgroups that are there now are the container's. Where they could not be made, the native layer has removed its own, and others' may be there. */
  ownsCgroups: boolean;
}

/** Undoes what was done: `first`, what the record says, the state directory; then poststop hooks. Each step is tried. @returns what to throw */
export function rollBack(context: RuntimeContext, { lock, record, first, ownsCgroups }: BegunContainer, error: unknown): unknown {
  const steps = ownsCgroups ? record.undo : record.undo.filter(isNoCgroup);
  const requests: Request[] = [
    ...first,
    ...(steps.length > 0 ? [{ op: "undo", steps } as const] : []),
    { op: "removeContainer", handle: lock },
    { op: "close", handle: lock },
  ];
  const failures: string[] = [];
  for (const request of requests) {
    try {
      perform(context.door, request);
    } catch (failure) {
      failures.push(messageOf(failure));
    }
  }
  runPoststop(context, record);
  if (failures.length === 0) return error;
  const facts = isRuntimeError(error) ? { code: error.code, exitStatus: error.exitStatus } : { code: "other" as const };
  return new RuntimeError(`${messageOf(error)}; undoing it failed too: ${failures.join("; ")}`, facts);
}

function isNoCgroup({ op }: Undo): boolean {
  return op !== "removeCgroup" && op !== "removeVacatedCgroup" && op !== "removeEmptyCgroup";
}
