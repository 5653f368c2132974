/** The cgroup in which a container's processes are found. */

import { RuntimeError } from "../errors.js";
import { freezerOf } from "./record.js";
import type { ContainerRecord } from "./record.js";

/** A cgroup that holds, with the cgroups below it, all processes of the container. They are in each of its cgroups, so one is enough. */
export function processCgroup(record: Pick<ContainerRecord, "cgroups">): string | undefined {
  return freezerOf(record) ?? record.cgroups[0]?.path;
}

/** The error for a container that stayed in its creator's cgroups, because the creator may not make any. */
export function withoutCgroup(): RuntimeError {
  return new RuntimeError(
    "the container has no cgroup of its own: without root it gets one only for a limit in /linux/resources or for /linux/cgroupsPath",
    { code: "unsupported" },
  );
}
