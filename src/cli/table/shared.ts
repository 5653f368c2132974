/** What several rows of the table share. */

import type { Status } from "../../runtime/runtime.js";
import type { Argument, Flag } from "../table.js";

/** @param statuses of the containers that the command is for; all when none is named */
export function containerId(...statuses: Status[]): Argument {
  return { name: "container ID", placeholder: "ID", ...(statuses.length > 0 && { statuses }) };
}

/** The id of a container that is yet to be made. */
export function newContainerId(): Argument {
  return { name: "container ID", placeholder: "ID", statuses: [] };
}

/** The flags of `create`, which `run` has too. */
export function createFlags(): Flag[] {
  return [
    { name: "bundle", short: "b", value: "DIR" },
    { name: "config", short: "f", value: "FILE" },
    { name: "console-socket", value: "SOCKET" },
    { name: "pidfd-socket", value: "SOCKET" },
    { name: "pid-file", value: "FILE" },
    { name: "no-pivot" },
    { name: "no-new-keyring" },
    { name: "preserve-fds", value: "N" },
  ];
}

/** What `createFlags` do. */
export function createFlagTexts() {
  return {
    bundle: "Directory with config.json. Default: the working directory.",
    config: "The configuration, where it is not the bundle's config.json. Paths in it are relative to the bundle all the same.",
    "console-socket":
      "Unix socket that gets the master of the terminal. A container with a terminal needs it unless the caller stays with it.",
    "pidfd-socket": "Unix socket that gets a pidfd of the first process.",
    "pid-file": "File that gets the pid of the first process.",
    "no-pivot": "Move the root mount instead of pivot_root(2). Only for a host whose root is an initramfs: it is less secure.",
    "no-new-keyring": "Let the container keep the session keyring of the caller.",
    "preserve-fds": "Pass this many descriptors, from 3 on, to the program.",
  };
}

/** What `--regex` does for `kill` and `delete`. */
export function regexText(): string {
  return `
    The ID is an extended regular expression (regex(7)), and the command is for every container whose id matches it in any part.
    A container for which it fails is a warning; that none matches is no error.`;
}

/** The flags that `checkpoint` and `restore` share. */
export function criuFlags(): Flag[] {
  return [
    { name: "image-path", value: "DIR" },
    { name: "work-path", value: "DIR" },
    { name: "tcp-established" },
    { name: "ext-unix-sk" },
    { name: "shell-job" },
    { name: "file-locks" },
    { name: "lazy-pages" },
    { name: "auto-dedup" },
    { name: "manage-cgroups-mode", value: "MODE", choices: ["soft", "full", "strict", "ignore"] },
    { name: "empty-ns", value: "NAMESPACE", choices: ["network"], repeatable: true },
  ];
}

/** What `criuFlags` do, but for those whose text differs. */
export function criuFlagTexts() {
  return {
    "image-path": "Directory of CRIU's images. Default: checkpoint, in the working directory.",
    "tcp-established": "Keep established TCP connections.",
    "ext-unix-sk":
      "Allow a datagram socket that is connected to a daemon outside of the container: one in its network namespace, whose socket has the same name inside.",
    "shell-job": "Allow a session or a terminal that belongs to a process outside of the container.",
    "file-locks": "Keep file locks.",
    "auto-dedup": "Remove memory from the images as soon as it is not needed there any more.",
    "manage-cgroups-mode":
      "How CRIU treats the limits of cgroups: soft (default), full, strict or ignore. No restore with strict succeeds: it wants no cgroup to be there, and the container's is.",
    "empty-ns": "Make the namespace anew, with a loopback interface alone. Always so for network, the only one that can be named.",
  };
}
