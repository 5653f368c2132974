/** `events ID`: prints a container's resource usage and OOM events, one JSON object per line. */

import { containerEvents, containerStats, eventJson, isRuntimeError } from "../../runtime/runtime.js";
import type { ContainerEvent } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { parseDuration } from "../duration.js";
import { EXIT_STATUS } from "../exit-status.js";
import { usageError } from "../usage.js";

const DEFAULT_INTERVAL = "5s";
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

export function run({ door, values, switches, args, context }: CommandCall): number {
  const id = args[0] ?? "";
  const intervalMilliseconds = interval(values["interval"] ?? DEFAULT_INTERVAL);
  const print = (event: ContainerEvent): void => door.write(1, `${eventJson(event)}\n`);
  if (switches.has("stats")) {
    print({ type: "stats", id, data: containerStats(context(), id) });
    return EXIT_STATUS.success;
  }
  try {
    for (const event of containerEvents(context(), id, { intervalMilliseconds, endsWithOutput: true })) print(event);
  } catch (error) {
    // Ending `events` by a signal is not an error.
    if (isRuntimeError(error) && error.code === "interrupted") return error.exitStatus;
    throw error;
  }
  return EXIT_STATUS.success;
}

/** In milliseconds, at least one. */
function interval(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined) {
    throw usageError("events", `flag "--interval" is a duration such as 500ms, 5s or 1m30s, not ${JSON.stringify(text)}`);
  }
  if (nanoseconds <= 0n)
    throw usageError("events", `flag "--interval": duration interval must be greater than 0, not ${JSON.stringify(text)}`);
  return Number((nanoseconds + NANOSECONDS_PER_MILLISECOND - 1n) / NANOSECONDS_PER_MILLISECOND);
}
