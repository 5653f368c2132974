/** Derives a container's status from its record and its processes (runtime.md#state). Pure. */

/** The status in state.json: set before the first clone, after the setup, and after the user's program was executed. */
export type RecordedStatus = "creating" | "created" | "running";

/** `paused` is this runtime's addition to the specification's four. */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** What is known about a container. */
export interface Observation {
  recorded: RecordedStatus;
  /** Another process holds the container's lock: it is being created, started or deleted. */
  locked: boolean;
  /** The container's first process is alive. */
  alive: boolean;
  frozen: boolean;
  /** The process waits at the start gate; undefined if this was not tested. */
  atGate?: boolean | undefined;
}

/** A container that is `creating` but not locked is the remainder of a create that was killed: it is stopped. So is one whose process is gone. */
export function statusOf({ recorded, locked, alive, frozen, atGate }: Observation): Status {
  if (recorded === "creating") return locked ? "creating" : "stopped";
  if (!alive) return "stopped";
  if (frozen) return "paused";
  // The start was killed after it opened the gate and before it saved the record.
  if (recorded === "created" && atGate === false) return "running";
  return recorded;
}
