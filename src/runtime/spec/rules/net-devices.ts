/** Rules for `linux.netDevices` (config-linux.md, "Network Devices"). */

import { segment, type Report } from "../fault.js";
import { each, type Rules } from "../rule.js";
import { utf8Length } from "./namespaces.js";

const place = "/linux/netDevices";
const nameInWords = "the name of a device: 1 to 15 bytes, no slash, colon or blank";

/** The kernel's dev_valid_name, without %, which marks a template. */
function isDeviceName(name: string): boolean {
  return /^[^/:%\s]+$/.test(name) && name !== "." && name !== ".." && utf8Length(name) <= 15;
}

export const netDeviceRules: Rules = {
  "net-devices": [
    ({ spec: { linux }, rootless, namespaces }, report) => {
      const devices = linux?.netDevices;
      if (!devices || Object.keys(devices).length === 0) return;
      if (rootless) report(place, devices, "nothing: not running as root");
      else if (!namespaces.has("network")) report(place, devices, 'nothing, or an entry of type "network" in /linux/namespaces');
    },
    ({ spec: { linux } }, report) => {
      const devices = linux?.netDevices ?? {};
      const holders = new Map<string, string>();
      each(Object.keys(devices), (name) => {
        const pointer = `${place}/${segment(name)}`;
        if (name === "lo") report(pointer, name, "nothing: each network namespace has its own loopback device");
        else if (!isDeviceName(name)) report(pointer, name, nameInWords);
        else inspectNewName(devices[name]?.name || name, pointer, { holders, report });
      });
    },
  ],
};

interface Names {
  /** The pointer of the device that has a name, by name. */
  holders: Map<string, string>;
  report: Report;
}

function inspectNewName(name: string, pointer: string, { holders, report }: Names): void {
  const holder = holders.get(name);
  if (!isDeviceName(name.replace("%d", "0"))) report(`${pointer}/name`, name, `${nameInWords}, and at most one "%d"`);
  else if (holder !== undefined) report(`${pointer}/name`, name, `each name once: ${holder} has it`);
  // A template gives a different name each time.
  else if (!name.includes("%")) holders.set(name, pointer);
}
