/** Reasons for warnings that only planning reveals. */

import type { LeftOut } from "./capabilities.js";

/** Facts from planning on which warnings depend. */
export interface PlanFindings {
  /** Capabilities that are not granted. */
  leftOut: readonly LeftOut[];
  /** The container's cgroup is a unit of systemd. */
  hasUnit: boolean;
  /** No cgroup is made (`PlanOptions.makesCgroup`). */
  cgroupDisabled?: boolean | undefined;
  /** The caller has no privilege over cgroups and devices. */
  rootless: boolean;
}
