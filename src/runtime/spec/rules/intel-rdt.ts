/** Rules for `linux.intelRdt` (config-linux.md, "IntelRdt"). */

import { each, type Rules } from "../rule.js";

const place = "/linux/intelRdt";

/** Directories that resctrl has in its root and that are no classes (Documentation/filesystems/resctrl.rst). */
const reserved: readonly string[] = ["info", "mon_groups", "mon_data"];

export const intelRdtRules: Rules = {
  // It becomes the name of a directory: a path could name another's.
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
