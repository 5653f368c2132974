/** The flags that `create` and `run` share, as options of the library. */

import type { Door } from "../door.js";
import { askText } from "../runtime/native.js";
import type { CreateOptions } from "../runtime/runtime.js";
import type { CommandCall } from "./command.js";
import { usageError } from "./usage.js";

/** @throws RuntimeError on an invalid number */
export function createOptions(subject: string, { door, global, values, switches }: CommandCall): CreateOptions {
  return {
    bundle: values["bundle"],
    config: values["config"],
    consoleSocket: values["console-socket"],
    pidfdSocket: values["pidfd-socket"],
    pidFile: values["pid-file"],
    pivot: !switches.has("no-pivot"),
    newKeyring: !switches.has("no-new-keyring"),
    preserveFds: preserveFds(subject, values["preserve-fds"]),
    listenFds: listenFds(door),
    notifySocket: door.env["NOTIFY_SOCKET"],
    cgroupManager: global.cgroupManager,
    runtimeDirectory: door.env["XDG_RUNTIME_DIR"],
    rootless: global.rootless,
  };
}

/** More descriptors than a process can have (fs.nr_open's default) are a mistake. */
const MAX_DESCRIPTORS = 1_048_576;

/** @throws RuntimeError on an invalid number of descriptors */
export function preserveFds(subject: string, value: string | undefined): number {
  if (value === undefined) return 0;
  const number = /^[0-9]+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number <= MAX_DESCRIPTORS))
    throw usageError(subject, `flag "--preserve-fds" is a number up to ${MAX_DESCRIPTORS}, not ${JSON.stringify(value)}`);
  return number;
}

/** How many descriptors socket activation passed to this process (sd_listen_fds(3)); 0 if the variable is not a number. */
function listenFds(door: Door): number {
  const count = door.env["LISTEN_FDS"];
  if (count === undefined || !/^[0-9]{1,6}$/.test(count)) return 0;
  return door.env["LISTEN_PID"] === ownPid(door) ? Number(count) : 0;
}

function ownPid(door: Door): string | undefined {
  return askText(door, { op: "readFile", path: "/proc/self/stat", maxBytes: 4096 }).split(" ", 1)[0];
}
