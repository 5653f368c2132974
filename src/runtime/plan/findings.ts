/** What only planning shows of a configuration and is worth a warning. */

import type { LeftOut } from "./capabilities.js";

/** What the plan knows of a configuration that is worth a warning. */
export interface PlanFindings {
  /** Capabilities that are not given. */
  leftOut: readonly LeftOut[];
  /** The container's cgroup is a unit of systemd. */
  hasUnit: boolean;
  /** No cgroup was to be made (`PlanOptions.makesCgroup`). */
  cgroupDisabled?: boolean | undefined;
  /** The caller does without privilege. */
  rootless: boolean;
}
