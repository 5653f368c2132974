/** Rules for paths other than mounts and devices, and for `annotations`. */

import { each, type Rules } from "../rule.js";

export const pathRules: Rules = {
  // config.md, "Root": required on every platform but Windows.
  "root-given": ({ spec: { root } }, report) => {
    if (root === undefined) report("/root", undefined, 'an object with "path"');
    else if (root.path === "") report("/root/path", "", "the path of a directory");
  },

  "masked-paths-absolute": ({ spec: { linux } }, report) => {
    each(["maskedPaths", "readonlyPaths"] as const, (list) => {
      each(linux?.[list], (path, i) => {
        if (!path.startsWith("/")) report(`/linux/${list}/${i}`, path, "an absolute path");
      });
    });
  },

  // `..` could leave the caller's cgroup, and with it the caller's limits.
  "cgroups-path-inside": ({ spec: { linux } }, report) => {
    if (linux?.cgroupsPath?.split("/").includes("..")) report("/linux/cgroupsPath", linux.cgroupsPath, 'a path without ".."');
  },

  // config.md, "Annotations".
  "annotation-names": ({ spec: { annotations } }, report) => {
    if (annotations !== undefined && Object.hasOwn(annotations, ""))
      report("/annotations/", annotations[""], "no annotation with an empty name");
  },
};
