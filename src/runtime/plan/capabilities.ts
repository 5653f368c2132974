/** Turns capability names into the kernel's bit masks (capabilities(7), linux/capability.h). */

import type { Capabilities as CapabilityMasks, HostFacts } from "../generated/plan.js";
import { capabilityNumbers, isCapability } from "../spec/capability-names.js";
import type { Capabilities } from "../spec/generated/spec-types.js";

/** Why a capability cannot be granted. */
export type LeftOutReason =
  /** No such capability exists. */
  | "unknown"
  /** The host's kernel does not have it yet. */
  | "newer"
  /** The runtime lacks it, so it cannot grant it (capabilities(7): a bounding set never grows). */
  | "lacked"
  /** Effective or ambient, but not permitted. */
  | "notPermitted"
  /** Ambient, but not inheritable. */
  | "notInheritable"
  /** Inheritable, but not in the bounding set. */
  | "notBounding";

/** A capability that is left out of a set. */
export interface LeftOut {
  set: keyof Capabilities;
  /** Its index in the set. */
  index: number;
  name: string;
  reason: LeftOutReason;
}

/** The sets as the kernel takes them, and what was left out of them. */
export interface PlannedCapabilities {
  masks: CapabilityMasks;
  leftOut: LeftOut[];
}

/** The relevant part of `HostFacts`. In the container's own user namespace a process lacks no capability. */
export type CapabilityFacts = Pick<HostFacts, "lastCapability" | "missingCapabilities">;

/**
 * The five sets as masks; an absent set is empty. A capability that cannot be granted is left out with a warning and not an error (config.md,
 * "Linux Process", capabilities): otherwise capset(2) would fail with EPERM for the whole set.
 */
export function planCapabilities(
  sets: Capabilities | undefined,
  { lastCapability, missingCapabilities }: CapabilityFacts,
): PlannedCapabilities {
  const leftOut: LeftOut[] = [];
  const bits = (set: keyof Capabilities, refuse: (bit: number) => LeftOutReason | undefined): number[] => {
    const found: number[] = [];
    sets?.[set]?.forEach((name, index) => {
      const bit = isCapability(name) ? (capabilityNumbers[name] as number) : -1;
      const reason = bit < 0 ? "unknown" : bit > lastCapability ? "newer" : missingCapabilities.includes(bit) ? "lacked" : refuse(bit);
      if (reason === undefined) found.push(bit);
      else leftOut.push({ set, index, name, reason });
    });
    return found;
  };
  const anyway = (): undefined => undefined;
  const bounding = bits("bounding", anyway);
  const permitted = bits("permitted", anyway);
  const effective = bits("effective", (bit) => (permitted.includes(bit) ? undefined : "notPermitted"));
  const inheritable = bits("inheritable", (bit) => (bounding.includes(bit) ? undefined : "notBounding"));
  const ambient = bits("ambient", (bit) =>
    permitted.includes(bit) ? (inheritable.includes(bit) ? undefined : "notInheritable") : "notPermitted",
  );
  return {
    masks: {
      bounding: mask(bounding),
      effective: mask(effective),
      inheritable: mask(inheritable),
      permitted: mask(permitted),
      ambient: mask(ambient),
    },
    leftOut,
  };
}

/** Sums powers of two: exact in a double, as capabilities have fewer than 53 numbers. */
function mask(bits: readonly number[]): string {
  return String([...new Set(bits)].reduce((sum, bit) => sum + 2 ** bit, 0));
}
