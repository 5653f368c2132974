/** Rules for `linux.devices` (config-linux.md, "Devices"). */

import { cleanAbsolute } from "../../plan/paths.js";
import type { Device } from "../generated/spec-types.js";
import { noId } from "../numbers.js";
import { each, type Rules } from "../rule.js";

/** The numbers of a device and the largest that each may be: the kernel's dev_t (include/linux/kdev_t.h) has 12 bits of major, 20 of minor. */
export const deviceNumbers = [
  ["major", 4095],
  ["minor", 1_048_575],
] as const;

/** The file type bits of st_mode, inode(7). */
const FILE_TYPES: Readonly<Record<string, number>> = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 };

export const deviceRules: Rules = {
  "device-path-absolute": ({ spec }, report) => {
    each(spec.linux?.devices, ({ path }, i) => {
      if (!path.startsWith("/") || cleanAbsolute(path) === "/") report(`/linux/devices/${i}/path`, path, "an absolute path below /");
    });
  },

  "device-numbers": ({ spec }, report) => {
    each(spec.linux?.devices, (device, i) => {
      if (device.type === "p") return;
      each(deviceNumbers, ([name, largest]) => {
        const value = device[name];
        if (value === undefined || value < 0 || value > largest)
          report(`/linux/devices/${i}/${name}`, value, `0 to ${largest}, required but for a FIFO`);
      });
    });
  },

  // podman writes st_mode as stat(2) returns it, with the file type.
  "device-mode": ({ spec }, report) => {
    each(spec.linux?.devices, ({ type, fileMode = 0 }, i) => {
      if (fileMode !== (fileMode & 0o777) && fileMode !== ((FILE_TYPES[type] ?? 0) | (fileMode & 0o777)))
        report(`/linux/devices/${i}/fileMode`, fileMode, "0 to 511 (octal 777), with or without the bits of the device's type (inode(7))");
    });
  },

  // Managers may list a device twice; only a contradiction is a fault.
  "device-paths-unique": ({ spec }, report) => {
    const seen = new Map<string, { index: number; device: Device }>();
    each(spec.linux?.devices, (device, i) => {
      const path = cleanAbsolute(device.path);
      const first = seen.get(path);
      if (first === undefined) seen.set(path, { index: i, device });
      else if (!isSame(first.device, device))
        report(`/linux/devices/${i}/path`, device.path, `each path for one device: /linux/devices/${first.index} is another`);
    });
  },

  "device-owner": ({ spec }, report) => {
    each(spec.linux?.devices, (device, i) => {
      each(["uid", "gid"] as const, (name) => {
        if (device[name] === noId) report(`/linux/devices/${i}/${name}`, noId, `0 to ${noId - 1}`);
      });
    });
  },
};

function isSame(a: Device, b: Device): boolean {
  // mknod(1): "u" is a synonym of "c".
  const kind = (type: string): string => (type === "u" ? "c" : type);
  return kind(a.type) === kind(b.type) && a.major === b.major && a.minor === b.minor;
}
