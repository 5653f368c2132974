/** Rules for `linux.devices` (config-linux.md, "Devices"). */

import { cleanAbsolute } from "../../plan/paths.js";
import type { Device } from "../generated/spec-types.js";
import { noId } from "../numbers.js";
import type { Rules } from "../rule.js";

/** The kernel's dev_t (include/linux/kdev_t.h): 12 bits of major, 20 of minor number. */
export const largestMajor = 4095;
export const largestMinor = 1_048_575;

export const deviceRules: Rules = {
  "device-path-absolute": ({ spec }, report) => {
    spec.linux?.devices?.forEach(({ path }, i) => {
      if (!path.startsWith("/") || cleanAbsolute(path) === "/") report(`/linux/devices/${i}/path`, path, "an absolute path below /");
    });
  },

  "device-numbers": ({ spec }, report) => {
    spec.linux?.devices?.forEach((device, i) => {
      if (device.type === "p") return;
      for (const [name, largest] of [
        ["major", largestMajor],
        ["minor", largestMinor],
      ] as const) {
        const value = device[name];
        if (value === undefined || value < 0 || value > largest)
          report(`/linux/devices/${i}/${name}`, value, `0 to ${largest}, required but for a FIFO`);
      }
    });
  },

  // Managers list a device twice when they are told twice; only a contradiction is a fault.
  "device-paths-unique": ({ spec }, report) => {
    const seen = new Map<string, { index: number; device: Device }>();
    spec.linux?.devices?.forEach((device, i) => {
      const path = cleanAbsolute(device.path);
      const first = seen.get(path);
      if (first === undefined) seen.set(path, { index: i, device });
      else if (!isSame(first.device, device))
        report(`/linux/devices/${i}/path`, device.path, `each path for one device: /linux/devices/${first.index} is another`);
    });
  },

  "device-owner": ({ spec }, report) => {
    spec.linux?.devices?.forEach(({ uid, gid }, i) => {
      if (uid === noId) report(`/linux/devices/${i}/uid`, uid, `0 to ${noId - 1}`);
      if (gid === noId) report(`/linux/devices/${i}/gid`, gid, `0 to ${noId - 1}`);
    });
  },
};

function isSame(a: Device, b: Device): boolean {
  // mknod(1): "u" is another letter for "c".
  const kind = (type: string): string => (type === "u" ? "c" : type);
  return kind(a.type) === kind(b.type) && a.major === b.major && a.minor === b.minor;
}
