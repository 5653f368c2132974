/** Who may make cgroups below the container's own (cgroup-v2.rst, "Delegation"). */

import type { Spec } from "../spec/generated/spec-types.js";
import { createsNamespace } from "./namespaces.js";
import { cleanAbsolute } from "./paths.js";

/**
 * The host's uid of the program where its cgroup is given to it: it sees no other one and has that one mounted writable, as a system with
 * an init of its own needs it. Undefined where nothing is given, or root has it anyway.
 */
export function cgroupOwner(spec: Spec): number | undefined {
  const { linux, mounts, process } = spec;
  const writable = mounts?.some(
    ({ destination, type, options }) =>
      (type === "cgroup" || type === "cgroup2") && cleanAbsolute(destination) === "/sys/fs/cgroup" && !options?.includes("ro"),
  );
  if (!writable || !createsNamespace(spec, "cgroup")) return undefined;
  const uid = Number(process?.user?.uid ?? 0);
  const mappings = linux?.uidMappings ?? [];
  const line = mappings.find(({ containerID, size }) => uid >= Number(containerID) && uid < Number(containerID) + Number(size));
  const owner = mappings.length === 0 ? uid : line && Number(line.hostID) + uid - Number(line.containerID);
  return owner || undefined;
}
