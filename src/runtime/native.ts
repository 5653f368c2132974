/** Typed requests to the native layer over a `Host`. */

import type { Door } from "../door.js";
import { RuntimeError, errorFromFailure } from "./errors.js";
import type { Failure, HostFacts, ProcessIdentity, Reply, Request, Warning } from "./generated/plan.js";

/** The part of `Host` that the library needs. */
export type NativeDoor = Pick<Door, "call">;

type ReplyKind = Exclude<Reply["kind"], "failed">;
type ReplyOf<K extends ReplyKind> = Extract<Reply, { kind: K }>;

/** A process held by the native layer between `create` and `release` or `close`. */
export interface CreatedProcess {
  handle: number;
  process: ProcessIdentity;
  /** What only carrying the plan out has shown. */
  warnings: Warning[];
}

/** A reply or a failure as a value, for callers whom a certain failure does not surprise. */
export type Attempted<K extends ReplyKind> = { reply: ReplyOf<K>; failure?: undefined } | { reply?: undefined; failure: Failure };

/** Sends a request. @throws RuntimeError on a reply of a kind that does not belong to it. */
export function attempt<K extends ReplyKind>(door: NativeDoor, kind: K, request: Request): Attempted<K> {
  const reply = JSON.parse(door.call(JSON.stringify(request))) as Reply;
  if (reply.kind === "failed") return { failure: reply.failure };
  if (reply.kind === kind) return { reply: reply as ReplyOf<K> };
  throw new RuntimeError(`got a reply of kind "${reply.kind}", expected "${kind}"`, {
    code: "badRequest",
    operation: `request "${request.op}"`,
  });
}

/** Sends a request. @throws RuntimeError when it failed. */
export function send<K extends ReplyKind>(door: NativeDoor, kind: K, request: Request): ReplyOf<K> {
  const { reply, failure } = attempt(door, kind, request);
  if (failure) throw errorFromFailure(failure);
  return reply;
}

/** Sends a request whose reply holds nothing. @throws RuntimeError when it failed. */
export function perform(door: NativeDoor, request: Request): void {
  send(door, "done", request);
}

/** Sends a request whose reply is a text. @throws RuntimeError when it failed. */
export function askText(door: NativeDoor, request: Request): string {
  return send(door, "text", request).text;
}

/** Sends a request whose reply is yes or no. @throws RuntimeError when it failed. */
export function askFlag(door: NativeDoor, request: Request): boolean {
  return send(door, "flag", request).flag;
}

/** Sends a request whose reply is a list of names. @throws RuntimeError when it failed. */
export function askNames(door: NativeDoor, request: Request): string[] {
  return send(door, "names", request).names;
}

/** What the core must know of the host. @throws RuntimeError when it cannot be found out. */
export function hostFacts(door: NativeDoor): HostFacts {
  return send(door, "facts", { op: "hostFacts" }).facts;
}
