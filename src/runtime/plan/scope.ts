/** Interface to systemd.ts, which plans a cgroup that systemd makes and is loaded on demand. */

import type { CgroupWrite, DeviceRule, SystemdFacts, SystemdUnit, Undo } from "../generated/plan.js";
import type { Spec } from "../spec/generated/spec-types.js";

export interface ScopeRequest {
  spec: Spec;
  id: string;
  /** Absolute path of the container's state directory, which distinguishes its unit from others of that name. */
  stateDirectory: string;
  facts: SystemdFacts;
}

/** A planned unit. */
export interface Scope {
  /** Path of its cgroup from the root of every hierarchy. */
  cgroup: string;
  /**
   * The unit with properties for the container's limits.
   * @throws RuntimeError on a limit that systemd would overwrite, or that an annotation contradicts
   */
  unit(cgroup: PlannedCgroup): PlannedUnit;
  /** Stops it. */
  undo: Undo;
}

/** The planned limits of the unit's cgroup. */
export interface PlannedCgroup {
  writes: readonly CgroupWrite[];
  /** Undefined if devices are not limited. */
  deviceRules: readonly DeviceRule[] | undefined;
  /** The limits are those of cgroup v2. */
  v2: boolean;
}

export interface PlannedUnit {
  unit: SystemdUnit;
  /** The writes to its cgroup's files that remain. */
  writes: CgroupWrite[];
}
