/** `delete`: destroys a container and removes its state (runtime.md#delete). */

import { lockedStatus, readRecord, withLock } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { RuntimeError, isRuntimeError, withOperation } from "../errors.js";
import { perform } from "../native.js";
import type { ContainerRecord } from "../container/record.js";
import { destroy, killAndWait } from "../container/teardown.js";

export interface DeleteOptions {
  /** Kill a running container first. A missing container is no error. */
  force?: boolean | undefined;
}

/**
 * Deletes a stopped container. With `force` it deletes any: running processes are killed, a create, run or start that is stuck is ended, and if
 * state.json is damaged only the directory is removed.
 * @throws RuntimeError `notFound` without `force`, `wrongStatus` for a container that is not stopped (runtime.md#delete).
 */
export function deleteContainer(context: RuntimeContext, id: string, { force }: DeleteOptions): void {
  try {
    withLock(context, id, { kind: force ? "takeOver" : "wait" }, (lock) => {
      const record = force ? readableRecord(context, id, lock) : readRecord(context, id, lock);
      if (!record) {
        perform(context.door, { op: "removeContainer", handle: lock });
        return;
      }
      const status = lockedStatus(context, { lock, record });
      if (!force && status !== "stopped") {
        throw new RuntimeError(`cannot delete container ${id} that is not stopped: ${status}`, { code: "wrongStatus" });
      }
      if (status !== "stopped") killAndWait(context, record, status);
      else if (record.status === "creating") perform(context.door, { op: "killUnfinished", lock });
      destroy(context, { lock, record });
    });
  } catch (error) {
    if (force && isRuntimeError(error) && error.code === "notFound") return;
    throw withOperation(`delete ${JSON.stringify(id)}`, error);
  }
}

/** The record; undefined if it is damaged, because then what to undo is unknown. */
function readableRecord(context: RuntimeContext, id: string, lock: number): ContainerRecord | undefined {
  try {
    return readRecord(context, id, lock);
  } catch (error) {
    if (!isRuntimeError(error) || error.code !== "corruptState") throw error;
    context.log("warning", `${error.message}; its directory is removed, its cgroups and mounts, if any, stay`);
    return undefined;
  }
}
