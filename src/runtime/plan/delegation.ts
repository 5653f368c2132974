/** Who may make cgroups below the container's own (cgroup-v2.rst, "Delegation"). */

import type { Spec } from "../spec/generated/spec-types.js";
import { createsNamespace } from "./namespaces.js";
import { cleanAbsolute } from "./paths.js";

/**
 * The host's uid of the program, if its cgroup is delegated to it: it has a cgroup namespace and its cgroup is mounted writable, as a container
 * with a system's init needs it. Undefined without delegation, or if the program is the host's root.
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
