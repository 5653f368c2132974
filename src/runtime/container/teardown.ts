/** Takes a container down: shared by `delete`, a failed `create` and a failed poststart hook. */

import type { LockedContainer } from "./container.js";
import type { RuntimeContext } from "./context.js";
import { RuntimeError, errorFromFailure, messageOf } from "../errors.js";
import type { ProcessIdentity } from "../generated/plan.js";
import { askFlag, attempt, perform } from "../native.js";
import { hookState } from "./oci-state.js";
import { freezerOf } from "./record.js";
import type { ContainerRecord } from "./record.js";
import type { Status } from "./status.js";

/** How long to wait for the exit of a killed process. One in uninterruptible sleep may never exit. */
const KILL_TIMEOUT_MILLISECONDS = 10_000;

export const SIGKILL = 9;

/** A killed process that has not exited by then is most likely frozen. */
const FROZEN_AFTER_MILLISECONDS = 100;

/**
 * How long to wait for the exit after each thaw. Short at first: a process that freezes the killed one again in a loop loses the race only
 * now and then. Then longer, so that a process that cannot exit costs little.
 */
const THAW_ROUNDS = [
  { rounds: 500, milliseconds: 2 },
  { rounds: 90, milliseconds: 100 },
] as const;

/**
 * Kills the container's processes and waits until the first one is gone.
 * @param status the container's status, if known
 * @throws RuntimeError if the process does not exit
 */
export function killAndWait({ door }: RuntimeContext, record: ContainerRecord, status: Status = "running"): void {
  const { process, cgroups, ownPidNamespace } = record;
  const freezer = freezerOf(record);
  if (!process) return;
  killIfThere(door, process);
  // Without an own pid namespace no other process dies with the first one.
  if (!ownPidNamespace && cgroups.length > 0) askFlag(door, { op: "killCgroup", paths: cgroups.map(({ path }) => path), signal: SIGKILL });
  if (status === "paused" && freezer !== undefined) perform(door, { op: "thawKilled", path: freezer });
  if (isGone(door, process, freezer === undefined ? KILL_TIMEOUT_MILLISECONDS : FROZEN_AFTER_MILLISECONDS)) return;
  // On cgroup v1 SIGKILL has no effect on a frozen process. It may be in a cgroup below the container's, and another process may freeze it
  // again: kill and thaw all of them until the first process is gone.
  if (freezer !== undefined) {
    for (const { rounds, milliseconds } of THAW_ROUNDS) {
      for (let round = 0; round < rounds; round++) {
        askFlag(door, { op: "killCgroup", paths: [freezer], signal: SIGKILL });
        if (isGone(door, process, milliseconds)) return;
      }
    }
  }
  throw new RuntimeError("container init still running", { code: "other", operation: `kill process ${process.pid}` });
}

function isGone(door: RuntimeContext["door"], process: ProcessIdentity, timeoutMilliseconds: number): boolean {
  return askFlag(door, { op: "waitGone", process, timeoutMilliseconds });
}

function killIfThere(door: RuntimeContext["door"], process: ProcessIdentity): void {
  const { failure } = attempt(door, "done", { op: "kill", process, signal: SIGKILL });
  if (failure && failure.code !== "finished") throw errorFromFailure(failure);
}

/**
 * Undoes what `create` did, removes the state directory, then runs poststop hooks, whose failures are warnings
 * (runtime.md#lifecycle, 12 and 13). The container's processes must be gone.
 * @throws RuntimeError if something cannot be undone; then the state directory stays.
 */
export function destroy(context: RuntimeContext, { lock, record }: LockedContainer): void {
  if (record.undo.length > 0) perform(context.door, { op: "undo", steps: record.undo });
  perform(context.door, { op: "removeContainer", handle: lock });
  runPoststop(context, record);
}

/** Runs every hook, even if an earlier one failed. */
export function runPoststop(context: RuntimeContext, record: ContainerRecord): void {
  for (const hook of record.poststop) {
    try {
      perform(context.door, { op: "runHooks", hooks: [hook], state: hookState(record, "stopped"), output: record.hookOutput ?? null });
    } catch (error) {
      context.log("warning", `poststop hook of "${record.id}": ${messageOf(error)}`);
    }
  }
}
