/** Typed requests to the native layer through a `Door`. */

import type { Door } from "../door.js";
import { RuntimeError, errorFromFailure } from "./errors.js";
import type { Failure, HostFacts, ProcessIdentity, Reply, Request, Warning } from "./generated/plan.js";

/** The part of `Door` that requests need. */
export type NativeDoor = Pick<Door, "call">;

type ReplyKind = Exclude<Reply["kind"], "failed">;
type ReplyOf<K extends ReplyKind> = Extract<Reply, { kind: K }>;

/** A process held by the native layer between `create` and `release` or `close`. */
export interface CreatedProcess {
  handle: number;
  process: ProcessIdentity;
  /** Found while the plan was carried out. */
  warnings: Warning[];
}

/** A reply or a failure as a value, for callers that expect certain failures. */
export type Attempted<K extends ReplyKind> = { reply: ReplyOf<K>; failure?: undefined } | { reply?: undefined; failure: Failure };

/** Sends a request. @throws RuntimeError on a reply of another kind. */
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

/** Sends a request with an empty reply. @throws RuntimeError when it failed. */
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

/** The facts about the host that the core needs. @throws RuntimeError when they cannot be determined. */
export function hostFacts(door: NativeDoor): HostFacts {
  return send(door, "facts", { op: "hostFacts" }).facts;
}
