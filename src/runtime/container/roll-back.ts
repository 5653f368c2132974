/**
 * Undoes a failed create or restore. ARCHITECTURE.md ("Undoing a failed create") has the whole order and says why the native layer undoes a
 * part itself.
 */

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
  /** Requests that end the processes and release what only they used. Closing the handle of a process that is not released kills it. */
  first: readonly Request[];
  /**
   * Whether the request that makes the cgroups succeeded. If it failed, it has removed the cgroups it made, and a cgroup that the record names
   * may belong to another container by now.
   */
  ownsCgroups: boolean;
}

/**
 * Undoes in this order: the processes (`first`), the record's undo list (mounts, cgroups, unit, resctrl groups), the state directory, which keeps
 * that list for a `delete` until then. The poststop hooks run last. Each step is tried even if an earlier one failed.
 * @returns the error to throw, with what could not be undone
 */
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
