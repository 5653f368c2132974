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
   * Signal every process in the container's cgroups, also those that a stopped container without its own pid namespace left behind. It is no
   * error if there are none.
   */
  all?: boolean | undefined;
}

/** How long to wait for a process that creates, starts or deletes the container. */
const LOCK_TIMEOUT_MILLISECONDS = 1000;

/** A signal by its number, and its recipients. */
interface Order {
  signal: number;
  all: boolean;
}

/**
 * Sends a signal. SIGKILL reaches every process of a container without its own pid namespace, as with runc.
 * @throws RuntimeError `wrongStatus` for a stopped container, `invalidArgument` for an unknown signal.
 */
export function killContainer(context: RuntimeContext, id: string, { signal, all }: KillOptions): void {
  try {
    const order: Order = { signal: parseSignal(signal), all: all ?? false };
    try {
      withContainer(context, id, { kind: "timeout", milliseconds: LOCK_TIMEOUT_MILLISECONDS }, (container) =>
        deliver(context, container, order),
      );
    } catch (error) {
      if (!hasCode(error, "locked")) throw error;
      deliverWhileLocked(context, id, order, error);
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
  // All processes of a pid namespace die with its first one, so processes in the cgroup of a stopped container are not the container's.
  if (reachesAll(order, ownPidNamespace) && !(stopped && ownPidNamespace)) {
    if (cgroup === undefined && order.all && !stopped) throw withoutCgroup();
    if (cgroup !== undefined && askFlag(context.door, { op: "killCgroup", paths: [cgroup], signal: order.signal })) return;
  }
  if (stopped || !process) {
    if (order.all) return;
    throw notRunning();
  }
  perform(context.door, { op: "kill", process, signal: order.signal });
  // On cgroup v1 a frozen process does not die until it is thawed.
  if (order.signal === SIGKILL && freezer !== undefined) perform(context.door, { op: "thawKilled", path: freezer });
}

/**
 * Signals a container whose lock another process holds for long, for example because a hook or a stopped init is stuck. Does not wait.
 * @param locked the error to throw if the signal cannot be sent without the lock
 */
function deliverWhileLocked(context: RuntimeContext, id: string, order: Order, locked: unknown): void {
  const { process, ownPidNamespace } = peekRecord(context, id);
  if (process && !reachesAll(order, ownPidNamespace)) {
    perform(context.door, { op: "kill", process, signal: order.signal });
  } else if (order.signal === SIGKILL) {
    killWithLockHolder(context, id, order);
  } else {
    throw process ? locked : new RuntimeError("cannot signal a container that is being created", { code: "wrongStatus" });
  }
}

/** Kills all processes of a container, and the process that holds its lock. That may already remove the container. */
function killWithLockHolder(context: RuntimeContext, id: string, order: Order): void {
  try {
    withContainer(context, id, { kind: "takeOver" }, (container) => deliver(context, container, { ...order, all: true }));
  } catch (error) {
    if (!hasCode(error, "notFound")) throw error;
  }
}

/** Whether every process has to be signalled. SIGKILL to the first process of a pid namespace kills them all. */
function reachesAll({ signal, all }: Order, ownPidNamespace: boolean): boolean {
  return signal === SIGKILL ? !ownPidNamespace : all;
}

function hasCode(error: unknown, code: RuntimeError["code"]): boolean {
  return isRuntimeError(error) && error.code === code;
}

function notRunning(): RuntimeError {
  return new RuntimeError("container not running", { code: "wrongStatus" });
}
