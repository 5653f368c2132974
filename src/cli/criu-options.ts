/** The flags that `checkpoint` and `restore` share, as options of the library. */

import type { CriuFlags } from "../runtime/criu/options.js";
import type { CgroupsMode } from "../runtime/criu/protocol.js";
import type { CommandCall } from "./command.js";
import { usageError } from "./usage.js";

export function criuOptions({ values, switches }: CommandCall): CriuFlags {
  return {
    imagePath: values["image-path"],
    workPath: values["work-path"],
    tcpEstablished: switches.has("tcp-established"),
    extUnixSk: switches.has("ext-unix-sk"),
    shellJob: switches.has("shell-job"),
    fileLocks: switches.has("file-locks"),
    autoDedup: switches.has("auto-dedup"),
    lazyPages: switches.has("lazy-pages"),
    // The parser has refused other values.
    manageCgroupsMode: values["manage-cgroups-mode"] as CgroupsMode | undefined,
  };
}

/** @throws RuntimeError on an empty path */
export function noEmptyPaths(subject: string, { values }: CommandCall, flags: readonly string[]): void {
  const empty = flags.find((flag) => values[flag] === "");
  if (empty !== undefined) throw usageError(subject, `flag "--${empty}" is empty`);
}
