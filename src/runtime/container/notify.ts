/** Readiness of a container for the caller's service manager (sd_notify(3)). */

import type { LibraryDoor } from "./context.js";
import type { ProcessIdentity } from "../generated/plan.js";
import { askFlag, send } from "../native.js";

/** Creates the container's notify socket if the caller has one. @returns its handle. */
export function bindNotify(door: LibraryDoor, lock: number, socket: string | undefined): number | undefined {
  return socket ? send(door, "handle", { op: "bindNotify", lock, socket }).handle : undefined;
}

/** Waits until the container reports that it is ready, or has ended. Does nothing without a notify socket. */
export function awaitReadiness(door: LibraryDoor, notify: number | undefined, process: ProcessIdentity): void {
  if (notify !== undefined) askFlag(door, { op: "awaitNotify", handle: notify, process });
}
