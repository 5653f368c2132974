/** `start`: opens a created container's gate, so that the user's program runs (runtime.md#start). */

import { lockedStatus, saveRecord, withContainer } from "../container/container.js";
import type { LockedContainer } from "../container/container.js";
import { RuntimeError, messageOf, withOperation } from "../errors.js";
import type { RuntimeContext } from "../container/context.js";
import type { ProcessIdentity } from "../generated/plan.js";
import { perform, send } from "../native.js";
import { explainOom } from "../container/out-of-memory.js";
import { awaitReadiness } from "../container/notify.js";
import { hookState } from "../container/oci-state.js";
import type { Status } from "../container/status.js";
import type { ContainerRecord } from "../container/record.js";
import { destroy, killAndWait } from "../container/teardown.js";

/** Options of `start`. */
export interface StartOptions {
  /** Socket of the caller's service manager (sd_notify(3)), which `create` must have been given too. */
  notifySocket?: string | undefined;
}

/**
 * Starts a created container: startContainer hooks, the user's program, poststart hooks. Returns when the program runs.
 * @throws RuntimeError for a container that is not `created`; when the program or a hook fails, the container is gone.
 */
export function startContainer(context: RuntimeContext, id: string, options: StartOptions = {}): void {
  const { door } = context;
  try {
    let notify: number | undefined;
    let process: ProcessIdentity | undefined;
    withContainer(context, id, { kind: "interruptible" }, (container) => {
      refuseUnlessCreated(lockedStatus(context, container));
      const { lock, record } = container;
      try {
        notify = send(door, "started", { op: "start", lock, notifySocket: options.notifySocket || null }).notify ?? undefined;
      } catch (error) {
        throw explainOom(context, record, error);
      }
      finishStart(context, container);
      process = container.record.process;
    });
    // Without the lock: this may take long, and other commands must be able to inspect and kill the container.
    if (process) awaitReadiness(door, notify, process);
  } catch (error) {
    throw withOperation(`start ${JSON.stringify(id)}`, error);
  }
}

/**
 * Records that the program runs, and runs the poststart hooks. A failing hook stops and destroys the container
 * (runtime.md#lifecycle, 9). @throws RuntimeError of the hook.
 */
export function finishStart(context: RuntimeContext, { lock, record }: LockedContainer): void {
  const running: ContainerRecord = { ...record, status: "running" };
  if (record.status !== "running") recordIfPossible(context, lock, running);
  if (record.poststart.length === 0) return;
  try {
    perform(context.door, {
      op: "runHooks",
      hooks: record.poststart,
      state: hookState(running, "running"),
      output: record.hookOutput ?? null,
    });
  } catch (error) {
    killAndWait(context, running);
    destroy(context, { lock, record: running });
    throw error;
  }
}

/** A state root without space must not fail the start. Without the record the status is still `running`, because no process listens at the gate. */
function recordIfPossible(context: RuntimeContext, lock: number, running: ContainerRecord): void {
  try {
    saveRecord(context, lock, running);
  } catch (error) {
    context.log("debug", messageOf(error));
  }
}

/** runc's texts, which callers look for. */
function refuseUnlessCreated(status: Status): void {
  switch (status) {
    case "created":
      return;
    case "stopped":
      throw new RuntimeError("cannot start a container that has stopped", { code: "wrongStatus" });
    case "running":
      throw new RuntimeError("cannot start an already running container", { code: "wrongStatus" });
    case "creating":
    case "paused":
      throw new RuntimeError(`cannot start a container in the ${status} state`, { code: "wrongStatus" });
  }
}
