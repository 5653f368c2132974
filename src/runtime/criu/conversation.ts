/** The conversation with CRIU: a request, its notifications, its result, and errors. */

import type { LibraryDoor } from "../container/context.js";
import { RuntimeError, isRuntimeError, messageOf } from "../errors.js";
import type { CriuFeatures, CriuNotification, CriuRequest, CriuResponse } from "../generated/plan.js";
import { attempt, perform, send } from "../native.js";
import { errorLines } from "./log.js";
import { MESSAGE, OLDEST_VERSION, messageName } from "./protocol.js";

/** A run of CRIU. */
export interface Session {
  handle: number;
  /** Descriptors of this process for the directories that CRIU was started with. */
  directories: number[];
  /** Descriptors in CRIU's process for the inherited files. */
  inherited: number[];
}

export interface Start {
  /** CRIU inherits the caller's standard streams, for restored processes. */
  stdio: boolean;
  directories: string[];
  inherit: string[];
}

/** Runs `use` with a new CRIU process, which is ended afterwards. @throws RuntimeError if CRIU is not installed. */
export function withCriu<T>(door: LibraryDoor, start: Start, use: (session: Session) => T): T {
  const { reply, failure } = attempt(door, "criu", { op: "startCriu", ...start });
  if (failure) {
    const missing = failure.code === "notFound" && failure.operation.includes("PATH");
    const hint = missing ? `; checkpoint and restore need CRIU ${versionText(OLDEST_VERSION)} or newer` : "";
    throw new RuntimeError(`${failure.cause}${hint}`, { code: failure.code, operation: failure.operation });
  }
  try {
    return use(reply);
  } finally {
    perform(door, { op: "close", handle: reply.handle });
  }
}

function versionText(version: number): string {
  const [major, minor, sublevel] = [Math.floor(version / 10_000), Math.floor(version / 100) % 100, version % 100];
  return sublevel === 0 ? `${major}.${minor}` : `${major}.${minor}.${sublevel}`;
}

/** Checks before anything is changed that CRIU is installed and has the features. @throws RuntimeError */
export function checkCriu(door: LibraryDoor, needed: CriuFeatures): void {
  withCriu(door, { stdio: false, directories: [], inherit: [] }, ({ handle }) => {
    const { version } = ask(door, handle, { type: MESSAGE.version, keepOpen: true });
    const number = version ? version.majorNumber * 10_000 + version.minorNumber * 100 + (version.sublevel ?? 0) : 0;
    if (number < OLDEST_VERSION) {
      throw new RuntimeError(`CRIU ${versionText(number)} is too old: ${versionText(OLDEST_VERSION)} or newer is needed`, {
        code: "unsupported",
      });
    }
    if (Object.keys(needed).length === 0) return;
    const { features } = ask(door, handle, { type: MESSAGE.featureCheck, features: needed, keepOpen: true });
    for (const [feature, name] of Object.entries({ memTrack: "memory tracking", lazyPages: "lazy pages" }) as [
      keyof CriuFeatures,
      string,
    ][]) {
      if (needed[feature] && !features?.[feature])
        throw new RuntimeError(`CRIU on this kernel is missing a feature: ${name}`, { code: "unsupported" });
    }
  });
}

function ask(door: LibraryDoor, handle: number, request: CriuRequest): CriuResponse {
  const { response } = send(door, "criuResponse", { op: "callCriu", handle, request });
  if (!response.success) throw new RuntimeError(failureText(response), { code: "other" });
  return response;
}

/**
 * Sends a request, answers notifications by `onNotify`, and waits until CRIU has ended.
 * @param log path of CRIU's log file, for the error
 * @throws RuntimeError with the last errors of the log; an error of `onNotify`, after which CRIU gives up.
 */
export function converse(
  door: LibraryDoor,
  { handle }: Session,
  { request, log, onNotify }: { request: CriuRequest; log: string; onNotify(notification: CriuNotification): void },
): void {
  let message = request;
  let thrown: unknown;
  for (;;) {
    const { reply, failure } = attempt(door, "criuResponse", { op: "callCriu", handle, request: message });
    if (failure) {
      if (thrown !== undefined) throw thrown;
      throw new RuntimeError(`${failure.cause}${quoted(door, log)}`, {
        code: failure.code,
        operation: failure.operation,
        ...(failure.signal ? { exitStatus: 128 + failure.signal } : {}),
      });
    }
    const { response } = reply;
    if (thrown !== undefined && (!response.success || response.type !== MESSAGE.notify)) throw thrown;
    if (!response.success) throw new RuntimeError(`${failureText(response)}${quoted(door, log)}`, { code: "other" });
    if (response.type !== MESSAGE.notify) break;
    try {
      if (thrown === undefined) onNotify(response.notify ?? { script: null, pid: null });
    } catch (error) {
      thrown = error;
    }
    message = { type: MESSAGE.notify, notifySuccess: thrown === undefined };
  }
  const status = send(door, "number", { op: "waitCriu", handle }).number;
  // After a pre-dump this CRIU waits for the dump, which another CRIU process makes.
  if (status !== 0 && request.type !== MESSAGE.preDump)
    throw new RuntimeError(`criu failed: exit status ${status}${quoted(door, log)}`, { code: "other" });
}

function failureText({ type, crErrno, crErrmsg }: CriuResponse): string {
  const message = crErrmsg ? `: ${crErrmsg.trim()}` : "";
  return `criu failed: type ${messageName(type)} errno ${crErrno ?? 0}${message}`;
}

/** A longer log is not read; the error only names the file. */
const MAX_LOG_BYTES = 64 << 20;

function quoted(door: LibraryDoor, log: string): string {
  const where = ` (log file: ${JSON.stringify(log)})`;
  try {
    const text = send(door, "text", { op: "readFile", path: log, maxBytes: MAX_LOG_BYTES }).text;
    const lines = errorLines(text);
    return lines.length > 0 ? `${where}: ${lines.join("; ")}` : where;
  } catch (error) {
    return isRuntimeError(error) ? where : `${where}: ${messageOf(error)}`;
  }
}
