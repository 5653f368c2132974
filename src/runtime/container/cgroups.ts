/** A container's cgroups, as they were recorded. */

import type { BusAddress, HostFacts } from "../generated/plan.js";
import type { CgroupPlacement } from "../plan/cgroup.js";
import type { ContainerRecord } from "./record.js";

/** The container's own cgroups; none where it stayed in its caller's. */
export function recordedPlacements({ cgroups }: ContainerRecord, { hierarchies }: HostFacts): CgroupPlacement[] {
  return cgroups.paths.flatMap((path) => {
    const above = hierarchies.filter(({ mountpoint }) => path.startsWith(`${mountpoint}/`));
    const hierarchy = above.sort((one, other) => other.mountpoint.length - one.mountpoint.length)[0];
    return hierarchy ? [{ hierarchy, path }] : [];
  });
}

/** The unit of systemd that is the container's cgroup. */
export function recordedUnit({ undo }: ContainerRecord): { name: string; bus: BusAddress } | undefined {
  for (const step of undo) if (step.op === "stopUnit") return { name: step.unit, bus: step.bus };
  return undefined;
}
