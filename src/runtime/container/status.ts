/** What a container's status is, from what was recorded and what can be seen (runtime.md#state). Pure. */

/** What state.json says: set before the first clone, after the setup, after the user's program was executed. */
export type RecordedStatus = "creating" | "created" | "running";

/** `paused` is this runtime's addition to the specification's four. */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** What can be seen of a container. */
export interface Observation {
  recorded: RecordedStatus;
  /** Another process holds the container's lock: it is being created, started or deleted. */
  locked: boolean;
  /** The container's first process lives. */
  alive: boolean;
  frozen: boolean;
  /** The process waits at the start gate; undefined where nobody asked. */
  atGate?: boolean | undefined;
}

/** A `creating` that nobody works on any more died half-way: it is stopped. So is everything whose process is gone. */
export function statusOf({ recorded, locked, alive, frozen, atGate }: Observation): Status {
  if (recorded === "creating") return locked ? "creating" : "stopped";
  if (!alive) return "stopped";
  if (frozen) return "paused";
  // A start that was killed after it opened the gate could not record it.
  if (recorded === "created" && atGate === false) return "running";
  return recorded;
}
