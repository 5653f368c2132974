/** Taking a container down: what `delete`, a failed `create` and a failed poststart hook share. */

import type { LockedContainer } from "./container.js";
import type { RuntimeContext } from "./context.js";
import { RuntimeError, errorFromFailure, messageOf } from "../errors.js";
import type { ProcessIdentity } from "../generated/plan.js";
import { askFlag, attempt, perform } from "../native.js";
import { hookState } from "./oci-state.js";
import { freezerOf } from "./record.js";
import type { ContainerRecord } from "./record.js";
import type { Status } from "./status.js";

/** Longest time that a killed process may take to go; one in uninterruptible sleep may never. */
const KILL_TIMEOUT_MILLISECONDS = 10_000;

export const SIGKILL = 9;

/** A killed process that is not gone by then is most likely frozen. */
const FROZEN_AFTER_MILLISECONDS = 100;

const KILL_ROUNDS = KILL_TIMEOUT_MILLISECONDS / FROZEN_AFTER_MILLISECONDS;

/**
 * Kills the container's processes and waits until the first one is gone.
 * @param status the container's, as far as it is known
 * @throws RuntimeError when it stays
 */
export function killAndWait({ door }: RuntimeContext, record: ContainerRecord, status: Status = "running"): void {
  const { process, cgroups, ownPidNamespace } = record;
  const freezer = freezerOf(record);
  if (!process) return;
  killIfThere(door, process);
  // Without a pid namespace of its own nothing else dies with the first process.
  if (!ownPidNamespace && cgroups.length > 0) askFlag(door, { op: "killCgroup", paths: cgroups.map(({ path }) => path), signal: SIGKILL });
  if (status === "paused" && freezer !== undefined) perform(door, { op: "thawKilled", path: freezer });
  if (isGone(door, process, freezer === undefined ? KILL_TIMEOUT_MILLISECONDS : FROZEN_AFTER_MILLISECONDS)) return;
  // In cgroup v1 a frozen process does not even die. It may be in a cgroup below the container's, and others, even from outside, may freeze
  // it again: all in there are killed and thawed until the first process is gone.
  if (freezer !== undefined) {
    for (let round = 1; round < KILL_ROUNDS; round++) {
      askFlag(door, { op: "killCgroup", paths: [freezer], signal: SIGKILL });
      if (isGone(door, process, FROZEN_AFTER_MILLISECONDS)) return;
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
 * @throws RuntimeError when something cannot be undone; the state directory stays then.
 */
export function destroy(context: RuntimeContext, { lock, record }: LockedContainer): void {
  if (record.undo.length > 0) perform(context.door, { op: "undo", steps: record.undo });
  perform(context.door, { op: "removeContainer", handle: lock });
  runPoststop(context, record);
}

/** Every hook runs, whatever became of the ones before. */
export function runPoststop(context: RuntimeContext, record: ContainerRecord): void {
  for (const hook of record.poststop) {
    try {
      perform(context.door, { op: "runHooks", hooks: [hook], state: hookState(record, "stopped"), output: record.hookOutput ?? null });
    } catch (error) {
      context.log("warning", `poststop hook of "${record.id}": ${messageOf(error)}`);
    }
  }
}
