/** What the rest of the planning knows of a cgroup that systemd makes; systemd.ts, which plans it, is loaded only then. */

import type { CgroupWrite, DeviceRule, SystemdFacts, SystemdUnit, Undo } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";

export interface ScopeRequest {
  spec: Spec;
  id: string;
  /** Absolute path of the container's state directory: tells its unit from others of that name. */
  stateDirectory: string;
  facts: SystemdFacts;
}

/** A planned unit. */
export interface Scope {
  /** Its cgroup, absolute from the root of every hierarchy. */
  cgroup: string;
  /**
   * The unit with properties for the container's limits.
   * @throws RuntimeError on a limit that systemd would undo, or that an annotation contradicts
   */
  unit(cgroup: PlannedCgroup): PlannedUnit;
  /** Stops it. */
  undo: Undo;
}

/** What is planned to be written to the unit's cgroup. */
export interface PlannedCgroup {
  writes: readonly CgroupWrite[];
  /** Undefined where devices are not limited. */
  deviceRules: readonly DeviceRule[] | undefined;
  /** The limits are those of cgroup v2. */
  v2: boolean;
}

export interface PlannedUnit {
  unit: SystemdUnit;
  /** What is left to write to the files of its cgroup. */
  writes: CgroupWrite[];
}
