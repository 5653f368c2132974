/** Rules for `linux.intelRdt` (config-linux.md, "IntelRdt"). */

import { each, type Rules } from "../rule.js";

const place = "/linux/intelRdt";

/** Directories in the root of resctrl that are not classes (Documentation/filesystems/resctrl.rst). */
const reserved: readonly string[] = ["info", "mon_groups", "mon_data"];

export const intelRdtRules: Rules = {
  // It becomes the name of a directory: a path could lead to the class of another container.
  "rdt-class-name": ({ spec: { linux } }, report) => {
    const name = linux?.intelRdt?.closID;
    if (!name || name === "/") return;
    if (name === "." || name === ".." || /[/\n]/.test(name) || reserved.includes(name))
      report(`${place}/closID`, name, '"/" (the default class), or the name of a class: no path, and none of info, mon_groups, mon_data');
  },

  "rdt-schemata": ({ spec: { linux } }, report) => {
    each(linux?.intelRdt?.schemata, (line, i) => {
      if (line === "" || line.includes("\n")) report(`${place}/schemata/${i}`, line, 'one line, such as "L3:0=f"');
    });
  },
};
