/** `run`: creates and starts a container, then waits for it or, detached, leaves it. */

import { launchContainer } from "./create.js";
import type { CreateOptions } from "./create.js";
import type { RuntimeContext } from "../container/context.js";
import { isRuntimeError, messageOf, withOperation } from "../errors.js";
import { perform, send } from "../native.js";
import { deleteContainer } from "./delete.js";
import { awaitReadiness } from "../container/notify.js";
import { finishStart } from "./start.js";

/** Options of `run`. */
export interface RunOptions extends CreateOptions {
  /** Return once the program runs. */
  detach?: boolean | undefined;
  /** Do not delete the container when its program has ended. */
  keep?: boolean | undefined;
  /** Adopt and reap the container's orphans while waiting for it. Default true. */
  subreaper?: boolean | undefined;
}

/**
 * Runs a container. Unless detached, forwards signals and the terminal until its program ends, then deletes it.
 * @returns the exit status as in a shell, 0 when detached. @throws RuntimeError if it cannot be run.
 */
export function runContainer(context: RuntimeContext, id: string, options: RunOptions): number {
  try {
    return options.detach ? runDetached(context, id, options) : runForeground(context, id, options);
  } catch (error) {
    throw withOperation(`run ${JSON.stringify(id)}`, error);
  }
}

function runDetached(context: RuntimeContext, id: string, options: RunOptions): number {
  const { door } = context;
  const container = launchContainer(context, { id, options, continuation: "detach" });
  try {
    finishStart(context, container);
  } finally {
    perform(door, { op: "close", handle: container.process.handle });
    perform(door, { op: "close", handle: container.lock });
  }
  awaitReadiness(door, container.notify, container.process.process);
  return 0;
}

function runForeground(context: RuntimeContext, id: string, options: RunOptions): number {
  const { door } = context;
  const subreaper = options.subreaper ?? true;
  const container = launchContainer(context, { id, options, continuation: "foreground", subreaper });
  const { handle } = container.process;
  try {
    finishStart(context, container);
  } finally {
    // Other commands need the lock to signal or delete the container while it runs.
    perform(door, { op: "close", handle: container.lock });
  }
  try {
    const { status } = send(door, "exit", {
      op: "foreground",
      handle,
      subreaper,
      notify: container.notify ?? null,
    });
    if (!options.keep) removeAfterExit(context, id);
    return status;
  } finally {
    perform(door, { op: "close", handle });
  }
}

/** Another process may have deleted the container meanwhile. A failure is only a warning, so that the program's exit status is returned. */
export function removeAfterExit(context: RuntimeContext, id: string): void {
  try {
    deleteContainer(context, id, { force: true });
  } catch (error) {
    if (isRuntimeError(error) && error.code === "notFound") return;
    context.log("warning", messageOf(error));
  }
}
