/** Rules for `linux.resources.devices` (config-linux.md, "Allowed Device list"). */

import { largestMajor, largestMinor } from "./devices.js";
import type { Rules } from "../rule.js";

const place = "/linux/resources/devices";

export const deviceCgroupRules: Rules = {
  "device-access-type": ({ spec }, report) => {
    spec.linux?.resources?.devices?.forEach(({ type }, i) => {
      if (type !== undefined && !["", "a", "b", "c"].includes(type)) report(`${place}/${i}/type`, type, 'one of "a", "b", "c"');
    });
  },

  "device-access-letters": ({ spec }, report) => {
    spec.linux?.resources?.devices?.forEach(({ type, access }, i) => {
      // An entry for all devices stands for every access; one for some says which.
      const isForAll = type === undefined || type === "" || type === "a";
      if (!access ? !isForAll : !/^[rwm]{1,3}$/.test(access) || new Set(access).size !== access.length) {
        report(`${place}/${i}/access`, access, "letters of rwm, each at most once");
      }
    });
  },

  // -1 stands for any number, as in the kernel interface of other runtimes.
  "device-access-numbers": ({ spec }, report) => {
    spec.linux?.resources?.devices?.forEach((device, i) => {
      for (const [name, largest] of [
        ["major", largestMajor],
        ["minor", largestMinor],
      ] as const) {
        const value = device[name];
        if (value === undefined) continue;
        if (value < -1 || value > largest) report(`${place}/${i}/${name}`, value, `0 to ${largest}`);
        else if (device.type === "a" && value !== -1) report(`${place}/${i}/${name}`, value, 'nothing: type "a" means all devices');
      }
    });
  },
};
