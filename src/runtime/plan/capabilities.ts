/** Capability names and the bit masks that the kernel knows them by (capabilities(7), linux/capability.h). */

import { RuntimeError } from "../errors.js";
import type { Capabilities as CapabilityMasks } from "../generated/plan.js";
import { capabilityNumbers, isCapability } from "../spec/capability-names.js";
import type { Capabilities } from "../spec/generated/spec-types.js";

/**
 * The five sets as masks; an absent set is empty. An ambient capability needs to be permitted and inheritable
 * (capabilities(7)): what is not is left out, as the kernel would refuse to raise it.
 * @throws RuntimeError on a name that is unknown or beyond `lastCapability`, with its JSON pointer.
 */
export function planCapabilities(sets: Capabilities | undefined, lastCapability: number): CapabilityMasks {
  const bits = (set: keyof Capabilities): number[] =>
    (sets?.[set] ?? []).map((name, index) => {
      const bit = isCapability(name) ? (capabilityNumbers[name] ?? -1) : -1;
      const pointer = `/process/capabilities/${set}/${index}`;
      if (bit < 0) throw refused(pointer, `unknown capability "${name}"`);
      if (bit > lastCapability) throw refused(pointer, `the kernel does not know "${name}"`);
      return bit;
    });
  const inheritable = bits("inheritable");
  const permitted = bits("permitted");
  return {
    bounding: mask(bits("bounding")),
    effective: mask(bits("effective")),
    inheritable: mask(inheritable),
    permitted: mask(permitted),
    ambient: mask(bits("ambient").filter((bit) => inheritable.includes(bit) && permitted.includes(bit))),
  };
}

/** Sums powers of two: exact in a double, as capabilities have fewer than 53 numbers. */
function mask(bits: readonly number[]): string {
  return String([...new Set(bits)].reduce((sum, bit) => sum + 2 ** bit, 0));
}

function refused(pointer: string, cause: string): RuntimeError {
  return new RuntimeError(cause, { code: "invalidConfig", operation: pointer, path: pointer });
}
