/** Rules for `linux.resources.devices` (config-linux.md, "Allowed Device list"). */

import { deviceNumbers } from "./devices.js";
import { each, type Rules } from "../rule.js";

const place = "/linux/resources/devices";

export const deviceCgroupRules: Rules = {
  "device-access-type": ({ spec }, report) => {
    each(spec.linux?.resources?.devices, ({ type }, i) => {
      if (type !== undefined && !["", "a", "b", "c"].includes(type)) report(`${place}/${i}/type`, type, 'one of "a", "b", "c"');
    });
  },

  "device-access-letters": ({ spec }, report) => {
    each(spec.linux?.resources?.devices, (device, i) => {
      const { access } = device;
      // An entry for all devices implies every access; other entries must state it.
      const fits = access ? /^[rwm]{1,3}$/.test(access) && new Set(access).size === access.length : ["", "a"].includes(device.type ?? "");
      if (!fits) report(`${place}/${i}/access`, access, "letters of rwm, each at most once");
    });
  },

  // -1 stands for any number, as in the kernel interface of other runtimes.
  "device-access-numbers": ({ spec }, report) => {
    each(spec.linux?.resources?.devices, (device, i) => {
      each(deviceNumbers, ([name, largest]) => {
        const value = device[name];
        if (value === undefined) return;
        if (value < -1 || value > largest) report(`${place}/${i}/${name}`, value, `0 to ${largest}`);
        else if (device.type === "a" && value !== -1) report(`${place}/${i}/${name}`, value, 'nothing: type "a" means all devices');
      });
    });
  },
};
