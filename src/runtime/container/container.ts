/** Finds a container by its id, with its lock or without. */

import type { RuntimeContext } from "./context.js";
import { RuntimeError, assertNever, errorFromFailure } from "../errors.js";
import type { Failure, Request } from "../generated/plan.js";
import { checkId } from "./identifier.js";
import { askFlag, attempt, perform } from "../native.js";
import { corruptState, freezerOf, parseRecord, statePath } from "./record.js";
import type { ContainerRecord } from "./record.js";
import { statusOf } from "./status.js";
import type { Status } from "./status.js";

/** A container whose lock is held. */
export interface LockedContainer {
  /** Handle of the lock. */
  lock: number;
  record: ContainerRecord;
}

/** What to do if another process holds the container's lock. */
export type Locking =
  /** Wait for it. */
  | { kind: "wait" }
  /** Wait for it. While we hold the lock, `takeOver` of another process may end us. */
  | { kind: "interruptible" }
  /** Wait for at most this time. */
  | { kind: "timeout"; milliseconds: number }
  /** End a create, run or start that holds the lock for too long. */
  | { kind: "takeOver" };

/**
 * Runs `use` with the container locked.
 * @throws RuntimeError `notFound` for an unknown id, `locked` when another process holds the lock for too long.
 */
export function withContainer<T>(context: RuntimeContext, id: string, locking: Locking, use: (container: LockedContainer) => T): T {
  return withLock(context, id, locking, (lock) => use({ lock, record: readRecord(context, id, lock) }));
}

/** Runs `use` with the container's directory locked, whatever is in its state.json. */
export function withLock<T>(context: RuntimeContext, id: string, locking: Locking, use: (lock: number) => T): T {
  checkId(id);
  const { reply, failure } = attempt(context.door, "handle", lockRequest(context, id, locking));
  if (failure) throw containerError(failure);
  try {
    return use(reply.handle);
  } finally {
    perform(context.door, { op: "close", handle: reply.handle });
  }
}

function lockRequest({ root, interruptible }: RuntimeContext, id: string, locking: Locking): Request {
  switch (locking.kind) {
    case "wait":
      return { op: "lockContainer", root, id, timeoutMilliseconds: null, interruptible: false };
    case "interruptible":
      return { op: "lockContainer", root, id, timeoutMilliseconds: null, interruptible: interruptible ?? false };
    case "timeout":
      return { op: "lockContainer", root, id, timeoutMilliseconds: locking.milliseconds, interruptible: false };
    case "takeOver":
      return { op: "takeOver", root, id };
    default:
      return assertNever(locking);
  }
}

/** The record of a locked container. @throws RuntimeError `corruptState` for a damaged file. */
export function readRecord(context: RuntimeContext, id: string, lock: number): ContainerRecord {
  return recordIn(context, id, { op: "readState", lock });
}

/** The record of a container that another process may be changing. @throws RuntimeError `notFound` for an unknown id */
export function peekRecord(context: RuntimeContext, id: string): ContainerRecord {
  checkId(id);
  return recordIn(context, id, { op: "peekState", root: context.root, id });
}

function recordIn(context: RuntimeContext, id: string, request: Request): ContainerRecord {
  const path = statePath(context.root, id);
  const { reply, failure } = attempt(context.door, "text", request);
  if (failure) throw failure.code === "notUtf8" ? corruptState(path, failure.cause) : containerError(failure);
  return parseRecord(reply.text, path);
}

/** Replaces state.json atomically. */
export function saveRecord(context: RuntimeContext, lock: number, record: ContainerRecord): void {
  perform(context.door, { op: "saveState", handle: lock, record });
}

/** The status of a container whose lock the caller holds. */
export function lockedStatus(context: RuntimeContext, { lock, record }: LockedContainer): Status {
  const alive = isAlive(context, record);
  const asks = record.status === "created" && alive;
  return statusOf({
    recorded: record.status,
    locked: false,
    alive,
    frozen: alive && isFrozen(context, record),
    atGate: asks ? askFlag(context.door, { op: "atGate", lock }) : undefined,
  });
}

/** The status of a container that another process may be changing. Never waits. */
export function observedStatus(context: RuntimeContext, record: ContainerRecord): Status {
  const alive = isAlive(context, record);
  const frozen = alive && isFrozen(context, record);
  const unsettled = record.status === "creating" || (record.status === "created" && alive);
  if (!unsettled) return statusOf({ recorded: record.status, locked: false, alive, frozen });
  const { reply, failure } = attempt(context.door, "handle", lockRequest(context, record.id, { kind: "timeout", milliseconds: 0 }));
  if (failure) {
    if (failure.code !== "locked") throw containerError(failure);
    return statusOf({ recorded: record.status, locked: true, alive, frozen });
  }
  try {
    const atGate = record.status === "created" ? askFlag(context.door, { op: "atGate", lock: reply.handle }) : undefined;
    return statusOf({ recorded: record.status, locked: false, alive, frozen, atGate });
  } finally {
    perform(context.door, { op: "close", handle: reply.handle });
  }
}

function isAlive({ door }: RuntimeContext, { process }: ContainerRecord): boolean {
  return process !== undefined && askFlag(door, { op: "alive", process });
}

function isFrozen({ door }: RuntimeContext, record: ContainerRecord): boolean {
  const freezer = freezerOf(record);
  return freezer !== undefined && askFlag(door, { op: "frozen", path: freezer });
}

/** The error for a failed access to a container's files. For a missing container it has runc's text, which callers look for. */
function containerError(failure: Failure): RuntimeError {
  if (failure.code === "notFound") return new RuntimeError("container does not exist", { code: "notFound" });
  return stateError(failure);
}

/** The error for a failed access to the state root. If permission was denied it says how to choose another one. */
export function stateError(failure: Failure): RuntimeError {
  if (!["EACCES", "EPERM", "EROFS"].includes(failure.errno ?? "")) return errorFromFailure(failure);
  const cause = `${failure.cause}; name a directory that you may write to with --root or in XDG_RUNTIME_DIR`;
  return errorFromFailure({ ...failure, cause });
}
