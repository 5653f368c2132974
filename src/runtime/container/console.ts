/** Who takes the master of a terminal. */

import { RuntimeError } from "../errors.js";
import type { ConsolePlan } from "../generated/plan.js";
import { askText, perform } from "../native.js";
import type { NativeDoor } from "../native.js";

export interface ConsoleRequest {
  /** The process has a terminal. */
  terminal: boolean;
  consoleSocket: string | undefined;
  /** The caller does not stay with the process. */
  detaches: boolean;
}

/** How errors call what the caller gave. */
export interface ConsoleWords {
  /** How to go without a terminal. */
  without: string;
  /** When a console socket has a meaning. */
  socketIsFor: string;
}

export function planConsole({ consoleSocket, detaches }: ConsoleRequest): ConsolePlan {
  if (consoleSocket !== undefined) return { kind: "socket", path: consoleSocket };
  return { kind: detaches ? "none" : "keep" };
}

/** A terminal needs somebody who takes its master: a socket, or the caller who stays. @throws RuntimeError where nobody does */
export function refuseUnusableConsole(door: NativeDoor, request: ConsoleRequest, words: ConsoleWords): void {
  const { terminal, consoleSocket, detaches } = request;
  if (terminal && detaches && consoleSocket === undefined) {
    throw new RuntimeError(
      `cannot allocate tty if tsrunc will detach without setting console socket: name one with --console-socket, or ${words.without}`,
      { code: "invalidArgument" },
    );
  }
  if (consoleSocket === undefined) {
    if (terminal) perform(door, { op: "findTerminal" });
    return;
  }
  if (!terminal || !detaches) {
    throw new RuntimeError(
      `cannot use console socket if tsrunc will not detach or allocate tty: --console-socket is for ${words.socketIsFor}`,
      {
        code: "invalidArgument",
      },
    );
  }
  const kind = askText(door, { op: "pathKind", path: consoleSocket });
  if (kind !== "socket" && kind !== "symlink") throw unusable("console socket", consoleSocket, kind);
}

/** The error for a path that is not what it is used for. @param kind as of the request `pathKind` */
export function unusable(what: string, path: string, kind: string): RuntimeError {
  const cause = kind === "missing" ? "it does not exist" : `it is a ${kind}`;
  return new RuntimeError(cause, {
    code: kind === "missing" ? "notFound" : "invalidArgument",
    operation: `use the ${what} ${JSON.stringify(path)}`,
    path,
  });
}
