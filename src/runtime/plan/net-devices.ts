/** The network interfaces that a container gets (config-linux.md#network-devices). */

import type { NetDevice } from "../generated/plan.js";
import type { Linux } from "../spec/generated/spec-types.js";
import { segment } from "../spec/fault.js";

/** In the order of the document. Without a name, or with an empty one, a device keeps its name. */
export function planNetDevices(devices: NonNullable<Linux["netDevices"]>): NetDevice[] {
  return Object.entries(devices).map(([name, device]) => ({
    name,
    newName: device.name || name,
    pointer: `/linux/netDevices/${segment(name)}`,
  }));
}
