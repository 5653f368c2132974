/** Where the master of a terminal goes. */

import { RuntimeError } from "../errors.js";
import type { ConsolePlan } from "../generated/plan.js";
import { askText, perform } from "../native.js";
import type { NativeDoor } from "../native.js";

export interface ConsoleRequest {
  /** The process has a terminal. */
  terminal: boolean;
  consoleSocket: string | undefined;
  /** The caller does not wait for the process. */
  detaches: boolean;
}

/** Hints for error messages, in terms of the caller's options. */
export interface ConsoleHints {
  /** How to do without a terminal. */
  without: string;
  /** With which options a console socket is allowed. */
  socketIsFor: string;
}

export function planConsole({ consoleSocket, detaches }: ConsoleRequest): ConsolePlan {
  if (consoleSocket !== undefined) return { kind: "socket", path: consoleSocket };
  return { kind: detaches ? "none" : "keep" };
}

/** The master of a terminal needs a receiver: a socket, or a caller that waits for the process. @throws RuntimeError without one */
export function refuseUnusableConsole(door: NativeDoor, request: ConsoleRequest, hints: ConsoleHints): void {
  const { terminal, consoleSocket, detaches } = request;
  if (terminal && detaches && consoleSocket === undefined) {
    throw new RuntimeError(
      `cannot allocate tty if tsrunc will detach without setting console socket: name one with --console-socket, or ${hints.without}`,
      { code: "invalidArgument" },
    );
  }
  if (consoleSocket === undefined) {
    if (terminal) perform(door, { op: "findTerminal" });
    return;
  }
  if (!terminal || !detaches) {
    throw new RuntimeError(
      `cannot use console socket if tsrunc will not detach or allocate tty: --console-socket is for ${hints.socketIsFor}`,
      {
        code: "invalidArgument",
      },
    );
  }
  const kind = askText(door, { op: "pathKind", path: consoleSocket });
  if (kind !== "socket" && kind !== "symlink") throw unusable("console socket", consoleSocket, kind);
}

/** The error for a path of the wrong kind. @param kind as the request `pathKind` reports it */
export function unusable(what: string, path: string, kind: string): RuntimeError {
  const cause = kind === "missing" ? "it does not exist" : `it is a ${kind}`;
  return new RuntimeError(cause, {
    code: kind === "missing" ? "notFound" : "invalidArgument",
    operation: `use the ${what} ${JSON.stringify(path)}`,
    path,
  });
}
