/** Finding a container by its id, under its lock or without. */

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

/** What to do about a process that holds the lock of a container. */
export type Locking =
  /** Wait for it. */
  | { kind: "wait" }
  /** Wait for it, and let oneself be ended by `takeOver` afterwards. */
  | { kind: "interruptible" }
  /** Wait so long. */
  | { kind: "patience"; milliseconds: number }
  /** End a create, run or start that holds it for long. */
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
    case "patience":
      return { op: "lockContainer", root, id, timeoutMilliseconds: locking.milliseconds, interruptible: false };
    case "takeOver":
      return { op: "takeOver", root, id };
    default:
      return assertNever(locking);
  }
}

/** What is recorded of a locked container. @throws RuntimeError `corruptState` for a damaged file. */
export function readRecord(context: RuntimeContext, id: string, lock: number): ContainerRecord {
  return recordIn(context, id, { op: "readState", lock });
}

/** The same for a container that another process may be working on. @throws RuntimeError `notFound` for an unknown id */
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

/** The status of a container that another process may be working on: never waits. */
export function observedStatus(context: RuntimeContext, record: ContainerRecord): Status {
  const alive = isAlive(context, record);
  const frozen = alive && isFrozen(context, record);
  const unsettled = record.status === "creating" || (record.status === "created" && alive);
  if (!unsettled) return statusOf({ recorded: record.status, locked: false, alive, frozen });
  const { reply, failure } = attempt(context.door, "handle", lockRequest(context, record.id, { kind: "patience", milliseconds: 0 }));
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

/** A failure to reach a container's files; an absent one in runc's words, which callers look for. */
function containerError(failure: Failure): RuntimeError {
  if (failure.code === "notFound") return new RuntimeError("container does not exist", { code: "notFound" });
  return stateError(failure);
}

/** A failure to reach the state root or what is in it. To a caller who may not, it says how to have another. */
export function stateError(failure: Failure): RuntimeError {
  if (!["EACCES", "EPERM", "EROFS"].includes(failure.errno ?? "")) return errorFromFailure(failure);
  const cause = `${failure.cause}; name a directory that you may write to with --root or in XDG_RUNTIME_DIR`;
  return errorFromFailure({ ...failure, cause });
}
