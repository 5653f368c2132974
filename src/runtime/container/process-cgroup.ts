/** Where a container's processes are found. */

import { RuntimeError } from "../errors.js";
import { freezerOf } from "./record.js";
import type { ContainerRecord } from "./record.js";

/** The cgroup whose processes, with those of the cgroups below it, are the container's. They are in all of its cgroups; one is enough. */
export function processCgroup(record: Pick<ContainerRecord, "cgroups">): string | undefined {
  return freezerOf(record) ?? record.cgroups[0]?.path;
}

/** The error for a container that is in cgroups which it shares with its creator, who may not make any. */
export function withoutCgroup(): RuntimeError {
  return new RuntimeError(
    "the container has no cgroup of its own: without root it gets one only for a limit in /linux/resources or for /linux/cgroupsPath",
    { code: "unsupported" },
  );
}
