/** `pause` and `resume`: freeze and thaw all processes of a container. */

import { withoutCgroup } from "../container/process-cgroup.js";
import { lockedStatus, withContainer } from "../container/container.js";
import type { LockedContainer } from "../container/container.js";
import type { RuntimeContext } from "../container/context.js";
import { freezerOf } from "../container/record.js";
import { RuntimeError, withOperation } from "../errors.js";
import { perform } from "../native.js";

/** How long a cgroup may take to freeze: a process in uninterruptible sleep, waiting for a disk or a network file system, is not frozen until it wakes up. */
const FREEZE_TIMEOUT_MILLISECONDS = 10_000;

/**
 * Freezes a running or created container. If that fails it is thawed again.
 * @throws RuntimeError `wrongStatus` for any other container, `unsupported` for one without a cgroup of its own.
 */
export function pauseContainer(context: RuntimeContext, id: string): void {
  changed("pause", context, id, (container) => {
    const status = lockedStatus(context, container);
    if (status !== "running" && status !== "created") {
      // runc's text, which callers look for.
      const reason = status === "stopped" ? "" : `: it is ${status}`;
      throw new RuntimeError(`container not running${reason}`, { code: "wrongStatus" });
    }
    const path = cgroupOf(container);
    perform(context.door, { op: "freeze", path, timeoutMilliseconds: FREEZE_TIMEOUT_MILLISECONDS });
    if (lockedStatus(context, container) === "paused") return;
    // The container ended meanwhile: an empty cgroup counts as frozen.
    perform(context.door, { op: "thaw", path });
    throw new RuntimeError("container not running", { code: "wrongStatus" });
  });
}

/** Thaws a paused container. @throws RuntimeError `wrongStatus` for any other container. */
export function resumeContainer(context: RuntimeContext, id: string): void {
  changed("resume", context, id, (container) => {
    if (lockedStatus(context, container) !== "paused") throw new RuntimeError("container not paused", { code: "wrongStatus" });
    perform(context.door, { op: "thaw", path: cgroupOf(container) });
  });
}

function changed(verb: string, context: RuntimeContext, id: string, change: (container: LockedContainer) => void): void {
  try {
    withContainer(context, id, { kind: "interruptible" }, change);
  } catch (error) {
    throw withOperation(`${verb} ${JSON.stringify(id)}`, error);
  }
}

function cgroupOf({ record }: LockedContainer): string {
  const path = freezerOf(record);
  if (path === undefined) throw withoutCgroup();
  return path;
}
