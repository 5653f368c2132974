/** Rules for mounts with mapped owners (config.md, "Mounts": `idmap`, `ridmap`, `uidMappings`) or copied content (`tmpcopyup`). */

import type { Report } from "../fault.js";
import type { Mount, Spec } from "../generated/spec-types.js";
import { parseIdMapOption } from "../idmap-option.js";
import { copyUpOptionName, isIdMapOption } from "../mount-option-names.js";
import { each, type Rules } from "../rule.js";
import { reportMappings } from "./id-mappings.js";
import { isBindMount } from "./mounts.js";

const lists = ["uidMappings", "gidMappings"] as const;

/** The first place in a mount that requests mapped owners, with its value; undefined if there is none. */
function mappingRequest(mount: Mount, pointer: string): { pointer: string; found: unknown } | undefined {
  const index = mount.options?.findIndex(isIdMapOption) ?? -1;
  if (index >= 0) return { pointer: `${pointer}/options/${index}`, found: mount.options?.[index] };
  for (const list of lists) if (mount[list]?.length) return { pointer: `${pointer}/${list}`, found: mount[list] };
  return undefined;
}

export const mountOwnerRules: Rules = {
  // The kernel can map only a mount that was never visible. The owners of a new file system are mapped by its user namespace.
  "idmap-bind": ({ spec, rootless, namespaces }, report) => {
    each(spec.mounts, (mount, i) => {
      const pointer = `/mounts/${i}`;
      const request = mappingRequest(mount, pointer);
      if (!request) return;
      const say = (allowed: string): void => report(request.pointer, request.found, allowed);
      if (!isBindMount(mount)) say('nothing, or the option "bind" or "rbind": owners are mapped in a bind mount alone');
      else if (mount.options?.includes("remount")) say('nothing: the owners of a mount that is there already cannot be mapped ("remount")');
      else if (rootless) say("nothing: not running as root");
      else if (mount.options?.some((option) => option.includes("=") && isIdMapOption(option))) reportOptions(mount, pointer, spec, report);
      else if (mount.uidMappings?.length || mount.gidMappings?.length) reportBoth(mount, pointer, report);
      else if (!namespaces.has("user")) say(`uidMappings and gidMappings beside it, or an entry of type "user" in /linux/namespaces`);
    });
  },

  "copy-up-tmpfs": ({ spec }, report) => {
    each(spec.mounts, (mount, i) => {
      const index = mount.options?.indexOf(copyUpOptionName) ?? -1;
      if (index >= 0 && (mount.type !== "tmpfs" || isBindMount(mount) || mount.options?.includes("remount")))
        report(`/mounts/${i}/options/${index}`, copyUpOptionName, 'nothing, or the type "tmpfs": it is what the copy is made in');
    });
  },
};

/** Mappings in options; their ids and ranges must satisfy the same rules as those of the lists. */
function reportOptions(mount: Mount, pointer: string, spec: Spec, report: Report): void {
  each(mount.options, (option, i) => {
    if (!option.includes("=") || !isIdMapOption(option)) return;
    const at = `${pointer}/options/${i}`;
    if (mount.uidMappings?.length || mount.gidMappings?.length) return report(at, option, "no mappings, which are in the lists beside it");
    const parsed = parseIdMapOption(option, spec.linux);
    if (typeof parsed === "string") return report(at, option, parsed);
    for (const list of lists) {
      reportMappings(parsed[list], list === "uidMappings" ? "uids" : "gids", (_place, _found, allowed) => {
        report(at, option, allowed);
      });
    }
  });
}

/** config.md: each "MUST be specified along with" the other. */
function reportBoth(mount: Mount, pointer: string, report: Report): void {
  each(lists, (list) => {
    const mappings = mount[list] ?? [];
    if (mappings.length === 0) report(`${pointer}/${list}`, mount[list], "at least one mapping: the other list has some");
    else reportMappings(mappings, `${pointer}/${list}`, report);
  });
}
