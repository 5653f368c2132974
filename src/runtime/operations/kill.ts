/** `kill`: sends a signal to a container (runtime.md#kill). */

import { processCgroup, withoutCgroup } from "../container/process-cgroup.js";
import { lockedStatus, peekRecord, withContainer } from "../container/container.js";
import type { LockedContainer } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { RuntimeError, isRuntimeError, withOperation } from "../errors.js";
import { askFlag, perform } from "../native.js";
import { freezerOf } from "../container/record.js";
import { parseSignal } from "../signals.js";
import { SIGKILL } from "../container/teardown.js";

export interface KillOptions {
  /** Name or number. */
  signal: string;
  /**
   * Every process of the container's cgroups, also those that a stopped container without a pid namespace of its own left. A container
   * without any is no error then.
   */
  all?: boolean | undefined;
}

/** How long a kill waits for a process that creates, starts or deletes the container. */
const PATIENCE_MILLISECONDS = 1000;

/** A signal by its number, and whom it is for. */
interface Order {
  signal: number;
  all: boolean;
}

/**
 * Sends a signal. SIGKILL reaches every process of a container without a pid namespace of its own, as with runc.
 * @throws RuntimeError `wrongStatus` for a stopped container, `invalidArgument` for an unknown signal.
 */
export function killContainer(context: RuntimeContext, id: string, { signal, all }: KillOptions): void {
  try {
    const order: Order = { signal: parseSignal(signal), all: all ?? false };
    try {
      withContainer(context, id, { kind: "patience", milliseconds: PATIENCE_MILLISECONDS }, (container) =>
        deliver(context, container, order),
      );
    } catch (error) {
      if (!hasCode(error, "locked")) throw error;
      deliverToBusy(context, id, order, error);
    }
  } catch (error) {
    if (hasCode(error, "finished")) throw withOperation(`kill ${JSON.stringify(id)}`, notRunning());
    throw withOperation(`kill ${JSON.stringify(id)}`, error);
  }
}

function deliver(context: RuntimeContext, container: LockedContainer, order: Order): void {
  const { process, ownPidNamespace } = container.record;
  const freezer = freezerOf(container.record);
  const stopped = lockedStatus(context, container) === "stopped";
  const cgroup = processCgroup(container.record);
  // All processes of a pid namespace end with its first one: whatever is in the cgroup of a stopped container is somebody else's.
  if (reachesAll(order, ownPidNamespace) && !(stopped && ownPidNamespace)) {
    if (cgroup === undefined && order.all && !stopped) throw withoutCgroup();
    if (cgroup !== undefined && askFlag(context.door, { op: "killCgroup", paths: [cgroup], signal: order.signal })) return;
  }
  if (stopped || !process) {
    if (order.all) return;
    throw notRunning();
  }
  perform(context.door, { op: "kill", process, signal: order.signal });
  // What is frozen does not even die in cgroup v1.
  if (order.signal === SIGKILL && freezer !== undefined) perform(context.door, { op: "thawKilled", path: freezer });
}

/**
 * Signals a container that another process works on for long: stuck in a hook, or on an init that was stopped. Nobody waits for it.
 * @param locked what to throw where that process had to be waited for
 */
function deliverToBusy(context: RuntimeContext, id: string, order: Order, locked: unknown): void {
  const { process, ownPidNamespace } = peekRecord(context, id);
  if (process && !reachesAll(order, ownPidNamespace)) {
    perform(context.door, { op: "kill", process, signal: order.signal });
  } else if (order.signal === SIGKILL) {
    endWithMaker(context, id, order);
  } else {
    throw process ? locked : new RuntimeError("cannot signal a container that is being created", { code: "wrongStatus" });
  }
}

/** Ends all of a container, and the process that works on it; the container may be gone with that, which is what was wanted. */
function endWithMaker(context: RuntimeContext, id: string, order: Order): void {
  try {
    withContainer(context, id, { kind: "takeOver" }, (container) => deliver(context, container, { ...order, all: true }));
  } catch (error) {
    if (!hasCode(error, "notFound")) throw error;
  }
}

/** Whether every process has to be signalled. SIGKILL to the first one of a pid namespace ends them all. */
function reachesAll({ signal, all }: Order, ownPidNamespace: boolean): boolean {
  return signal === SIGKILL ? !ownPidNamespace : all;
}

function hasCode(error: unknown, code: RuntimeError["code"]): boolean {
  return isRuntimeError(error) && error.code === code;
}

function notRunning(): RuntimeError {
  return new RuntimeError("container not running", { code: "wrongStatus" });
}
