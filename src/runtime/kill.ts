/** `kill`: sends a signal to a container (runtime.md#kill). */

import { lockedStatus, withContainer } from "./container.js";
import type { RuntimeContext } from "./context.js";
import { RuntimeError, isRuntimeError, withOperation } from "./errors.js";
import { perform } from "./native.js";
import { parseSignal } from "./signals.js";

export interface KillOptions {
  /** Name or number. */
  signal: string;
  /** Every process of the container's cgroups, also those that a stopped container without a pid namespace of its own left. */
  all?: boolean | undefined;
}

/** Sends a signal. @throws RuntimeError `wrongStatus` for a stopped container, `invalidArgument` for an unknown signal. */
export function killContainer(context: RuntimeContext, id: string, { signal, all }: KillOptions): void {
  try {
    const number = parseSignal(signal);
    withContainer(context, id, (container) => {
      const { process, cgroups, ownPidNamespace } = container.record;
      const stopped = lockedStatus(context, container) === "stopped";
      const cgroup = cgroups.freezer ?? cgroups.paths[0];
      // All processes of a pid namespace end with its first one: whatever is in the cgroup of a stopped container is somebody else's.
      if (all && cgroup !== undefined && !(stopped && ownPidNamespace)) {
        perform(context.host, { op: "killCgroup", paths: [cgroup], signal: number });
      } else if (stopped || !process) {
        throw new RuntimeError("container not running", { code: "wrongStatus" });
      } else {
        perform(context.host, { op: "kill", process, signal: number });
      }
    });
  } catch (error) {
    if (isRuntimeError(error) && error.code === "finished") {
      throw new RuntimeError("container not running", { code: "wrongStatus", operation: `kill ${JSON.stringify(id)}` });
    }
    throw withOperation(`kill ${JSON.stringify(id)}`, error);
  }
}
