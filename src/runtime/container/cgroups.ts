/** A container's cgroups as placements in the host's hierarchies. */

import type { HostFacts, RecordedCgroup } from "../generated/plan.js";
import type { CgroupPlacement } from "../plan/cgroup.js";

/** The container's own cgroups with the hierarchies that they are in. Empty if the container stayed in its caller's cgroups. */
export function recordedPlacements(cgroups: readonly RecordedCgroup[], { hierarchies }: HostFacts): CgroupPlacement[] {
  return cgroups.flatMap(({ path }) => {
    const above = hierarchies.filter(({ mountpoint }) => path.startsWith(`${mountpoint}/`));
    // Hierarchies may be mounted below each other: /sys/fs/cgroup and /sys/fs/cgroup/unified.
    const hierarchy = above.sort((one, other) => other.mountpoint.length - one.mountpoint.length)[0];
    return hierarchy ? [{ hierarchy, path }] : [];
  });
}
